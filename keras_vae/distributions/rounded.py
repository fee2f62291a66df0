"""The likelihood of numbers as tables hold them, rounded: MixtureOfRoundedLogistics."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Likelihood, check_count
from keras_vae.distributions.discretized import log_interval
from keras_vae.distributions.piecewise import PiecewiseLinear

DEVIATION = math.pi / math.sqrt(3)
"""The standard deviation of the logistic distribution of scale 1."""


@keras.saving.register_keras_serializable("keras_vae")
class MixtureOfRoundedLogistics(Likelihood):
    """log p(x|z) = Σ log Σ_k π_k [σ((b − location_k) / s_k) − σ((a − location_k) / s_k)].

    For numbers that were written with so many decimals, each column with its own. A number stands
    for all that is rounded to it: a and b are T(x ∓ step / 2), where T is increasing, goes through
    the knots of the column, and brings what is skewed or has long tails into a form that few
    logistics describe. So log p is that of a probability, not of a density, and a value that
    stands often, as 0 does in a column of payments, makes nothing grow without end.

    x is `(B, C, 1)` and x_params `(..., C, 3 num_components)`: of each column the logits of π, the
    locations and the log s. The knots must lie half a step beside the values that x may have.

    Args:
        x_knots, y_knots: of T, for each column a list; see `piecewise.PiecewiseLinear`.
        step: for each column, what its numbers are rounded to.
        minimum, maximum: for each column the least number and the largest, or None. They take all
            that lies beyond. A minimum is half a step above the first knot, and a maximum half a
            step below the last.
        num_components: logistics in a mixture.

    Example:

    >>> ages = MixtureOfRoundedLogistics([[-0.5, 99.5]], [[-5.0, 5.0]], [1.0], [0], [None], 1)
    >>> x, x_params = np.full((1, 1, 1), 50.0, "float32"), np.zeros((1, 1, 3), "float32")
    >>> round(float(ages.log_prob(x, x_params)[0]), 4)  # σ(0.1) − σ(0)
    -3.6897

    References: Salimans et al., PixelCNN++, 2017, section 2.1; Xu et al., Modeling Tabular Data
    using Conditional GAN, 2019, section 4.2, which has mixtures for such columns too.
    """

    raw_of_either_sign = True

    def __init__(
        self, x_knots, y_knots, step, minimum=None, maximum=None, num_components=5, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_components = check_count("num_components", num_components)
        columns = len(step)
        self._given = {"x_knots": x_knots, "y_knots": y_knots, "step": list(step)}
        self._given |= {"minimum": minimum, "maximum": maximum}
        minimum, maximum = (given or [None] * columns for given in (minimum, maximum))
        self.step = np.array(step, "float64")
        self.minimum = np.array([-np.inf if m is None else m for m in minimum])
        self.maximum = np.array([np.inf if m is None else m for m in maximum])
        closed = np.isfinite(self.minimum), np.isfinite(self.maximum)
        self.to_y = PiecewiseLinear(x_knots, y_knots, *closed)

    def num_params(self, channels):
        return 3 * self.num_components * channels

    def start(self, channels):
        """The components stand side by side where y, which is nearly logistic, has its mass."""
        share = (np.arange(self.num_components) + 0.5) / self.num_components
        return np.concatenate([0 * share, np.log(share / (1 - share)), 0 * share])

    def features(self, x):
        """T(x), in standard deviations of a logistic distribution."""
        return ops.expand_dims(self.to_y(ops.squeeze(x, -1)) / DEVIATION, -1)

    def log_prob(self, x, x_params):
        return ops.sum(self.element_log_prob(x, x_params), axis=(-2, -1))

    def element_log_prob(self, x, x_params):
        inside, x = self.in_support(x), ops.squeeze(x, -1)
        width = ops.maximum(self.step.astype("float32"), 2.0**-24 * ops.abs(x))  # float32's own
        half = 0.5 * width * self.to_y.slope(x)
        edge = 0.5 * self.step
        lowest = ops.less(x, (self.minimum + edge).astype("float32"))
        highest = ops.greater(x, (self.maximum - edge).astype("float32"))
        y, *others = (ops.expand_dims(v, -1) for v in (self.to_y(x), half, lowest, highest))
        logits, location, log_scale = ops.split(x_params, 3, axis=-1)
        log_p = log_interval(y, others[0], location, log_scale, *others[1:])
        log_p = log_p + ops.log_softmax(logits, axis=-1)
        return ops.where(inside, ops.logsumexp(log_p, axis=-1, keepdims=True), -math.inf)

    def mean(self, x_params):
        """E[x|z] within half a step; exact for the mixture of what is not rounded."""
        logits, location, log_scale = ops.split(x_params, 3, axis=-1)
        swapped = (ops.swapaxes(v, -1, -2) for v in (location, ops.exp(log_scale)))
        means = self.to_y.mean_of_logistic(*swapped)  # (..., K, C)
        weights = ops.softmax(logits, axis=-1)
        return ops.sum(weights * ops.swapaxes(means, -1, -2), axis=-1, keepdims=True)

    def noise_shape(self, event_shape):
        """For each column, a number that chooses the component, and one for it."""
        return (*event_shape[:-1], 2)

    def draw(self, x_params, u):
        logits, location, log_scale = ops.split(x_params, 3, axis=-1)
        which, u = ops.unstack(u, 2, axis=-1)
        chosen = drawing.one_hot(ops.log_softmax(logits, axis=-1), which)
        location, log_scale = (ops.sum(chosen * v, axis=-1) for v in (location, log_scale))
        x = self.to_y.inverse(location + ops.exp(log_scale) * drawing.logistic(u))
        return ops.expand_dims(self._rounded(x), -1)

    def _rounded(self, x):
        low, high, step = (v.astype("float32") for v in (self.minimum, self.maximum, self.step))
        start = np.where(np.isfinite(low), low, 0.0).astype("float32")
        x = ops.add(start, ops.multiply(ops.round(ops.divide(ops.subtract(x, start), step)), step))
        return ops.minimum(ops.maximum(x, low), high)

    def in_support(self, x):
        low, high = (v[:, None].astype("float32") for v in (self.minimum, self.maximum))
        inside = ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))
        return ops.logical_and(inside, ops.isfinite(x))

    def get_config(self):
        return {**super().get_config(), **self._given, "num_components": self.num_components}
