"""Laws of tables as likelihoods: each column sums to one, gaps count for nothing, all is recovered.

Every test of draws has a false-alarm rate of 1e-4 at most, over seeds; the seed is fixed.
"""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from keras import ops

import keras_vae
from keras_vae.distributions import Column, Columns
from keras_vae.distributions.piecewise import PiecewiseLinear
from keras_vae.distributions.rounded import MixtureOfRoundedLogistics
from keras_vae.models import load_model
from keras_vae.tables import fitted
from tests.tensors import array, drawn, value_and_gradients
from tests.test_draws import COUNT, agrees

X, Y = np.array([-0.5, 2.5, 40.5, 150.5, 200.5]), [-4.0, -1.0, 0.0, 2.0, 4.0]
ENDS = [(None, None), (0, None), (None, 200), (0, 200)]
STEPS = [1.0, 0.01, 1000.0]


def rounded(step, minimum, maximum, num_components=3):
    """One column of numbers, whose knots are far apart here and near there."""
    ends = ([None if end is None else end * step] for end in (minimum, maximum))
    return MixtureOfRoundedLogistics([list(X * step)], [Y], [step], *ends, num_components)


def lattice(step, minimum, maximum):
    """All that a column may hold, or so far that nothing is beyond."""
    low, high = (-6000 if minimum is None else minimum), (9000 if maximum is None else maximum)
    return step * np.arange(low, high + 1)


def probabilities(likelihood, x, raw):
    """Of numbers x, `(N,)`, under one row of raw parameters."""
    rows = np.broadcast_to(raw, (len(x), 1, len(raw))).astype("float32")
    log_p = array(likelihood.log_prob(x.astype("float32")[:, None, None], rows))
    return np.exp(log_p.astype("float64"))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("ends", ENDS)
def test_probabilities_sum_to_one_and_have_the_mean_that_mean_says(step, ends, rng):
    likelihood, x = rounded(step, *ends), lattice(step, *ends)
    for raw in rng.normal(size=(4, 9)).astype("float32"):
        p = probabilities(likelihood, x, raw)
        assert p.sum() == pytest.approx(1, abs=1e-5)
        assert abs(p @ x - array(likelihood.mean(raw[None, None]))[0, 0, 0]) < step / 2


@pytest.mark.parametrize(("step", "ends"), [(1.0, (None, 200)), (0.01, (0, None)), (1e3, (0, 200))])
def test_draws_of_rounded_logistics_follow_the_distribution(step, ends, rng):
    likelihood, x = rounded(step, *ends), lattice(step, *ends)
    raw = rng.normal(size=9).astype("float32")
    draws = drawn(likelihood, np.broadcast_to(raw, (COUNT, 1, 9)))[:, 0, 0]
    k = np.rint(draws.astype("float64") / step)
    np.testing.assert_allclose(draws, k * step, rtol=1e-6, atol=0)  # on the lattice
    assert (draws >= np.float32(x[0])).all()
    assert (draws <= np.float32(x[-1])).all()
    agrees((k - np.rint(x[0] / step)).astype(int), probabilities(likelihood, x, raw))


@pytest.mark.parametrize("ends", ENDS)
def test_extreme_parameters_are_finite_in_value_and_gradient(ends, rng):
    likelihood = rounded(1.0, *ends, num_components=2)
    x = np.float32([0, 1, 41, 199, 200])[:, None, None]
    raw = keras.Variable(np.zeros((5, 1, 6), "float32"))
    total = value_and_gradients(lambda: ops.sum(likelihood.log_prob(x, raw.value)), [raw])
    for signs in rng.integers(-1, 2, size=(40, 6)):
        raw.assign(np.broadcast_to(signs * [80, 80, 80, 80, 20, 20], (5, 1, 6)))
        log_prob, (gradient,) = total()
        for number in (log_prob, gradient, array(likelihood.mean(raw.value))):
            assert np.isfinite(number).all(), signs
        likelihood.check(drawn(likelihood, array(raw.value)))


MAPS = {
    "open": ([list(X), [1.0, 3.0]], [Y, [-1.0, 5.0]], [False] * 2, [False] * 2),
    "closed": ([list(X), [1.0, 3.0]], [Y, [-1.0, 5.0]], [True] * 2, [True] * 2),
    "half": ([[1.0, 3.0], list(X)], [[-1.0, 5.0], Y], [True, False], [False, True]),
}


