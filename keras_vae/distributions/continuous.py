"""Likelihoods of numbers with a density: ContinuousBernoulli, HeteroscedasticNormal."""

import keras
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Elementwise, halves
from keras_vae.distributions.diagonal_normal import LOG_2PI

NEAR = 0.5
"""|l/2| below which the series are exact in float32, and the closed forms cancel."""

FLAT = 0.05
"""|l| below which a draw is computed by a series, right to 2e-6, because log u / l cancels."""


@keras.saving.register_keras_serializable("keras_vae")
class ContinuousBernoulli(Elementwise):
    """log p(x|z) = Σ (x − 1/2) l − log(sinh(l/2) / (l/2)), l = x_logits, for x in [0, 1].

    For grey values between 0 and 1. It is the Bernoulli's formula with what it lacks there: a
    density that integrates to 1. Nats are of a density: they may be positive.

    Example:

    >>> import numpy as np
    >>> x, x_logits = np.full((1, 4), 0.3, "float32"), np.zeros((1, 4), "float32")
    >>> abs(round(float(ContinuousBernoulli().log_prob(x, x_logits)[0]), 4))  # uniform at l = 0
    0.0

    Reference: Loaiza-Ganem & Cunningham, The continuous Bernoulli: fixing a pervasive error in
    variational autoencoders, 2019, section 3.
    """

    raw_of_either_sign = True
    support = "numbers from 0 to 1"
    advice = "Scale x to [0, 1], or use likelihood='normal', which is for any numbers"

    def log_density(self, x, x_logits):
        return (x - 0.5) * x_logits - _log_sinhc(x_logits / 2)

    def mean(self, x_logits):
        """1/2 + (coth(l/2) − 2/l) / 2."""
        a = x_logits / 2
        near, square = ops.abs(a) < NEAR, ops.square(a)
        series = a * (1 / 3 - square * (1 / 45 - square * (2 / 945 - square / 4725)))
        far = ops.where(near, 1.0, a)
        return 0.5 + 0.5 * ops.where(near, series, 1 / ops.tanh(far) - 1 / far)

    def draw_each(self, u, x_logits):
        """1 + log(u + (1 − u) e^−l) / l for l > 0; for l < 0 it is 1 − x at −l and 1 − u."""
        size = ops.abs(x_logits)
        w = ops.where(x_logits > 0, u, 1 - u)
        flat = size < FLAT
        some = ops.where(flat, 1.0, size)
        sloped = 1 + ops.log(w + (1 - w) * ops.exp(-some)) / some
        bend = w * (1 - w) * size / 2
        x = ops.where(flat, w + bend * (1 - (2 * w - 1) * size / 3), sloped)
        x = ops.clip(x, 0.0, 1.0)
        return ops.where(x_logits > 0, x, 1 - x)

    def in_support(self, x):
        return ops.logical_and(ops.greater_equal(x, 0), ops.less_equal(x, 1))


def _log_sinhc(a):
    """log(sinh(a) / a), which is even in a, 0 at 0, and nearly |a| for large |a|."""
    near, a = ops.abs(a) < NEAR, ops.abs(a)
    square = ops.square(ops.where(near, a, 0.0))
    series = square * (1 / 6 - square * (1 / 180 - square * (1 / 2835 - square / 37800)))
    far = ops.where(near, 1.0, a)
    t = ops.tanh(far)  # 1 − e^−2a = 2t / (1 + t)
    return ops.where(near, series, far + ops.log(t / ((1 + t) * far)))


@keras.saving.register_keras_serializable("keras_vae")
class HeteroscedasticNormal(Elementwise):
    """log p(x|z) = Σ log N(x; mean, exp(log_scale)²), with a scale for each element of x.

    For data whose noise differs from element to element and from z to z. `x_params` is the means
    and then the log-scales, side by side on the last axis. Where an element can be told exactly,
    as the black border of images can, its scale shrinks without end and the density grows: use
    `Normal`, whose one scale no element can pull to 0.

    Example:

    >>> import numpy as np
    >>> x, x_params = np.zeros((1, 1), "float32"), np.zeros((1, 2), "float32")
    >>> round(float(HeteroscedasticNormal().log_prob(x, x_params)[0]), 4)  # -log(2 pi) / 2
    -0.9189

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix C.2.
    """

    params_per_element = 2
    raw_of_either_sign = True

    def log_density(self, x, mean, log_scale):
        standardized = (x - mean) * ops.exp(-log_scale)
        return -0.5 * (LOG_2PI + ops.square(standardized)) - log_scale

    def mean(self, x_params):
        return halves(x_params)[0]

    def draw_each(self, u, mean, log_scale):
        return mean + ops.exp(log_scale) * drawing.normal(u)
