"""The likelihood of real numbers with one scale for all: Normal."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Elementwise
from keras_vae.distributions.diagonal_normal import LOG_2PI

SMOOTHING = 0.05
"""The least weight of one step in the running estimate of scale²."""

LEAST_SCALE = 1e-4
"""Below this the estimate does not go: where x is constant, the optimal scale is 0."""


@keras.saving.register_keras_serializable("keras_vae")
class Normal(Elementwise):
    """log p(x|z) = Σ log N(x; x_mean, scale²), with one scale for all, which training estimates.

    For grey images and real vectors. The scale weighs reconstruction against the KL divergence as
    the data asks for, so no `beta` has to be tuned. Nats are of a density: they may be positive,
    and depend on the unit of x.

    Given encoder and decoder, the scale² that maximises the bound is the mean of (x − x_mean)² over
    the draws of z, all alike for the ELBO, by their importance weights for `IWAE`. So no gradient
    learns it: `adapt` keeps a running mean of that error over the training steps. The first step
    takes the error of its batch. Up to 20 steps it is a plain mean, and then each new step weighs
    1/20. Therefore the scale lags some 20 steps behind the decoder.

    Args:
        scale: the standard deviation until the first training step. With `trainable=False` it
            stays.

    Example:

    >>> import numpy as np
    >>> x = np.zeros((1, 1), "float32")
    >>> round(float(Normal(scale=1.0).log_prob(x, x)[0]), 4)  # -log(2 pi) / 2
    -0.9189

    Reference: Rybkin et al., Simple and Effective VAE Training with Calibrated Decoders, 2021,
    section 3 (sigma-VAE).
    """

    def __init__(self, scale=0.5, **kwargs):
        super().__init__(**kwargs)
        if not (np.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be a positive number, got {scale!r}")
        self.initial_scale = float(scale)
        start = keras.initializers.Constant(math.log(scale))
        state = {"trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        self.log_scale = self.add_weight((), start, "float32", name="log_scale", **state)
        self.updates = self.add_weight((), "zeros", "int32", name="updates", **state)

    def log_density(self, x, x_mean):
        log_scale = ops.cast(self.log_scale, x_mean.dtype)
        standardized = (x - x_mean) * ops.exp(-log_scale)
        return -0.5 * (LOG_2PI + ops.square(standardized)) - log_scale

    def mean(self, x_mean):
        return x_mean

    def draw_each(self, u, x_mean):
        return x_mean + ops.exp(self.log_scale) * drawing.normal(u)

    def statistics(self, x, x_mean, weight):
        """The weighted sum of the squared error per element, and the sum of the weights."""
        x, x_mean, weight = (ops.cast(values, "float32") for values in (x, x_mean, weight))
        squares = ops.square(x - x_mean)  # (k, B, *event)
        errors = ops.mean(squares, axis=tuple(range(2, len(squares.shape))))
        return ops.sum(weight * errors), ops.sum(weight)

    def adapt(self, statistics):
        if not self.trainable:
            return
        error, weight = statistics
        error = error / weight
        usable = ops.isfinite(error)  # not so where all weights are 0
        before = ops.convert_to_tensor(self.log_scale)
        count = ops.convert_to_tensor(self.updates) + ops.cast(usable, "int32")
        rate = ops.maximum(1 / ops.cast(ops.maximum(count, 1), "float32"), SMOOTHING)
        variance = (1 - rate) * ops.exp(2 * before) + rate * error
        log_scale = ops.log(ops.maximum(variance, LEAST_SCALE**2)) / 2
        self.log_scale.assign(ops.where(usable, log_scale, before))
        self.updates.assign(count)

    def get_config(self):
        return {**super().get_config(), "scale": self.initial_scale}