@pytest.mark.parametrize("name", MAPS)
def test_an_increasing_map_has_its_inverse_slope_and_mean(name):
    given = MAPS[name]
    f, g = PiecewiseLinear(*given), PiecewiseLinear(given[1], given[0], *given[2:])
    x = np.linspace(-700, 900, 1000)[:, None] / [1, 100] + [0.013, 0.017]  # beside the knots
    low, high = (np.array([column[end] for column in given[0]]) for end in (0, -1))
    inside = np.clip(x, np.where(given[2], low, -np.inf), np.where(given[3], high, np.inf))
    x = x.astype("float32")
    np.testing.assert_allclose(array(f.inverse(f(x))), inside, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(array(g(x)), array(f.inverse(x)), rtol=1e-5, atol=1e-4)
    h = np.float32(2**-8)
    slope = (array(f(x + h)) - array(f(x - h))) / (2 * h)
    gaps = [np.abs(x[:, [i]] - knots).min(axis=-1) for i, knots in enumerate(given[0])]
    clear = np.stack(gaps, axis=-1) > h
    np.testing.assert_allclose(array(f.slope(x))[clear], slope[clear], rtol=1e-3, atol=0.02)
    location, scale = np.float32([[0.3, -0.7]]), np.float32([[1.3, 0.4]])
    mean = array(f.mean_of_logistic(location, scale))[0]
    for place in range(2):
        q = (np.arange(200_000) + 0.5) / 200_000  # the mean over quantiles
        y = location[0, place] + scale[0, place] * scipy.special.logit(q)
        values = array(f.inverse(np.stack([y, y], -1).astype("float32")))[:, place]
        assert mean[place] == pytest.approx(values.astype("float64").mean(), rel=1e-3, abs=1e-2)


def simulated():
    """Columns of many kinds: `{what: (Column, 4000 values)}`."""
    rng, n = np.random.default_rng(0), 4000
    heavy, paid = rng.pareto(1.1, n), rng.random(n) < 0.4
    day = {"format": "%Y-%m-%d", "origin": "2001-02-03"}
    return {
        "few": (Column("a", "number"), rng.choice([1, 2, 2, 5, 9, 9, 9, 20], n)),
        "zeros": (Column("a", "number", 2, 0.0), np.round(paid * rng.lognormal(5, 1, n), 2)),
        "constant but for one": (Column("a", "number"), np.append(np.full(n - 1, 7), 9)),
        "constant": (Column("a", "number", 1), np.full(n, 7.5)),
        "heavy tails": (Column("a", "number", 1, 0.0), np.round(10 * heavy, 1)),
        "huge": (Column("a", "number", -2), 1e9 + 100 * np.rint(rng.normal(0, 1e4, n))),
        "tiny": (Column("a", "number", 9), np.round(rng.normal(0, 1e-6, n), 9)),
        "negative": (Column("a", "number", 1), -np.round(rng.lognormal(3, 1, n), 1)),
        "from 0 to 100": (Column("a", "number", 0, 0.0, 100.0), rng.binomial(100, rng.random(n))),
        "thousands": (Column("a", "number", -3, 0.0), 1000 * rng.integers(1, 500, n)),
        "counts": (Column("a", "count"), rng.negative_binomial(2, 0.1, n)),
        "dates": (Column("a", "date", **day), rng.integers(0, 5000, n)),
        "two values far apart": (Column("a", "number"), rng.choice([-1e6, 1e6], n)),
    }


SIMULATED = simulated()


def fitted_to(what):
    column, values = SIMULATED[what]
    values = values.astype("float32")
    return fitted([column], values[:, None])[0], values


def identity(column):
    """One logistic at 0 of scale 1: its likelihood, and the raw parameters of a row."""
    knots = ([list(column.x_knots)], [list(column.y_knots)])
    return MixtureOfRoundedLogistics(*knots, [column.step], [column.minimum], [column.maximum], 1)


@pytest.mark.parametrize("what", SIMULATED)
def test_fitted_knots_increase_and_stand_half_a_step_beside_values(what):
    column, _ = fitted_to(what)
    x, y = np.array(column.x_knots), np.array(column.y_knots)
    assert (np.diff(x.astype("float32")) > 0).all()
    assert (np.diff(y.astype("float32")) > 0).all()
    steps = (x - (column.minimum or 0.0)) / column.step
    np.testing.assert_allclose(steps - np.floor(steps), 0.5, atol=1e-3)


@pytest.mark.parametrize("what", SIMULATED)
def test_fitted_knots_make_any_column_nearly_logistic(what):
    """So the decoder begins at the marginal: within 0.03 of it, and in every value that is often.

    Kolmogorov and Smirnov's distance of 4000 values from 10^5 draws is 0.03 by chance in 0.3 %.
    """
    column, values = fitted_to(what)
    likelihood = identity(column)
    draws = drawn(likelihood, np.zeros((10**5, 1, 3), "float32"))[:, 0, 0]
    ends = np.unique(values)
    distance = np.searchsorted(np.sort(draws), ends, "right") / len(draws)
    distance -= np.searchsorted(np.sort(values), ends, "right") / len(values)
    assert np.abs(distance).max() < 0.03
    often, counts = np.unique(values, return_counts=True)
    p = probabilities(likelihood, often, np.zeros(3))
    assert (p > 0).all()
    share = counts / len(values)
    some = share > 0.05
    np.testing.assert_allclose(p[some], share[some], rtol=0.05)
    if len(often) < 10:
        assert p.sum() == pytest.approx(1, abs=0.005)


NAMES = ["price", "size", "sex", "visits", "day", "events", "only", "calls", "letter", "weight"]


@pytest.fixture(scope="module")
def columns():
    """Every kind and likelihood, none beside its like."""
    rng, n = np.random.default_rng(1), 500
    kinds = [
        (Column("price", "number", 2, 0.0), np.round(rng.lognormal(3, 1, n), 2)),
        (Column("size", "number", 1, likelihood="normal"), np.round(rng.normal(170, 9, n), 1)),
        (Column("sex", "category", categories=("f", "m")), rng.integers(0, 2, n)),
        (Column("visits", "count"), rng.poisson(20, n)),
        (
            Column("day", "date", format="%Y-%m-%d", origin="2001-02-03"),
            rng.integers(0, 900, n),
        ),
        (Column("events", "count", likelihood="poisson"), rng.poisson(3, n)),
        (Column("only", "category", categories=("one",)), np.zeros(n)),
        (Column("calls", "count", likelihood="negative_binomial"), rng.poisson(3, n)),
        (Column("letter", "category", categories=tuple(range(30))), rng.integers(0, 30, n)),
        (Column("weight", "number", -1, 0.0, 200.0), 10 * rng.integers(0, 21, n)),
    ]
    table = np.stack([values for _, values in kinds], axis=-1).astype("float32")
    return tuple(fitted([column for column, _ in kinds], table)), table


@pytest.fixture
def gapped(columns, rng):
    """The table with a quarter of it missing."""
    table = columns[1].copy()
    table[rng.random(table.shape) < 0.25] = np.nan
    table[0] = np.nan
    return table


def size_of(column):
    own = {"mixture": 15, "normal": 2, "negative_binomial": 2, "poisson": 1}
    return own.get(column.likelihood) or len(column.categories)


def joined(columns, raw):
    """Raw outputs, one array for each column, as `Columns` takes them: like columns together."""
    groups = {}
    for column, part in zip(columns, raw, strict=True):
        groups.setdefault((column.likelihood, len(column.categories)), []).append(part)
    return np.concatenate([part for group in groups.values() for part in group], axis=-1)


def raw_of(columns, rng, count):
    sizes = [(count, size_of(column)) for column in columns]
    return [rng.normal(size=size).astype("float32") for size in sizes]


def term(column, x, raw):
    """log p of a column by formulas of scipy's, float64, `(B,)`."""
    raw = raw.astype("float64")
    if column.likelihood == "mixture":
        likelihood = identity(column)
        likelihood.num_components = 5
        return array(likelihood.log_prob(x[:, None, None], raw.astype("float32")[:, None]))
    if column.likelihood == "categorical":
        return scipy.special.log_softmax(raw, -1)[np.arange(len(x)), x.astype(int)]
    if column.likelihood == "poisson":
        return scipy.stats.poisson.logpmf(x, np.exp(raw[:, 0]))
    if column.likelihood == "negative_binomial":
        mean, r = np.exp(raw).T
        return scipy.stats.nbinom.logpmf(x, r, r / (r + mean))
    low, high = column.x_knots
    unit = (high - low) / 2
    mean, scale = (low + high) / 2 + unit * raw[:, 0], unit * np.exp(raw[:, 1])
    return scipy.stats.norm.logpdf(x, mean, scale)


def test_terms_are_those_of_each_column_and_sum_to_the_log_probability(columns, rng):
    columns, x = columns[0], columns[1][:50]
    likelihood, raw = Columns(columns), raw_of(columns, rng, len(x))
    expected = [term(c, v, r) for c, v, r in zip(columns, x.T, raw, strict=True)]
    x_params = joined(columns, raw)
    terms = array(likelihood.element_log_prob(x, x_params))
    np.testing.assert_allclose(terms, np.stack(expected, -1), rtol=1e-4, atol=1e-4)
    total = array(likelihood.log_prob(x, np.stack([x_params, 0 * x_params])))
    assert total.shape == (2, 50)
    np.testing.assert_allclose(total[0], terms.sum(-1), rtol=1e-5)


def test_what_is_missing_counts_for_nothing(columns, gapped, rng):
    table, likelihood = columns[1], Columns(columns[0])
    x_params = joined(columns[0], raw_of(columns[0], rng, len(table)))
    there = ~np.isnan(gapped)
    whole = array(likelihood.element_log_prob(table, x_params))
    terms = array(likelihood.element_log_prob(gapped, x_params))
    np.testing.assert_array_equal(terms, np.where(there, whole, 0))
    assert array(likelihood.log_prob(gapped, x_params))[0] == 0  # of a row without any value
    full, features = (array(likelihood.features(x)) for x in (table, gapped))
    assert features.shape[1:] == likelihood.feature_shape((len(NAMES),))
    np.testing.assert_array_equal(features[:, -len(NAMES) :], there)
    assert (full[:, -len(NAMES) :] == 1).all()
    assert (features[0] == 0).all()
    widths = [len(column.categories) or 1 for column in columns[0]]
    masks = [np.repeat(m[:, None], w, axis=-1) for m, w in zip(there.T, widths, strict=True)]
    mask = joined(columns[0], masks)
    np.testing.assert_array_equal(features[:, : -len(NAMES)], full[:, : -len(NAMES)] * mask)


def test_a_gradient_passes_by_what_is_missing(columns, gapped, rng):
    """As finite and as 0 where nothing is there as its term is."""
    likelihood = Columns(columns[0])
    raw = keras.Variable(joined(columns[0], raw_of(columns[0], rng, len(gapped))))
    total = value_and_gradients(lambda: ops.sum(likelihood.log_prob(gapped, raw.value)), [raw])
    gradient = total()[1][0]
    assert np.isfinite(gradient).all()
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).any()


