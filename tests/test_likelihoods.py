"""Laws of every likelihood: it sums to one, equals scipy's, and its samples are its own."""

import math

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from keras import ops

import keras_vae
from export.runtime import OnnxVAE
from keras_vae import cli
from keras_vae.distributions import Transformed, likelihoods
from tests.tensors import array, drawn, value_and_gradients

LIKELIHOODS = sorted(likelihoods.LIKELIHOODS)
LEVELS = np.arange(256) / 255


def logistic_masses(x, raw, levels=256):
    """The published formula, with the smaller tails so that float64 does not cancel."""
    location, log_scale = np.split(raw, 2, axis=-1)
    scale, half = np.exp(log_scale), 0.5 / (levels - 1)
    low = np.where(x <= 0, -np.inf, x - half)
    high = np.where(x >= 1, np.inf, x + half)
    low, high = (
        np.where(x < location, side, 2 * location - opposite)
        for side, opposite in ((low, high), (high, low))
    )
    logistic = scipy.stats.logistic(location, scale)
    return np.log(logistic.cdf(high) - logistic.cdf(low))


def negative_binomial(x, raw):
    mean, r = np.exp(np.split(raw, 2, axis=-1))
    return scipy.stats.nbinom.logpmf(x, r, r / (r + mean))


def zero_inflated(x, raw):
    *raw, logit = np.split(raw, 3, axis=-1)
    counted = negative_binomial(x, np.concatenate(raw, -1)) + scipy.special.log_expit(-logit)
    return np.where(x > 0, counted, np.logaddexp(scipy.special.log_expit(logit), counted))


def heteroscedastic(x, raw):
    mean, log_scale = np.split(raw, 2, axis=-1)
    return scipy.stats.norm.logpdf(x, mean, np.exp(log_scale))


def mixture(x, raw, components=5):
    """Channel by channel and component by component, as the paper's formula reads."""
    channels = x.shape[-1]
    logits, *parts = np.split(raw, raw.shape[-1] // components, axis=-1)
    log_p, slopes = scipy.special.log_softmax(logits, -1), iter(np.tanh(parts[2 * channels :]))
    for c in range(channels):
        location = parts[c] + sum(next(slopes) * x[..., j, None] for j in range(c))
        location_and_log_scale = np.stack([location, parts[channels + c]], -1)
        log_p = log_p + logistic_masses(x[..., c, None, None], location_and_log_scale)[..., 0]
    return scipy.special.logsumexp(log_p, -1)


REFERENCE = {
    "bernoulli": lambda x, raw: scipy.stats.bernoulli.logpmf(x, scipy.special.expit(raw)),
    "categorical": lambda x, raw: np.log((x * scipy.special.softmax(raw, -1)).sum(-1)),
    "continuous_bernoulli": lambda x, raw: x * raw - np.log(np.expm1(raw) / raw),
    "discretized_logistic": logistic_masses,
    "heteroscedastic_normal": heteroscedastic,
    "mixture_of_discretized_logistics": mixture,
    "negative_binomial": negative_binomial,
    "normal": lambda x, raw: scipy.stats.norm.logpdf(x, raw, 0.5),
    "poisson": lambda x, raw: scipy.stats.poisson.logpmf(x, np.exp(raw)),
    "zero_inflated_negative_binomial": zero_inflated,
}

DATA = {
    "bernoulli": lambda rng, shape: rng.integers(2, size=shape),
    "categorical": lambda rng, shape: np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])],
    "continuous_bernoulli": lambda rng, shape: rng.random(shape),
    "discretized_logistic": lambda rng, shape: rng.choice(LEVELS, shape),
    "heteroscedastic_normal": lambda rng, shape: rng.normal(size=shape),
    "mixture_of_discretized_logistics": lambda rng, shape: rng.choice(LEVELS, shape),
    "negative_binomial": lambda rng, shape: rng.poisson(3, shape),
    "normal": lambda rng, shape: rng.normal(size=shape),
    "poisson": lambda rng, shape: rng.poisson(3, shape),
    "zero_inflated_negative_binomial": lambda rng, shape: rng.poisson(1, shape),
}

