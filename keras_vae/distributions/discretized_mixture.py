"""The likelihood of colour images: MixtureOfDiscretizedLogistics."""

import math
import numbers
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_vae.distributions.discretized import (
    Levels,
    clipped_mean,
    log_mass,
    logistic,
    open_uniform,
)


class Channel(NamedTuple):
    """One channel of every component: arrays `(..., num_components)`."""

    location: Any
    log_scale: Any
    coefficients: list
    """Of the channels before, one by one."""

    def given(self, before):
        """The location, given the channels before this one."""
        return self.location + sum(c * x for c, x in zip(self.coefficients, before, strict=True))


@keras.saving.register_keras_serializable("keras_vae")
class MixtureOfDiscretizedLogistics(Levels):
    """log p(x|z) = Σ log Σ_k π_k Π_c p(x_c | location_kc + Σ_{j<c} a_kcj x_j, s_kc), over pixels.

    For images of 8 bits in colour, x = k/255: the channels of a pixel share the component k, and
    each depends on those before it, so that z need not say how colours go together. The factors
    are `DiscretizedLogistic`'s. For C channels a pixel has (C + 1)(C + 2) / 2 raw outputs for
    each component, on the last axis: the logits of π, then all locations, log s and atanh a.

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

    def log_prob(self, x, x_params):
        logits, channels = self._components(x_params)
        values = ops.split(x, len(channels), axis=-1)
        log_p = ops.log_softmax(logits, axis=-1)
        for c, channel in enumerate(channels):
            location = channel.given(values[:c])
            log_p = log_p + log_mass(values[c], location, channel.log_scale, self.levels)
        return self.total(ops.logsumexp(log_p, axis=-1, keepdims=True), x)

    def mean(self, x_params):
        """As `DiscretizedLogistic.mean`; later channels are given the means of those before.

        Within half a level of E[x|z] in the first channel. In the others that much and what a
        clipped logistic's mean lacks of being linear in its location: little but at the edges.
        """
        logits, channels = self._components(x_params)
        means = []
        for channel in channels:
            means.append(clipped_mean(channel.given(means), channel.log_scale))
        weights = ops.softmax(logits, axis=-1)
        return ops.stack([ops.sum(weights * mean, axis=-1) for mean in means], axis=-1)

    def sample(self, x_params, seed=None):
        logits, channels = self._components(x_params)
        shape = (*ops.shape(logits)[:-1], self.num_components + len(channels))
        u = open_uniform(shape, seed)  # drawn at once: one integer is the seed of one draw
        gumbel = -ops.log(-ops.log(u[..., : self.num_components]))
        chosen = ops.one_hot(ops.argmax(logits + gumbel, axis=-1), self.num_components)
        epsilon, x = logistic(u[..., self.num_components :]), []
        for c, channel in enumerate(channels):
            location, scale = channel.given(x), ops.exp(channel.log_scale)
            drawn = location + scale * epsilon[..., c : c + 1]
            x.append(self.round(ops.sum(chosen * drawn, axis=-1, keepdims=True)))
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