def test_the_order_of_columns_is_no_matter(columns, gapped, rng):
    columns, raw = columns[0], raw_of(columns[0], rng, len(gapped))
    order = rng.permutation(len(columns))
    moved, moved_raw = ([parts[i] for i in order] for parts in (columns, raw))
    expected = array(Columns(columns).element_log_prob(gapped, joined(columns, raw)))
    terms = Columns(moved).element_log_prob(gapped[:, order], joined(moved, moved_raw))
    np.testing.assert_allclose(array(terms), expected[:, order], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("price", -1, "row 7 of x holds -1 in column 'price', which must be .*from 0 to inf"),
        ("weight", 210, "row 7 .* 210 in column 'weight', .*from 0 to 200"),
        ("size", np.inf, "holds inf in column 'size', which must be a finite number"),
        ("sex", 2, "holds 2 in column 'sex', which must be a place from 0 to 1"),
        ("letter", 0.5, "0.5 in column 'letter'"),
        ("only", -1, "-1 in column 'only'"),
        ("visits", -1, "-1 in column 'visits', which must be a whole number from 0"),
        ("events", 2.5, "2.5 in column 'events'"),
        ("calls", 2.5, "2.5 in column 'calls'"),
    ],
)
def test_a_value_that_a_column_may_not_hold_is_named_with_its_row(columns, name, value, message):
    likelihood, x = Columns(columns[0]), columns[1].copy()
    likelihood.check(x)
    x[7, NAMES.index(name)] = value
    with pytest.raises(ValueError, match=message):
        likelihood.check(x)