# Every value of x, or a grid that is fine enough to integrate on, as (points, event); the step.
LINE = np.linspace(-60, 60, 240_001)
POINTS = {
    "bernoulli": (np.array([0, 1]), 1),
    "categorical": (np.eye(3), 1),
    "continuous_bernoulli": ((np.arange(20_000) + 0.5) / 20_000, 1 / 20_000),
    "discretized_logistic": (LEVELS, 1),
    "heteroscedastic_normal": (LINE, LINE[1] - LINE[0]),
    "mixture_of_discretized_logistics": (LEVELS, 1),
    "negative_binomial": (np.arange(20_000), 1),
    "normal": (LINE, LINE[1] - LINE[0]),
    "poisson": (np.arange(200), 1),
    "zero_inflated_negative_binomial": (np.arange(20_000), 1),
}

OUTSIDE = {
    "bernoulli": ([0, 1, 0.25], r"binary.*0\.25.*outside\)\. Binarize.*='normal'"),
    "categorical": ([0, 1, 1], r"one-hot.*one_hot\(labels"),
    "continuous_bernoulli": ([0, 1, 1.5], r"from 0 to 1, but x holds 1\.5.*Scale"),
    "discretized_logistic": ([0, 1, 0.25], r"256 levels.*0\.25.*255"),
    "mixture_of_discretized_logistics": ([0, 1, 0.25], r"256 levels.*0\.25.*255"),
    "negative_binomial": ([0, 1, -2], r"counts.*-2.*as they are"),
    "poisson": ([0, 1, 0.5], r"counts.*0\.5.*as they are"),
    "zero_inflated_negative_binomial": ([0, 1, -2], r"counts.*-2.*as they are"),
}


def draw(name, rng, shape):
    """Data in the support of a likelihood."""
    return DATA[name](rng, shape).astype("float32")


def draw_raw(likelihood, rng, leading, channels):
    """Raw outputs of a decoder."""
    size = (*leading, likelihood.num_params(channels))
    return rng.normal(size=size).astype("float32")


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("leading", [(4,), (3, 4)])
def test_log_prob_sums_scipys_over_the_event(name, leading, rng):
    likelihood, x = likelihoods.get(name), draw(name, rng, (4, 5, 6, 3))
    raw = draw_raw(likelihood, rng, (*leading, 5, 6), 3)
    exact = np.rint(x * 255) / 255 if "discretized" in name else x.astype("float64")
    expected = REFERENCE[name](exact, raw.astype("float64")).reshape(*leading, -1).sum(-1)
    actual = array(likelihood.log_prob(x, raw))
    assert actual.shape == leading
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def moments(name, raw):
    """∫ p, ∫ x p and ∫ x² p for one row of raw parameters, by a sum over `POINTS`."""
    points, step = POINTS[name]
    x = points.reshape(len(points), -1)
    rows = np.tile(raw, (len(x), 1))
    log_prob = array(likelihoods.get(name).log_prob(x.astype("float32"), rows))
    density = np.exp(log_prob.astype("float64")) * step
    return density.sum(), density @ x, density @ np.square(x)


def rows_of_raw(name, rng, count=8):
    channels = 3 if name == "categorical" else 1
    return draw_raw(likelihoods.get(name), rng, (count, 1), channels)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_densities_sum_to_one_and_have_the_mean_that_mean_says(name, rng):
    half_a_level = 0.5 / 255 if "discretized" in name else 0
    for raw in rows_of_raw(name, rng):
        total, mean, _ = moments(name, raw)
        assert total == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(
            array(likelihoods.get(name).mean(raw))[0], mean, rtol=1e-4, atol=half_a_level + 1e-5
        )


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_have_the_moments_of_the_density(name, rng):
    likelihood, draws, rows = likelihoods.get(name), 20_000, rows_of_raw(name, rng, 3)
    for raw in np.concatenate([rows, -rows]):  # parameters of both signs
        x = drawn(likelihood, np.tile(raw, (draws, 1)))
        _, *expected = moments(name, raw)
        # 4 standard errors, 2 moments, 6 rows: a false alarm in 1,300 seeds; the seed is fixed.
        for values, moment in zip((x, np.square(x)), expected, strict=True):
            assert (np.abs(values.mean(0) - moment) <= 4 * values.std(0) / math.sqrt(draws)).all()
        likelihood.check(x)


