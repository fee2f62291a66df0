"""The normal with a full covariance matrix: a posterior q(z|x) of correlated dimensions."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_vae.distributions.diagonal_normal import LOG_2PI, DiagonalNormal
from keras_vae.distributions.tensors import on_tensors


class FullNormal(NamedTuple):
    """N(mean, D C Cᵀ D) with D = diag(exp(log_var / 2)), and C Cᵀ the matrix of correlations.

    C is lower triangular, its rows (r_i, 1, 0, …) / √(1 + |r_i|²) of length 1 for any r_i, so
    `log_var` stays the log-variance of each dimension, and r = 0 is the `DiagonalNormal`.

    Args:
        mean: `(..., D)`.
        log_var: the logarithm of the variances, `(..., D)`.
        correlation: r_2, r_3, … one after another, `(..., D (D − 1) / 2)`.

    Example:

    >>> mean, log_var = np.zeros((2, 1, 2), "float32")
    >>> qz_x = FullNormal(mean, log_var, correlation=np.ones((1, 1), "float32"))
    >>> round(float(qz_x.total_correlation[0]), 4)  # log(2) / 2
    0.3466

    Reference: Kingma & Welling, An Introduction to Variational Autoencoders, 2019, section 2.5.1.
    """

    mean: Any
    log_var: Any
    correlation: Any

    @property
    def marginals(self):
        """The `DiagonalNormal` with the same mean and the same variances."""
        return DiagonalNormal(self.mean, self.log_var)

    @property
    @on_tensors
    def total_correlation(self):
        """KL(self ‖ marginals) = Σ ½ log(1 + |r_i|²) in nats: `(...)`."""
        return ops.sum(ops.log(_lengths(self._rows)), axis=-1)

    @property
    @on_tensors
    def scale_tril(self):
        """D C, the Cholesky factor of the covariance matrix: `(..., D, D)`."""
        rows = self._rows
        spread = ops.exp(self.log_var / 2) / _lengths(rows)
        return spread[..., None] * (rows + ops.eye(rows.shape[-1]))

    transform = DiagonalNormal.transform

    @on_tensors
    def correlate(self, epsilon):
        """C epsilon: standard normal noise `(..., D)` with the correlations of z."""
        rows = self._rows
        mixed = epsilon + ops.squeeze(ops.matmul(rows, epsilon[..., None]), -1)
        return mixed / _lengths(rows)

    @on_tensors
    def log_prob(self, z):
        """log q(z) in nats: `(..., D)` → `(...)`."""
        rows = self._rows
        standardized = (z - self.mean) * ops.exp(-self.log_var / 2)
        epsilon = _solve(rows, standardized * _lengths(rows))
        log_density = LOG_2PI + self.log_var + ops.square(epsilon)
        return self.total_correlation - 0.5 * ops.sum(log_density, axis=-1)

    def kl_divergence(self, other):
        """KL(self ‖ other) in nats, in closed form, `other` a `DiagonalNormal`: `(...)`."""
        return ops.sum(self.kl_terms(other), axis=-1)

    @on_tensors
    def kl_terms(self, other):
        """The KL divergence of each dimension given those before it, in the mean: `(..., D)`."""
        return self.marginals.kl_terms(other) + ops.log(_lengths(self._rows))

    @property
    def _rows(self):
        """r_i as the rows of a strictly lower triangular matrix: `(..., D, D)`."""
        size = self.mean.shape[-1]
        place = np.full((size, size), size * (size - 1) // 2)  # that of a zero behind the others
        place[np.tril_indices(size, -1)] = np.arange(size * (size - 1) // 2)
        zero = ops.zeros_like(self.mean[..., :1])
        return ops.take(ops.concatenate([self.correlation, zero], axis=-1), place, axis=-1)


def _lengths(rows):
    """√(1 + |r_i|²): `(..., D)`."""
    return ops.sqrt(1 + ops.sum(ops.square(rows), axis=-1))


def _solve(rows, h):
    """epsilon with (I + rows) epsilon = h, by forward substitution."""
    epsilon = []
    for j in range(h.shape[-1]):
        epsilon.append(h[..., j : j + 1])
        h = h - rows[..., :, j] * epsilon[-1]
    return ops.concatenate(epsilon, axis=-1)


def posterior(z_mean, z_log_var, z_correlation=None):
    """The distribution that an encoder's outputs stand for."""
    if z_correlation is None:
        return DiagonalNormal(z_mean, z_log_var)
    return FullNormal(z_mean, z_log_var, z_correlation)