def test_every_draw_and_mean_is_of_its_column(columns, rng):
    likelihood = Columns(columns[0])
    x_params = 3 * joined(columns[0], raw_of(columns[0], rng, 2000))
    x = drawn(likelihood, x_params)
    likelihood.check(x)
    assert x.shape == (2000, len(NAMES))
    for name, step in (("price", 0.01), ("visits", 1), ("day", 1), ("weight", 10)):
        values = x[:, NAMES.index(name)].astype("float64")
        np.testing.assert_allclose(values, step * np.rint(values / step), rtol=1e-5)
    mean = array(likelihood.mean(x_params))
    for name, count in (("sex", 2), ("only", 1), ("letter", 30)):
        assert set(mean[:, NAMES.index(name)]) == set(x[:, NAMES.index(name)]) == {*range(count)}


def test_the_mean_of_a_category_is_the_most_probable_one(rng):
    column, raw = Column("a", "category", categories=tuple("abcd")), rng.normal(size=(50, 4))
    mean = array(Columns([column]).mean(raw.astype("float32")))
    np.testing.assert_array_equal(mean[:, 0], raw.argmax(-1))


def test_columns_round_trip_through_their_config(columns):
    likelihood = Columns([*columns[0], Column("y", "category", categories=(True,), label=True)])
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(likelihood))
    assert copy.get_config() == likelihood.get_config()
    assert copy.table == likelihood.table
    assert copy.event_shape == (len(NAMES),)
    one = rounded(0.01, 0, None)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(one))
    assert copy.get_config() == one.get_config()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "at least one that is no label"),
        ([Column("a", "number")], "column 'a' must know where its numbers lie"),
        ([Column("a", "category", categories="xy")] * 2, "'a' stands twice"),
    ],
)
def test_columns_that_make_no_table_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        Columns(columns)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "numbr"}, "Unknown kind of a column: 'numbr'. Did you mean 'number'"),
        ({"kind": "number", "likelihood": "poisson"}, "must be mixture or normal, got 'poisson'"),
        ({"kind": "category"}, "must list its categories"),
        ({"kind": "category", "categories": ("1", 1)}, "must differ"),
        ({"kind": "count", "label": True}, "a label must be a category"),
        ({"kind": "date"}, "must have a format"),
        ({"kind": "date", "format": "%Y", "origin": "yesterday"}, "an origin such as"),
    ],
)
def test_a_column_that_is_none_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Column("a", **fields)