@pytest.mark.parametrize("unit", [None, (3.0, -40.0), ([1.0, 2.0, 3.0], [0.1, 1.0, 10.0])])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_terms_by_element_sum_to_the_log_probability(name, unit, rng):
    likelihood = likelihoods.get(name)
    if unit:
        likelihood = Transformed(likelihood, *unit)
    raw = rng.normal(size=(4, 5, likelihood.num_params(3))).astype("float32")
    x = drawn(likelihood, raw)
    terms = array(likelihood.element_log_prob(x, np.stack([raw, 2 * raw])))
    assert terms.shape == (2, 4, *likelihood.element_shape((5, 3)))
    expected = array(likelihood.log_prob(x, np.stack([raw, 2 * raw])))
    np.testing.assert_allclose(terms.sum(axis=(2, 3)), expected, rtol=1e-4, atol=1e-4)
    changed = x.copy()
    changed[2, 1] = np.nan
    there = array(likelihood.element_log_prob(changed, raw))
    assert np.isneginf(there[2, 1]).all()
    there[2, 1] = terms[0, 2, 1]
    np.testing.assert_allclose(there, terms[0], rtol=1e-5)


LOGITS, TWO_HALVES = (80,), (80, 20)  # log-scales of 20; all else, 80
EXTREME = {
    "heteroscedastic_normal": TWO_HALVES,
    "discretized_logistic": TWO_HALVES,
    "negative_binomial": TWO_HALVES,
    "mixture_of_discretized_logistics": (80,) * 4 + (20,) * 3 + (80,) * 3,
    "zero_inflated_negative_binomial": (80, 20, 80),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients_are_finite_at_extreme_parameters(name, rng):
    likelihood, sizes = likelihoods.get(name), EXTREME.get(name, LOGITS)
    repeats = likelihood.num_params(3) // len(sizes)
    x = np.array([[0, 0, 1], [0, 1, 0]], "float32")
    raw = keras.Variable(np.zeros((2, likelihood.num_params(3)), "float32"))
    total = value_and_gradients(lambda: ops.sum(likelihood.log_prob(x, raw.value)), [raw])
    for signs in rng.integers(-1, 2, size=(30, len(sizes))):
        extreme = np.repeat(signs * sizes, repeats)
        raw.assign(np.stack([extreme, -extreme]))
        log_prob, (gradient,) = total()
        for number in (log_prob, gradient, array(likelihood.mean(raw.value))):
            assert np.isfinite(number).all(), signs


@pytest.mark.parametrize("name", sorted(OUTSIDE))
def test_data_outside_the_support_have_no_density_and_are_refused(name):
    row, message = OUTSIDE[name]
    likelihood, x = likelihoods.get(name), np.array([row], "float32")
    raw = np.zeros((1, likelihood.num_params(3)), "float32")
    assert array(likelihood.log_prob(x, raw)) == -np.inf
    with pytest.raises(ValueError, match=message):
        likelihood.check(x)


@pytest.mark.parametrize(("name", "scale"), [("bernoulli", True), ("poisson", False)])
def test_pixels_are_to_be_scaled_where_x_has_to_be_in_0_to_1(name, scale):
    likelihood = likelihoods.get(name)
    with pytest.raises(ValueError, match=r"^((?!/ 255).)*$"):
        likelihood.check(np.array([[0.0, 0.25, 1.0]]))
    with pytest.raises(ValueError, match="x / 255" if scale else "as they are"):
        likelihood.check(np.array([[0.5, 17.0, 255.0]]))


def test_the_default_takes_any_numbers():
    likelihood = likelihoods.get()
    assert isinstance(likelihood, likelihoods.Normal)
    likelihood.check(np.array([[-3.0, 0.25, 255.0]]))


def test_binary_is_exactly_0_and_1():
    x = np.array([0, 1, -0.0, 1e-30, np.nextafter(np.float32(1), 0), -1, 2, 256], "float32")
    inside = likelihoods.get("bernoulli").in_support(x)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(inside), [True] * 3 + [False] * 5)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(name, bad):
    with pytest.raises(ValueError, match="1 values that are NaN or infinite"):
        likelihoods.get(name).check(np.array([[0, 1, bad]]))


@pytest.fixture
def x(name, rng):
    return draw(name, rng, (32, 2, 3))


@pytest.fixture
def trained(name, x):
    """A small VAE with that likelihood, after a step."""
    vae = keras_vae.VAE.from_architecture("mlp", (2, 3), 2, likelihood=name, seed=0, hidden=(8,))
    vae.compile(optimizer="adam")
    vae.fit(x, epochs=1, verbose=0)
    return vae


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_model_trains(trained):
    history = trained.history.history
    assert np.isfinite(history["loss"]).all()
    assert history["skipped_steps"] == [0]


