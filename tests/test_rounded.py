"""Laws of numbers as tables hold them: they sum to one, are drawn so, and begin at the marginal.

Every test of draws has a false-alarm rate of 1e-4 at most, over seeds; the seed is fixed.
"""

import keras
import numpy as np
import pytest
import scipy.special
from keras import ops

from keras_vae.distributions import Column
from keras_vae.distributions.piecewise import PiecewiseLinear
from keras_vae.distributions.rounded import MixtureOfRoundedLogistics
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
        "very heavy tails": (Column("a", "number", 2, 0.0), np.round(rng.lognormal(0, 4, n), 2)),
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
    fine = np.spacing(np.abs(x).astype("float32")) < 0.4 * column.step  # as float32 can tell
    np.testing.assert_allclose((steps - np.floor(steps))[fine], 0.5, atol=1e-3)


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


@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_numbers_that_float32_tells_apart_share_no_probability(offset):
    """Where it holds fewer decimals than were written, too."""
    values = (offset + np.random.default_rng(0).normal(0, 10, 4000)).astype("float32")
    column = fitted([Column("a", "number", 2)], values[:, None])[0]
    x = np.arange(values.min(), values.max(), np.spacing(values.max()), dtype="float32")
    assert 0.5 < probabilities(identity(column), x, np.zeros(3)).sum() < 1.001


def test_rounded_logistics_round_trip_through_their_config():
    one = rounded(0.01, 0, None)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(one))
    assert copy.get_config() == one.get_config()
    x, raw = np.arange(9.0), np.zeros(9)
    np.testing.assert_array_equal(probabilities(copy, x, raw), probabilities(one, x, raw))
