"""The likelihood of real numbers with one scale for all."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.base import Elementwise
from keras_vae.distributions.diagonal_normal import LOG_2PI


@keras.saving.register_keras_serializable("keras_vae")
class Normal(Elementwise):
    """log p(x|z) = Σ log N(x; x_mean, scale²), with one scale, learned with the other weights.

    For grey images and real vectors. The learned scale weighs reconstruction against the KL
    divergence as the data asks for, so no `beta` has to be tuned. Nats are of a density: they may
    be positive, and depend on the unit of x.

    Args:
        scale: the standard deviation at the start of training. With `trainable=False` it stays.

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
        self.log_scale = self.add_weight(
            (), name="log_scale", initializer=keras.initializers.Constant(math.log(scale))
        )

    def log_density(self, x, x_mean):
        log_scale = ops.cast(self.log_scale, x_mean.dtype)
        standardized = (x - x_mean) * ops.exp(-log_scale)
        return -0.5 * (LOG_2PI + ops.square(standardized)) - log_scale

    def mean(self, x_mean):
        return x_mean

    def sample(self, x_mean, seed=None):
        epsilon = keras.random.normal(ops.shape(x_mean), dtype=x_mean.dtype, seed=seed)
        return x_mean + ops.exp(self.log_scale) * epsilon

    def get_config(self):
        return {**super().get_config(), "scale": self.initial_scale}