@pytest.mark.only_on("tensorflow")
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_exported_scorer_of_a_trained_model_agrees(trained, x, tmp_path):
    vae = trained
    vae.export(tmp_path / "bundle")
    exported = OnnxVAE(tmp_path / "bundle").score(x, num_samples=5, seed=3)
    for score, expected in vae.score(x, num_samples=5, seed=3).items():
        np.testing.assert_allclose(exported[score], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("x", [0, 1, 100, 10_000])
@pytest.mark.parametrize("mean", [1e-3, 1.0, 98.0, 1e5])
def test_counts_have_no_cancellation(x, mean):
    """Where log Γ in float32 is off by tenths of nats."""
    count, log_mean = np.full((1, 1), x, "float32"), np.full((1, 1), np.log(mean), "float32")
    mean = np.exp(log_mean[0, 0].astype("float64"))
    actual = float(likelihoods.get("poisson").log_prob(count, log_mean)[0])
    assert actual == pytest.approx(scipy.stats.poisson.logpmf(x, mean), rel=1e-5)
    for log_r in (-7.0, 0.0, 7.0, 14.0):
        raw = np.array([[log_mean[0, 0], log_r]], "float32")
        actual = float(likelihoods.get("negative_binomial").log_prob(count, raw)[0])
        expected = negative_binomial(x, raw[0].astype("float64"))[0]
        assert actual == pytest.approx(expected, rel=1e-5), log_r


@pytest.mark.parametrize("log_r", [-7.0, 0.0, 7.0, 14.0])
@pytest.mark.parametrize("log_mean", [-8.0, -1.0, 0.0, 4.6, 11.0])
def test_zeros_that_were_lost_and_zeros_that_were_counted_add_up(log_mean, log_r):
    """Whichever of the two is the rarer, and however rare."""
    grid = np.meshgrid([0, 1, 100, 10_000], [-80.0, -20.0, -1.0, 0.0, 3.0, 20.0, 80.0])
    x, logit = (values.reshape(-1, 1).astype("float32") for values in grid)
    raw = np.hstack([np.full_like(x, log_mean), np.full_like(x, log_r), logit])
    actual = array(likelihoods.ZeroInflatedNegativeBinomial().log_prob(x, raw))
    expected = zero_inflated(x.astype("float64"), raw.astype("float64"))[:, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def test_without_lost_counts_the_negative_binomial_is_left(rng):
    x, raw = draw("negative_binomial", rng, (50, 4)), rng.normal(size=(50, 8)).astype("float32")
    inflated = np.hstack([raw, np.full((50, 4), -100, "float32")])
    expected = likelihoods.NegativeBinomial().log_prob(x, raw)
    found = likelihoods.ZeroInflatedNegativeBinomial().log_prob(x, inflated)
    np.testing.assert_allclose(array(found), array(expected), rtol=1e-6)


def test_the_gradient_is_right_where_both_kinds_of_zeros_are_as_likely():
    """At log m = −100 a count is certainly 0, so π changes nothing."""
    raw = keras.Variable(np.array([[-100.0, 0.0, 0.0]], "float32"))
    x, likelihood = np.zeros((1, 1), "float32"), likelihoods.ZeroInflatedNegativeBinomial()
    total = value_and_gradients(lambda: ops.sum(likelihood.log_prob(x, raw.value)), [raw])
    _, (gradient,) = total()
    np.testing.assert_allclose(gradient, 0, atol=1e-7)


@pytest.mark.parametrize("logit", [0.0, 1e-4, 0.999, 1.001, 3.0, -40.0])
def test_continuous_bernoulli_is_exact_on_both_sides_of_its_series(logit):
    raw = np.array([[logit]], "float32")
    first = scipy.integrate.quad(lambda x: x * np.exp(raw[0, 0] * x), 0, 1)[0]
    total = scipy.special.exprel(float(raw[0, 0]))
    likelihood = likelihoods.get("continuous_bernoulli")
    assert float(likelihood.mean(raw)[0, 0]) == pytest.approx(first / total, rel=1e-5)
    log_prob = float(likelihood.log_prob(np.zeros((1, 1), "float32"), raw)[0])
    assert log_prob == pytest.approx(-np.log(total), rel=1e-5, abs=1e-7)


def test_eight_bit_images_are_in_support_and_halves_between_levels_are_not():
    likelihood, levels = likelihoods.get("discretized_logistic"), LEVELS.astype("float32")
    assert array(likelihood.in_support(levels)).all()
    assert array(likelihood.in_support(np.arange(256, dtype="float32") / np.float32(255))).all()
    assert not array(likelihood.in_support(levels[:-1] + np.float32(0.5 / 255))).any()
    digits = np.arange(17, dtype="float32") / 16
    assert array(likelihoods.DiscretizedLogistic(levels=17).in_support(digits)).all()


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf])
def test_normal_refuses_a_scale_that_is_not_positive(scale):
    with pytest.raises(ValueError, match="scale must be a positive number"):
        likelihoods.Normal(scale=scale)


