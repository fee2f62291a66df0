"""The likelihood of colour images: MixtureOfDiscretizedLogistics."""

import math
import numbers
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.discretized import Levels, clipped_mean, log_mass

LIKENESS = 0.8
"""The slope of a channel on the one before it, before training."""


class Channel(NamedTuple):
    """The logistics of one channel, one for each component: arrays `(..., num_components)`."""

    location: Any
    log_scale: Any
    coefficients: list
    """a_kcj of the docstring below: one array for each channel j that comes before this one."""

    def given(self, before):
        """The location that the logistics have once the values of the channels `before` are known.

        Args:
            before: those values, one array for each channel, in order.
        """
        return self.location + sum(c * x for c, x in zip(self.coefficients, before, strict=True))


@keras.saving.register_keras_serializable("keras_vae")
class MixtureOfDiscretizedLogistics(Levels):
    """log p(x|z) = Σ log Σ_k π_k Π_c p(x_c | location_kc + Σ_{j<c} a_kcj x_j, s_kc), over pixels.

    For colour images of 8 bits, whose values are x = level/255. Every pixel has a mixture of its
    own. All channels of a pixel come from one component k, and the location of a channel moves
    with the values of the channels before it: green depends on red, blue on both. So the decoder
    models how the colours of a pixel go together, and z need not. Each factor is the probability
    that `DiscretizedLogistic` gives to one value.

    The decoder's last axis holds four parts: the logits of π, the locations of all channels, their
    log s, and the coefficients as atanh a. With C channels that makes (C + 1)(C + 2) / 2 numbers
    for each component.

    Args:
        num_components: logistics in the mixture.
        levels: how many values x may take: 256 for 8-bit images.

    Example:

    >>> MixtureOfDiscretizedLogistics(num_components=10).num_params(channels=3)
    100

    Reference: Salimans et al., PixelCNN++: Improving the PixelCNN with Discretized Logistic
    Mixture Likelihood and Other Modifications, 2017, sections 2.1 and 2.2.
    """

    def __init__(self, num_components=5, levels=256, **kwargs):
        super().__init__(levels, **kwargs)
        if not isinstance(num_components, numbers.Integral) or num_components < 1:
            raise ValueError(f"num_components must be a whole number >= 1, got {num_components!r}")
        self.num_components = int(num_components)

    def num_params(self, channels):
        return self.num_components * (channels + 1) * (channels + 2) // 2

    def start(self, channels):
        """The components stand side by side from 0 to 1, and a channel near the one before it."""
        k = self.num_components
        centres = (np.arange(k) + 0.5) / k
        later = channels - 1
        locations = [centres, *[(1 - LIKENESS) * centres] * later]
        log_scales = [np.full(k, math.log(min(0.2, 0.5 / k))), *[np.full(k, -3.0)] * later]
        slopes = [
            np.full(k, math.atanh(LIKENESS) if j == c - 1 else 0.0)
            for c in range(channels)
            for j in range(c)
        ]
        return np.concatenate([np.zeros(k), *locations, *log_scales, *slopes])

    def log_prob(self, x, x_params):
        return self.total(self._log_p(x, x_params), x)

    def element_shape(self, event_shape):
        return (*event_shape[:-1], 1)

    def element_log_prob(self, x, x_params):
        inside = ops.all(self.in_support(x), axis=-1, keepdims=True)
        return ops.where(inside, self._log_p(x, x_params), -math.inf)

    def _log_p(self, x, x_params):
        """log p of each pixel: `(..., 1)`."""
        logits, channels = self._components(x_params)
        values = ops.split(x, len(channels), axis=-1)
        log_p = ops.log_softmax(logits, axis=-1)
        for c, channel in enumerate(channels):
            location = channel.given(values[:c])
            log_p = log_p + log_mass(values[c], location, channel.log_scale, self.levels)
        return ops.logsumexp(log_p, axis=-1, keepdims=True)

    def mean(self, x_params):
        """E[x|z], nearly: each channel is given the means of the channels before it.

        The first channel is within half a level of E[x|z], as `DiscretizedLogistic.mean` is. The
        later channels have a second error, because the mean of a logistic that is clipped to
        [0, 1] is not linear in its location. That error is small unless the location is near 0
        or 1.
        """
        logits, channels = self._components(x_params)
        means = []
        for channel in channels:
            means.append(clipped_mean(channel.given(means), channel.log_scale))
        weights = ops.softmax(logits, axis=-1)
        return ops.stack([ops.sum(weights * mean, axis=-1) for mean in means], axis=-1)

    def noise_shape(self, event_shape):
        """For each pixel, a number that chooses the component, and one for each channel."""
        *pixels, channels = event_shape
        return (*pixels, 1 + channels)

    def draw(self, x_params, u):
        logits, channels = self._components(x_params)
        u, *others = ops.split(u, 1 + len(channels), axis=-1)
        chosen = drawing.one_hot(ops.log_softmax(logits, axis=-1), ops.squeeze(u, axis=-1))
        x = []

        def of_the_chosen(values):
            return ops.sum(chosen * values, axis=-1, keepdims=True)

        for channel, u in zip(channels, others, strict=True):
            location, log_scale = map(of_the_chosen, (channel.given(x), channel.log_scale))
            x.append(self.round(location + ops.exp(log_scale) * drawing.logistic(u)))
        return ops.concatenate(x, axis=-1)

    def get_config(self):
        return {**super().get_config(), "num_components": self.num_components}

    def _components(self, x_params):
        """The logits of the components, and a `Channel` for each channel."""
        parts = ops.split(x_params, x_params.shape[-1] // self.num_components, axis=-1)
        count = (math.isqrt(8 * len(parts) + 1) - 3) // 2  # channels: (C + 1)(C + 2) / 2 parts
        logits, locations, log_scales = parts[0], parts[1 : count + 1], parts[count + 1 :]
        slopes = [ops.tanh(part) for part in parts[2 * count + 1 :]]
        starts = [c * (c - 1) // 2 for c in range(count + 1)]
        return logits, [
            Channel(locations[c], log_scales[c], slopes[starts[c] : starts[c] + c])
            for c in range(count)
        ]
