"""A likelihood of data in their own units: Transformed."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.affine import map_of
from keras_vae.distributions.base import Likelihood, SupportError, finite

EXACT = 2**-21
"""How far from a whole number a preprocessed value may be by rounding, relative to what it is
computed from: four spacings of float32 numbers."""


@keras.saving.register_keras_serializable("keras_vae")
class Transformed(Likelihood):
    """log p(x|z) = log p(y|z) − Σ log |scale|, y = (x − location) / scale: x in its own unit.

    What a model with `preprocessing` has for its likelihood. Whoever uses the model gives x and
    gets x, in their unit, while encoder and decoder see y. The second term is there if p(y|z) is a
    density; a probability, as of pixels in levels or of counts, is the same in any unit.

    Args:
        likelihood: of y, a `Likelihood` or its config.
        location, scale: numbers or nested lists, that broadcast against x; no scale is 0.

    Raises:
        ValueError: a scale is 0, or a number is not finite.

    Example:

    >>> from keras_vae.distributions import Normal
    >>> metres = Transformed(Normal(scale=1.0), location=1.7, scale=0.1)
    >>> x, y_mean = np.array([[1.7]], "float32"), np.zeros((1, 1), "float32")
    >>> round(float(metres.log_prob(x, y_mean)[0]), 4)  # -log(2 pi) / 2 - log(0.1)
    1.3836
    >>> centimetres = Transformed(Normal(scale=1.0), location=170.0, scale=10.0)
    >>> round(float(centimetres.log_prob(100 * x, y_mean)[0]), 4)  # less, by log(100)
    -3.2215

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, equation 1.27.
    """

    def __init__(self, likelihood, location=0.0, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(likelihood, dict):
            likelihood = keras.saving.deserialize_keras_object(likelihood)
        self.likelihood = likelihood
        self.location, self.scale = (np.asarray(v, "float64") for v in (location, scale))
        numbers = np.isfinite(self.location).all() and np.isfinite(self.scale).all()
        if not (numbers and np.all(self.scale)):
            raise ValueError(
                "preprocessing must be invertible, by numbers that are finite and scales that are "
                f"not 0, got location {self.location.tolist()}, scale {self.scale.tolist()}: leave "
                "out what is constant in the data"
            )
        # Discrete data have nothing between their values.
        self.is_density = supports(likelihood, 1 / math.pi)
        self.is_bounded = not supports(likelihood, -7.3)

    @classmethod
    def of(cls, likelihood, preprocessing, input_shape):
        """The likelihood of x, where that of `preprocessing(x)` is `likelihood`.

        Args:
            preprocessing: a Rescaling or Normalization layer of Keras, or some in a list or
                `keras.Sequential`.
            input_shape: of one x.

        Raises:
            ValueError: a layer is none of these, was not adapted, or does not fit `input_shape`.
        """
        location, scale = map_of(preprocessing, input_shape)
        return cls(likelihood, location, scale, name=f"{likelihood.name}_of_x")

    def preprocess(self, x):
        """y, what encoder and decoder see of x.

        What rounding makes of a count, or of a bound of the support, is mended.
        """
        location, scale = (values.astype("float32") for values in (self.location, self.scale))
        y = ops.divide(ops.subtract(x, location), scale)
        if self.is_density and not self.is_bounded:
            return y
        whole, least = ops.round(y), 1 + np.abs(location / scale)
        near = ops.abs(y - whole) <= EXACT * ops.add(ops.abs(whole), least)
        return ops.where(near, whole, y)

    def inverse(self, y):
        """x, of which the model sees y."""
        location, scale = (values.astype("float32") for values in (self.location, self.scale))
        return ops.add(ops.multiply(y, scale), location)

    def num_params(self, channels):
        return self.likelihood.num_params(channels)

    def noise_shape(self, event_shape):
        return self.likelihood.noise_shape(event_shape)

    def start(self, channels):
        return self.likelihood.start(channels)

    @property
    def raw_of_either_sign(self):
        """As of the likelihood of y."""
        return self.likelihood.raw_of_either_sign

    @property
    def support(self):
        """The values that x may take, in words."""
        if not self.is_bounded:
            return self.likelihood.support
        if not self.is_one_for_all:
            return f"{self.likelihood.support}, once it is preprocessed"
        zero, one = (f"{self.location + y * self.scale:.7g}" for y in (0, 1))
        return f"{self.likelihood.support}, where x = {zero} is 0 and x = {one} is 1"

    @property
    def is_one_for_all(self):
        """Whether all elements of x have the same location and scale."""
        return self.scale.size == self.location.size == 1

    def feature_shape(self, event_shape):
        return self.likelihood.feature_shape(event_shape)

    def features(self, x):
        return self.likelihood.features(self.preprocess(x))

    def log_prob(self, x, x_params):
        log_prob = self.likelihood.log_prob(self.preprocess(x), x_params)
        return log_prob - self.log_volume(x.shape[1:]) if self.is_density else log_prob

    def element_shape(self, event_shape):
        return self.likelihood.element_shape(event_shape)

    def element_log_prob(self, x, x_params):
        terms = self.likelihood.element_log_prob(self.preprocess(x), x_params)
        volume = np.log(np.abs(self.scale)).astype("float32")
        return ops.subtract(terms, volume) if self.is_density else terms

    def log_volume(self, event_shape):
        """Σ log |scale| over an event: by how many nats densities of x are below those of y."""
        return float(np.log(np.abs(np.broadcast_to(self.scale, event_shape))).sum())

    def mean(self, x_params):
        return self.inverse(self.likelihood.mean(x_params))

    def draw(self, x_params, u):
        return self.inverse(self.likelihood.draw(x_params, u))

    def statistics(self, x, x_params, weight):
        return self.likelihood.statistics(self.preprocess(x), x_params, weight)

    def adapt(self, statistics):
        self.likelihood.adapt(statistics)

    def in_support(self, x):
        return self.likelihood.in_support(self.preprocess(x))

    def check_entries(self, x):
        if self.is_one_for_all:
            self.likelihood.check_entries(ops.convert_to_numpy(self.preprocess(finite(x))))
        else:
            finite(x)

    def refusal(self, found, unscaled=False):
        return SupportError(
            f"{type(self.likelihood).__name__} is for {self.support}, but {found}. The model's own "
            f"preprocessing is (x - {_short(self.location)}) / {_short(self.scale)}: give x as it "
            "was before that"
        )

    def get_config(self):
        return {
            **super().get_config(),
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
            "location": self.location.tolist(),
            "scale": self.scale.tolist(),
        }


def supports(likelihood, value):
    """Whether x may be that value."""
    return bool(ops.all(likelihood.in_support(np.full((1, 1), value, "float32"))))


def _short(values):
    first = ", ".join(f"{value:g}" for value in np.ravel(values)[:3])
    return first if values.size == 1 else f"[{first}, ...]"
