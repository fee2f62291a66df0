"""Likelihoods of numbers in levels, as 8-bit images hold: DiscretizedLogistic."""

import abc
import math
import numbers

import keras
import numpy as np
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Elementwise, Likelihood, halves


class Levels(Likelihood):
    """What the likelihoods of `levels` equally spaced values from 0 to 1 share.

    Args:
        levels: how many values x may take: 256 for 8-bit images.
    """

    def __init__(self, levels=256, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(levels, numbers.Integral) or levels < 2:
            raise ValueError(f"levels must be a whole number >= 2, got {levels!r}")
        self.levels = int(levels)

    raw_of_either_sign = True

    @property
    def support(self):
        """The values that x may take, in words."""
        return f"the {self.levels} levels k/{self.levels - 1} from 0 to 1"

    @property
    def advice(self):
        """What to do about data outside the support."""
        top = self.levels - 1
        return (
            f"Scale x to [0, 1] and round it, x = numpy.round({top} * x) / {top}, or give the "
            "likelihood the number of levels that x has"
        )

    def in_support(self, x):
        level = x * (self.levels - 1)
        whole = ops.abs(level - ops.round(level)) < 4e-7 * self.levels  # what float32 leaves open
        return whole & ops.greater_equal(x, 0) & ops.less_equal(x, 1)

    def round(self, x):
        """The nearest level to each entry of `x`, the same to the bit in every runtime."""
        top = self.levels - 1
        k = ops.cast(ops.round(ops.clip(x, 0.0, 1.0) * top), "int32")
        # A table, because compilers make k · (1 / top) of k / top, which has other last bits.
        return ops.take(np.arange(self.levels, dtype="float32") / np.float32(top), k, axis=0)

    @abc.abstractmethod
    def start(self, channels):
        """The raw output of a decoder that knows nothing of x yet: `(num_params(channels),)`.

        There p(x|z) is broad and covers all levels, about as pictures do, whatever z. Raw outputs
        near 0 would be a scale of 1, all of whose mass but a quarter lies beyond [0, 1].
        """

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}


@keras.saving.register_keras_serializable("keras_vae")
class DiscretizedLogistic(Levels, Elementwise):
    """log p(x|z) = Σ log[σ((x + h − location) / s) − σ((x − h − location) / s)], h half a level.

    For images of 8 bits, x = k/255. A probability, not a density: −log p(x|z) / log 2 is the bits
    that x takes. All that the logistic has below the lowest level belongs to it, and all above
    the highest to that. `x_params` is the locations, in units of x, and then log s, side by side
    on the last axis.

    Args:
        levels: how many values x may take: 256 for 8-bit images.

    Example:

    >>> import numpy as np
    >>> x, x_params = np.array([[1.0]], "float32"), np.array([[0.5, 5.0]], "float32")
    >>> p = DiscretizedLogistic(levels=2).log_prob(x, x_params)  # centred between the two
    >>> round(float(p[0]), 4)  # log(1/2)
    -0.6931

    Reference: Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow,
    2016, section 6.1; Salimans et al., PixelCNN++, 2017, section 2.1.
    """

    params_per_element = 2

    def start(self, channels):
        return np.repeat([0.5, math.log(0.2)], channels)

    def log_density(self, x, location, log_scale):
        return log_mass(x, location, log_scale, self.levels)

    def mean(self, x_params):
        """The mean of the logistic clipped to [0, 1]: within half a level of E[x|z]."""
        return clipped_mean(*halves(x_params))

    def draw_each(self, u, location, log_scale):
        return self.round(location + ops.exp(log_scale) * drawing.logistic(u))


def log_mass(x, location, log_scale, levels):
    """The logarithm of what the logistic has around the level `x`, entry by entry."""
    half = 0.5 / (levels - 1)
    return log_interval(x, half, location, log_scale, x < half, x > 1 - half)


def log_interval(x, half, location, log_scale, lowest, highest):
    """log(σ(b) − σ(a)): what the logistic has from x − half to x + half, entry by entry.

    With a and b the ends of the interval, it is −softplus(−b) − softplus(a) + log(1 − e^(a − b)).

    Args:
        lowest, highest: where the interval goes on to −∞, and to ∞: one term is left there.
    """
    inverse = ops.exp(-log_scale)
    above = ops.softplus((location - x - half) * inverse)
    below = ops.softplus((x - half - location) * inverse)
    t = ops.tanh(half * inverse)  # 1 − e^−2d = 2t / (1 + t), t = tanh(d)
    width = ops.log(2 * t / (1 + t))
    log_mass = ops.where(highest, 0.0, -above) - ops.where(lowest, 0.0, below)
    return log_mass + ops.where(ops.logical_or(lowest, highest), 0.0, width)


def clipped_mean(location, log_scale):
    """E[min(max(X, 0), 1)] for logistic X: s [softplus(location/s) − softplus((location − 1)/s)].

    For large s the difference cancels; there it is taken by the hyperbolic functions.
    """
    scale = ops.exp(log_scale)
    wide = scale > 0.1
    s = ops.where(wide, 1.0, scale)
    narrow_mean = s * (ops.softplus(location / s) - ops.softplus((location - 1) / s))
    s = ops.where(wide, scale, 1.0)
    product = ops.tanh((2 * location - 1) / (4 * s)) * ops.tanh(1 / (4 * s))
    return ops.where(wide, 0.5 + 2 * s * ops.arctanh(product), narrow_mean)