def test_a_model_of_gaps_trains_and_is_saved_whole(columns, gapped, tmp_path):
    vae = keras_vae.VAE.from_architecture(
        "mlp", (len(NAMES),), 2, Columns(columns[0]), seed=0, hidden=(16,)
    )
    vae.compile(optimizer="adam")
    history = vae.fit(gapped, epochs=2, batch_size=50, verbose=0).history
    assert history["skipped_steps"] == [0, 0]
    assert history["loss"][1] < history["loss"][0]
    assert all(np.isfinite(weight).all() for weight in vae.get_weights())
    vae.save(tmp_path / "model.keras")
    scores, copies = (m.score(gapped[:20], 5) for m in (vae, load_model(tmp_path / "model.keras")))
    for name, values in scores.items():
        np.testing.assert_array_equal(copies[name], values)
    x = vae.sample(100, seed=1, mean=False)
    vae.likelihood.check(x)
    assert not np.isnan(x).any()
    assert np.isfinite(vae.sample(100, seed=1)).all()


KINDS = (
    Column("income", "number", decimals=2, minimum=0.0),
    Column("visits", "count"),
    Column("class", "category", categories=("low", "middle", "high")),
    Column("member", "category", categories=("no", "yes")),
)


def population(rng, count):
    """One factor behind four columns, whose distributions are known."""
    t = rng.normal(size=count)
    income = np.round(np.exp(10 + 0.8 * t + 0.5 * rng.normal(size=count)), 2)
    visits = rng.poisson(np.exp(0.5 + 0.6 * t))
    utility = t[:, None] * [-1.5, 0.0, 1.5] + rng.gumbel(size=(count, 3))
    member = rng.random(count) < scipy.special.expit(1.5 * t)
    return np.stack([income, visits, utility.argmax(-1), member], axis=-1).astype("float32")


def cramers_v(a, b):
    table = np.array([[np.sum((a == i) & (b == j)) for j in np.unique(b)] for i in np.unique(a)])
    return scipy.stats.contingency.association(table)


@pytest.mark.only_on("tensorflow")
def test_a_table_of_known_distributions_is_recovered_from_one_with_gaps(rng):
    """Distances of marginals are below 0.05, and dependences within 0.1 of the true ones.

    Of 4000 rows with a fifth missing, chance alone makes 0.02 and 0.03 of these.
    """
    x, truth = population(rng, 4000), population(rng, 50_000)
    x[rng.random(x.shape) < 0.2] = np.nan
    vae = keras_vae.VAE.from_architecture(
        "mlp", (4,), 2, Columns(fitted(KINDS, x)), seed=0, hidden=(32,)
    )
    vae.compile(optimizer=keras.optimizers.Adam(3e-3))
    vae.fit(x, epochs=30, batch_size=100, verbose=0)
    made = vae.sample(20_000, seed=1, mean=False)
    for place in range(4):
        assert scipy.stats.ks_2samp(made[:, place], truth[:, place]).statistic < 0.05, place
    for a, b in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]:
        found, true = (scipy.stats.spearmanr(x[:, a], x[:, b]).statistic for x in (made, truth))
        assert true > 0.3
        assert found == pytest.approx(true, abs=0.1), (a, b)
    found, true = (cramers_v(x[:, 2], x[:, 3]) for x in (made, truth))
    assert found == pytest.approx(true, abs=0.1)
