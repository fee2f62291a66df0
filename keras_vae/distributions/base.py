"""The shape contract, stated once.

A density is of one *event*: all the pixels of an image, all the entries of `z`. `log_prob` sums
over the event axes and keeps the others: `x` is `(B, *event)`, the decoder's raw output
`x_params` is `(B, *event)` or `(K, B, *event)` with `params_per_element` times as many entries on
its last axis, and `log_prob(x, x_params)` is `(B,)` or `(K, B)`, in nats.
"""

import abc

import keras
import numpy as np
from keras import ops


class Likelihood(keras.layers.Layer, abc.ABC):
    """p(x|z): gives the decoder's raw output its meaning.

    A layer, so that what it learns is trained and saved with the model. Subclasses set the class
    attributes and write `log_prob`, `mean` and `sample`.
    """

    params_per_element = 1
    """Raw decoder outputs for each element of x."""
    support = "any finite number"
    """The values that x may take, in words."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # whatever there is to learn is made in __init__

    @abc.abstractmethod
    def log_prob(self, x, x_params):
        """log p(x|z) in nats, summed over the event: `(B,)` or `(K, B)`."""

    @abc.abstractmethod
    def mean(self, x_params):
        """E[x|z], called `x_hat`: `(..., *event)`."""

    @abc.abstractmethod
    def sample(self, x_params, seed=None):
        """A draw of x from p(x|z): `(..., *event)`. `seed` is an integer or a SeedGenerator."""

    def in_support(self, x):
        """Which entries of `x` have a density; of the others the logarithm is −inf."""
        return ops.isfinite(x)

    def check(self, x):
        """Raises `ValueError` if an entry of `x` is outside the support."""
        x = np.asarray(x)
        if not np.isfinite(x).all():
            raise ValueError(
                f"x holds {np.count_nonzero(~np.isfinite(x))} values that are NaN or infinite: "
                "remove or replace them"
            )
        outside = ~ops.convert_to_numpy(self.in_support(x))
        if outside.any():
            raise ValueError(
                f"{type(self).__name__} is for {self.support}, but x holds {x[outside][0]:g} "
                f"({outside.mean():.1%} of its values are outside). {self.advice}"
            )

    advice = ""
    """What to do about data outside the support."""


class Prior(keras.layers.Layer, abc.ABC):
    """p(z): a density, and a function from standard normal noise to z."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    @abc.abstractmethod
    def log_prob(self, z):
        """log p(z) in nats: `(..., latent_dim)` → `(...)`."""

    @abc.abstractmethod
    def transform(self, epsilon):
        """Noise ~ N(0, I) to z ~ p(z): `(..., latent_dim)`, row by row."""

    def kl_divergence(self, qz_x, z):
        """KL(q(z|x) ‖ p(z)) in nats: `(B,)`.

        The Monte Carlo estimate from `z`, `(K, B, latent_dim)`; a prior with a closed form
        overrides this.
        """
        return ops.mean(qz_x.log_prob(z) - self.log_prob(z), axis=0)


def sum_event(log_density, x):
    """Sums over the event axes: all axes of `x` but its first, which is the batch."""
    event_rank = len(x.shape) - 1
    return ops.sum(log_density, axis=tuple(range(-event_rank, 0)))
