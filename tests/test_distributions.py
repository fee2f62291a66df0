"""Laws of every distribution: densities sum to one, equal scipy's, and KL has one value."""

import keras
import numpy as np
import pytest
import scipy.stats

from keras_vae.distributions import DiagonalNormal, StandardNormal, likelihoods, priors

LIKELIHOODS = sorted(likelihoods.LIKELIHOODS)
PRIORS = sorted(priors.PRIORS)

SCIPY = {
    "bernoulli": lambda likelihood, x, raw: scipy.stats.bernoulli.logpmf(
        x, scipy.special.expit(raw)
    ),
    "normal": lambda likelihood, x, raw: scipy.stats.norm.logpdf(
        x, raw, np.exp(float(likelihood.log_scale.numpy()))
    ),
}


def draw_x(name, rng, shape):
    x = rng.random(shape, dtype="float32")
    return x.round() if name == "bernoulli" else x


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("leading", [(4,), (3, 4)])
def test_log_prob_sums_scipys_over_the_event(name, leading, rng):
    likelihood = likelihoods.get(name)
    x = draw_x(name, rng, (4, 5, 6, 1))
    raw = rng.normal(size=(*leading, 5, 6, 1)).astype("float32")
    expected = SCIPY[name](likelihood, x, raw.astype("float64")).sum(axis=(-3, -2, -1))
    actual = keras.ops.convert_to_numpy(likelihood.log_prob(x, raw))
    assert actual.shape == leading
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_bernoulli_sums_to_one(rng):
    bernoulli = likelihoods.get("bernoulli")
    x_logits = rng.normal(scale=5, size=(100, 1)).astype("float32")
    total = sum(np.exp(bernoulli.log_prob(np.full_like(x_logits, x), x_logits)) for x in (0, 1))
    np.testing.assert_allclose(total, 1, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.05, 1.0, 7.0])
def test_normal_integrates_to_one(scale):
    normal = likelihoods.Normal(scale=scale)
    x = np.linspace(-10 * scale, 10 * scale, 20001).reshape(-1, 1).astype("float32")
    density = np.exp(normal.log_prob(x, np.zeros_like(x)))
    assert np.trapezoid(density, x[:, 0]) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("extreme", [-80.0, 80.0])
def test_gradients_are_finite_at_extreme_parameters(name, extreme):
    import tensorflow as tf

    likelihood = likelihoods.get(name)
    raw = tf.Variable(tf.fill((2, 3), extreme))
    with tf.GradientTape() as tape:
        log_prob = likelihood.log_prob(np.array([[0, 0, 0], [1, 1, 1]], "float32"), raw)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, raw)).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_have_the_mean_that_mean_says(name, rng):
    likelihood, draws = likelihoods.get(name), 20_000
    raw = np.tile(rng.normal(size=(1, 4)).astype("float32"), (draws, 1))
    x = keras.ops.convert_to_numpy(likelihood.sample(raw, seed=0))
    expected = keras.ops.convert_to_numpy(likelihood.mean(raw))[0]
    # 4 standard errors, 4 entries: a false alarm in 4,000 seeds, and the seed is fixed.
    assert (np.abs(x.mean(0) - expected) <= 4 * x.std(0) / np.sqrt(draws)).all()
    likelihood.check(x)


def test_bernoulli_refuses_grey_values_and_names_the_fix():
    with pytest.raises(ValueError, match=r"binary.*0\.25.*--binarize.*--likelihood normal"):
        likelihoods.get("bernoulli").check(np.array([[0, 1, 0.25]]))


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(name, bad):
    with pytest.raises(ValueError, match="1 values that are NaN or infinite"):
        likelihoods.get(name).check(np.array([[0, 1, bad]]))


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf])
def test_normal_refuses_a_scale_that_is_not_positive(scale):
    with pytest.raises(ValueError, match="scale must be a positive number"):
        likelihoods.Normal(scale=scale)


def test_diagonal_normal_log_prob_equals_scipys(rng):
    mean, log_var, z = rng.normal(size=(3, 4, 5)).astype("float32")
    expected = scipy.stats.norm.logpdf(z, mean, np.exp(log_var / 2)).sum(-1)
    np.testing.assert_allclose(DiagonalNormal(mean, log_var).log_prob(z), expected, rtol=1e-5)


def test_kl_divergence_between_equals_is_zero(rng):
    q = DiagonalNormal(*rng.normal(size=(2, 4, 5)).astype("float32"))
    np.testing.assert_allclose(q.kl_divergence(q), 0, atol=1e-6)


def posterior(rng, draws):
    """Three posteriors of two dimensions, and draws from each: `(K, 3, 2)`."""
    mean, log_var = rng.normal(size=(2, 3, 2)).astype("float32")
    epsilon = rng.standard_normal((draws, 3, 2), dtype="float32")
    return DiagonalNormal(mean, log_var), mean + np.exp(log_var / 2) * epsilon


@pytest.mark.parametrize("name", PRIORS)
def test_kl_divergence_from_the_prior_equals_monte_carlo(name, rng):
    prior, draws = priors.get(name), 100_000
    qz_x, z = posterior(rng, draws)
    estimates = np.asarray(qz_x.log_prob(z) - prior.log_prob(z))
    standard_error = estimates.std(0) / np.sqrt(draws)
    # 4 standard errors, 3 entries: a false alarm in 5,000 seeds, and the seed is fixed.
    gap = np.abs(estimates.mean(0) - prior.kl_divergence(qz_x, z))
    assert (gap <= 4 * standard_error).all()


def test_kl_divergence_between_two_normals_equals_monte_carlo(rng):
    draws = 100_000
    q, z = posterior(rng, draws)
    p = DiagonalNormal(*rng.normal(size=(2, 3, 2)).astype("float32"))
    estimates = np.asarray(q.log_prob(z) - p.log_prob(z))
    gap = np.abs(estimates.mean(0) - q.kl_divergence(p))
    assert (gap <= 4 * estimates.std(0) / np.sqrt(draws)).all()


@pytest.mark.parametrize("name", PRIORS)
def test_transform_turns_noise_into_draws_from_the_prior(name, rng):
    prior = priors.get(name)
    z = np.asarray(prior.transform(rng.standard_normal((200_000, 1), dtype="float32")))
    grid = np.linspace(-8, 8, 4001, dtype="float32")
    density = np.exp(np.asarray(prior.log_prob(grid[:, None])))
    distribution = np.cumsum(density) * (grid[1] - grid[0])
    assert distribution[-1] == pytest.approx(1, abs=1e-4)
    test = scipy.stats.kstest(z[:, 0], lambda v: np.interp(v, grid, distribution))
    assert test.pvalue > 0.001  # the rate of false alarms, and the seed is fixed


def test_standard_normal_uses_the_closed_form():
    """The Monte Carlo estimate would differ from draw to draw."""
    qz_x = DiagonalNormal(np.ones((1, 2), "float32"), np.zeros((1, 2), "float32"))
    values = {float(StandardNormal().kl_divergence(qz_x, np.full((1, 1, 2), z))[0]) for z in (0, 5)}
    assert values == {1.0}
