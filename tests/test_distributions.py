"""Laws of the normals that q(z|x) may be: their density is scipy's, and KL has one value."""

import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops

from keras_vae.distributions import DiagonalNormal, FullNormal
from tests.tensors import array, value_and_gradients

DIMENSIONS = 4


def diagonal(rng):
    return DiagonalNormal(*rng.normal(size=(2, 3, DIMENSIONS)).astype("float32"))


def full(rng):
    correlation = rng.normal(size=(3, DIMENSIONS * (DIMENSIONS - 1) // 2)).astype("float32")
    return FullNormal(*diagonal(rng), correlation)


@pytest.fixture(params=[diagonal, full])
def q(request, rng):
    """Three distributions over four dimensions."""
    return request.param(rng)


def covariances(q):
    """The covariance matrices of the three, in float64."""
    spread = np.exp(np.asarray(q.log_var, "float64") / 2)
    C = np.tile(np.eye(DIMENSIONS), (3, 1, 1))
    if isinstance(q, FullNormal):
        rows, columns = np.tril_indices(DIMENSIONS, -1)
        C[:, rows, columns] = q.correlation
        C /= np.linalg.norm(C, axis=-1, keepdims=True)
    L = spread[:, :, None] * C
    return L @ L.transpose(0, 2, 1)


def draws(q, rng, count):
    """Draws from each: `(count, 3, D)`."""
    epsilon = rng.standard_normal((count, 3, DIMENSIONS), dtype="float32")
    return array(q.transform(epsilon))


def test_log_prob_equals_scipys(q, rng):
    z = rng.normal(size=(3, DIMENSIONS)).astype("float32")
    for i, covariance in enumerate(covariances(q)):
        expected = scipy.stats.multivariate_normal(q.mean[i], covariance).logpdf(z[i])
        assert float(q.log_prob(z)[i]) == pytest.approx(expected, rel=1e-5)


def test_draws_have_the_mean_and_the_covariance(q, rng):
    """Of 48 numbers at 5 standard errors: false alarms once in 35,000 seeds."""
    z, count = draws(q, rng, 20_000), 20_000
    for i, covariance in enumerate(covariances(q)):
        variance = np.diag(covariance)
        error = np.sqrt(variance / count)
        assert (np.abs(z[:, i].mean(axis=0) - q.mean[i]) < 5 * error).all()
        error = np.sqrt((np.outer(variance, variance) + covariance**2) / count)
        assert (np.abs(np.cov(z[:, i].T) - covariance) < 5 * error).all()


def test_log_var_is_that_of_each_dimension(q):
    for i, covariance in enumerate(covariances(q)):
        np.testing.assert_allclose(np.diag(covariance), np.exp(q.log_var[i]), rtol=1e-5)


def test_kl_divergence_between_equals_is_zero(rng):
    q = diagonal(rng)
    np.testing.assert_allclose(q.kl_divergence(q), 0, atol=1e-6)
    same = FullNormal(*q, np.zeros((3, 6), "float32"))
    np.testing.assert_allclose(same.kl_divergence(q), 0, atol=1e-6)


def test_kl_divergence_equals_monte_carlo(q, rng):
    count = 50_000
    z, p = draws(q, rng, count), diagonal(rng)
    estimates = np.asarray(q.log_prob(z) - p.log_prob(z))
    gap = np.abs(estimates.mean(0) - array(q.kl_divergence(p)))
    assert (gap <= 4 * estimates.std(0) / np.sqrt(count)).all()


@pytest.mark.parametrize("extreme", [-20.0, 20.0])
def test_gradients_are_finite_at_extreme_correlations(extreme, rng):
    parameters = [keras.Variable(h) for h in full(rng)]
    parameters[2].assign(np.full(parameters[2].shape, extreme))

    def densities(epsilon):
        q = FullNormal(*(h.value for h in parameters))
        z = q.transform(epsilon)
        return ops.sum(q.log_prob(z)) + ops.sum(q.total_correlation)

    epsilon = rng.normal(size=(5, 3, 4)).astype("float32")
    value, gradients = value_and_gradients(densities, parameters)(epsilon)
    for number in (value, *gradients):
        assert np.isfinite(number).all()
