"""The diagonal normal: the posterior q(z|x)."""

import math
from typing import Any, NamedTuple

from keras import ops

from keras_vae.distributions.tensors import on_tensors

LOG_2PI = math.log(2 * math.pi)


class DiagonalNormal(NamedTuple):
    """N(mean, diag(exp(log_var))) over vectors.

    Args:
        mean: `(..., D)`.
        log_var: the logarithm of the variances, `(..., D)`.

    Example:

    >>> import numpy as np
    >>> qz_x = DiagonalNormal(np.zeros((1, 2), "float32"), np.zeros((1, 2), "float32"))
    >>> round(float(qz_x.log_prob(np.zeros((1, 2), "float32"))[0]), 4)  # -log(2 pi)
    -1.8379

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendices B and C.2.
    """

    mean: Any
    log_var: Any

    @on_tensors
    def transform(self, epsilon):
        """Standard normal noise to z ~ q(z): `(..., D)`."""
        return self.mean + ops.exp(self.log_var / 2) * self.correlate(epsilon)

    def correlate(self, epsilon):
        """Standard normal noise with the correlations of z, of which there are none: epsilon."""
        return epsilon

    @on_tensors
    def log_prob(self, z):
        """log q(z) in nats: `(..., D)` → `(...)`."""
        squares = ops.square(z - self.mean) * ops.exp(-self.log_var)
        return -0.5 * ops.sum(LOG_2PI + self.log_var + squares, axis=-1)

    def kl_divergence(self, other):
        """KL(self ‖ other) in nats, in closed form: `(...)`."""
        return ops.sum(self.kl_terms(other), axis=-1)

    @on_tensors
    def kl_terms(self, other):
        """The KL divergence of each dimension: `(..., D)`."""
        squares = ops.square(self.mean - other.mean) * ops.exp(-other.log_var)
        log_ratio = self.log_var - other.log_var
        return 0.5 * (squares + ops.exp(log_ratio) - 1 - log_ratio)


class GivenAbove(DiagonalNormal):
    """q(z|x) of a hierarchy on the way to K draws of z: each entry given those of the groups above.

    Args:
        mean, log_var: `(K, B, D)`, as they are at these draws.
    """

    @on_tensors
    def kl_terms(self, other):
        """E[KL(q(z_l | x, z_<l) ‖ other)] by dimension, the mean over the draws: `(B, D)`."""
        return ops.mean(super().kl_terms(other), axis=0)


def standard_normal(z):
    """N(0, I), a `DiagonalNormal` of the shape of `z`."""
    zeros = ops.zeros_like(z)
    return DiagonalNormal(zeros, zeros)
