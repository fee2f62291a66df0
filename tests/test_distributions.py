"""Laws of the diagonal normal: its density equals scipy's, and KL has one value."""

import numpy as np
import scipy.stats

from keras_vae.distributions import DiagonalNormal


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


def test_kl_divergence_between_two_normals_equals_monte_carlo(rng):
    draws = 100_000
    q, z = posterior(rng, draws)
    p = DiagonalNormal(*rng.normal(size=(2, 3, 2)).astype("float32"))
    estimates = np.asarray(q.log_prob(z) - p.log_prob(z))
    gap = np.abs(estimates.mean(0) - q.kl_divergence(p))
    assert (gap <= 4 * estimates.std(0) / np.sqrt(draws)).all()
