"""What the architectures share: seeded initial weights, the two ends, and the checks."""

import math
import numbers

import keras
import numpy as np
from keras import layers

from keras_vae.distributions.base import check_count
from keras_vae.lookup import named


class Seeded:
    """Makes layers whose initial weights follow from one seed; `None` leaves them random."""

    def __init__(self, seed):
        self.stream = None if seed is None else np.random.default_rng(seed)

    def next(self):
        """The seed of the next layer, or None."""
        return None if self.stream is None else int(self.stream.integers(2**31))

    def __call__(self, layer, *args, **kwargs):
        initializer = keras.initializers.GlorotUniform(seed=self.next())
        return layer(*args, kernel_initializer=initializer, **kwargs)


def decoder_inputs(latent_dim, num_classes):
    """The decoder's inputs, z and if there is one the label, and both in one vector."""
    z = keras.Input((latent_dim,), name="z")
    if num_classes is None:
        return z, z
    label = keras.Input((check_count("num_classes", num_classes),), name="label")
    return [z, label], layers.Concatenate()([z, label])


def diagonal_normal(seeded, features, latent_dim):
    """Features → `[z_mean, z_log_var]`, in float32 whatever the layers before compute in."""
    return [
        seeded(layers.Dense, latent_dim, dtype="float32", name=name)(features)
        for name in ("z_mean", "z_log_var")
    ]


def full_normal(seeded, features, latent_dim):
    """Features → `[z_mean, z_log_var, z_correlation]`; without correlations at first."""
    if latent_dim < 2:
        raise ValueError("full_normal is for latent_dim >= 2: one dimension has no correlations")
    pairs = latent_dim * (latent_dim - 1) // 2
    correlation = layers.Dense(
        pairs, kernel_initializer="zeros", dtype="float32", name="z_correlation"
    )
    return [*diagonal_normal(seeded, features, latent_dim), correlation(features)]


POSTERIORS = {"diagonal_normal": diagonal_normal, "full_normal": full_normal}


def posterior(name, *arguments):
    """The encoder's outputs for the posterior of that name."""
    return named("posterior", name, POSTERIORS)(*arguments)


def begin(decoder, start):
    """Makes a decoder give the same raw output for every z, `start` at each pixel, until trained.

    The layer called `x_params`, the last with weights in each architecture here, gets a kernel of
    zeros and `start` as its bias. A decoder without such a layer, or without a bias in it, stays
    as it is.

    Args:
        decoder: a new one.
        start: an array of as many numbers as its last axis has, or None, which changes nothing.

    Example:

    >>> z, h = keras.Input((2,)), layers.Dense(6, name="x_params")
    >>> decoder = keras.Model(z, layers.Reshape((3, 2))(h(z)))
    >>> begin(decoder, np.array([0.5, -2.0]))
    >>> [float(number) for number in decoder(np.ones((1, 2)))[0, 1]]
    [0.5, -2.0]
    """
    layers_of = decoder._flatten_layers()  # those of models in it too
    layer = next((layer for layer in layers_of if layer.name == "x_params"), None)
    if start is None or getattr(layer, "bias", None) is None:
        return
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    layer.bias.assign(np.tile(start, layer.bias.shape[0] // len(start)))


def check_shape(input_shape, latent_dim):
    """Returns `input_shape` as a tuple, or raises `ValueError`."""
    shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else (input_shape,)
    if not shape or not all(isinstance(n, numbers.Integral) and n >= 1 for n in shape):
        raise ValueError(
            "input_shape must be whole numbers >= 1 without the batch axis, such as (28, 28, 1) "
            f"or (64,), got {input_shape!r}"
        )
    if not isinstance(latent_dim, numbers.Integral) or latent_dim < 1:
        raise ValueError(f"latent_dim must be a whole number >= 1, got {latent_dim!r}")
    return tuple(int(n) for n in shape)


def flatten(x):
    """`(B, *shape)` → `(B, n)` by a constant shape, which stays one node in an exported graph."""
    return layers.Reshape((math.prod(x.shape[1:]),))(x)
