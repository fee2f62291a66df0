"""Laws of `Columns`: terms are those of each column, gaps count for nothing, all is recovered."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
from keras import ops

import keras_vae
from keras_vae.distributions import Column, Columns
from keras_vae.distributions.rounded import MixtureOfRoundedLogistics
from keras_vae.models import load_model
from keras_vae.tables import fitted
from tests.tensors import array, drawn, value_and_gradients

NAMES = ["price", "size", "sex", "visits", "day", "events", "only", "calls", "letter", "claims"]
NAMES += ["weight"]


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
        (
            Column("claims", "count", likelihood="zero_inflated_negative_binomial"),
            rng.poisson(3, n) * rng.integers(0, 2, n),
        ),
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
    own |= {"zero_inflated_negative_binomial": 3}
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
        knots = ([[*knots]] for knots in (column.x_knots, column.y_knots))
        ends = ([end] for end in (column.step, column.minimum, column.maximum))
        likelihood = MixtureOfRoundedLogistics(*knots, *ends)
        return array(likelihood.log_prob(x[:, None, None], raw.astype("float32")[:, None]))
    if column.likelihood == "categorical":
        return scipy.special.log_softmax(raw, -1)[np.arange(len(x)), x.astype(int)]
    if column.likelihood == "poisson":
        return scipy.stats.poisson.logpmf(x, np.exp(raw[:, 0]))
    if "negative_binomial" in column.likelihood:
        return counts(x, *raw.T)
    low, high = column.x_knots
    unit = (high - low) / 2
    mean, scale = (low + high) / 2 + unit * raw[:, 0], unit * np.exp(raw[:, 1])
    return scipy.stats.norm.logpdf(x, mean, scale)


def counts(x, log_mean, log_r, zero_logit=-np.inf):
    """Of a negative binomial distribution, and with 0 instead of what it has, so often."""
    r = np.exp(log_r)
    log_p = scipy.stats.nbinom.logpmf(x, r, r / (r + np.exp(log_mean)))
    zero = np.where(x == 0, scipy.special.log_expit(zero_logit), -np.inf)
    return np.logaddexp(scipy.special.log_expit(-zero_logit) + log_p, zero)


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