@pytest.mark.parametrize("levels", [1, 2.5, "256"])
def test_levels_are_a_whole_number(levels):
    with pytest.raises(ValueError, match="levels must be a whole number >= 2"):
        likelihoods.DiscretizedLogistic(levels=levels)


def colours(levels, raw):
    """A mixture of two components, every colour there is, and its probability."""
    likelihood = likelihoods.MixtureOfDiscretizedLogistics(num_components=2, levels=levels)
    grid = np.stack(np.meshgrid(*[np.arange(levels) / (levels - 1)] * 3), -1).reshape(-1, 3)
    rows = np.tile(raw, (len(grid), 1))
    log_prob = array(likelihood.log_prob(grid.astype("float32"), rows))
    return likelihood, grid, np.exp(log_prob.astype("float64"))


def test_colours_of_the_mixture_sum_to_one_and_samples_have_their_moments(rng):
    for raw in rng.normal(size=(5, 1, 20)).astype("float32"):
        likelihood, grid, probability = colours(6, raw)
        assert probability.sum() == pytest.approx(1, abs=1e-5)
        draws = 20_000
        x = drawn(likelihood, np.tile(raw, (draws, 1)))
        pairs = np.einsum("ni,nj->nij", x, x).reshape(draws, 9)  # how the channels go together
        expected = probability @ np.einsum("ni,nj->nij", grid, grid).reshape(-1, 9)
        # 4 standard errors, 9 moments, 5 times: a false alarm in 350 seeds, and the seed is fixed.
        gap = np.abs(pairs.mean(0) - expected)
        assert (gap <= 4 * pairs.std(0) / math.sqrt(draws)).all()
        likelihood.check(x)


def test_mean_of_the_mixture_is_within_half_a_level_away_from_the_edges(rng):
    raw = 0.1 * rng.normal(size=(1, 20)).astype("float32")
    raw[:, 2:8] += 0.4  # locations
    raw[:, 8:14] -= 4.0  # log s
    likelihood, grid, probability = colours(40, raw)
    np.testing.assert_allclose(array(likelihood.mean(raw))[0], probability @ grid, atol=0.5 / 39)


@pytest.mark.parametrize("num_components", [0, 1.5])
def test_components_are_a_whole_number(num_components):
    with pytest.raises(ValueError, match="num_components must be a whole number >= 1"):
        likelihoods.MixtureOfDiscretizedLogistics(num_components)


def test_the_command_line_names_every_likelihood(capsys):
    with pytest.raises(SystemExit):
        cli.parser().parse_args(["train", "--help"])
    described = "".join(capsys.readouterr().out.split())  # argparse wraps the lines
    assert all(name in described for name in LIKELIHOODS)


LEVELLED = [
    likelihoods.DiscretizedLogistic(),
    likelihoods.DiscretizedLogistic(levels=17),
    likelihoods.MixtureOfDiscretizedLogistics(1),
    likelihoods.MixtureOfDiscretizedLogistics(10),
    likelihoods.MixtureOfDiscretizedLogistics(40, levels=17),
]


@pytest.mark.parametrize("likelihood", LEVELLED)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_before_training_each_grey_takes_little_more_than_if_all_were_alike(likelihood, channels):
    start = likelihood.start(channels).astype("float32")
    assert start.shape == (likelihood.num_params(channels),)
    grey = np.arange(likelihood.levels)[:, None] / (likelihood.levels - 1)
    x = np.repeat(grey, channels, axis=1).astype("float32")  # (levels, channels), each one event
    nats = -array(likelihood.log_prob(x, np.tile(start, (len(x), 1)))) / channels
    assert nats.mean() < math.log(likelihood.levels) + 0.4
    assert nats.max() < math.log(likelihood.levels) + 1.5


def test_before_training_a_channel_is_expected_near_the_one_before_it():
    likelihood = likelihoods.MixtureOfDiscretizedLogistics()
    x = np.array([[51, 204, 204], [51, 204, 51]], "float32") / 255  # (2, channels)
    near, far = array(
        likelihood.log_prob(x, np.tile(likelihood.start(3).astype("float32"), (2, 1)))
    )
    assert near > far + 1
