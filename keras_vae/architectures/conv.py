"""Convolutional encoder and decoder, for images of any size."""

import math

import keras
from keras import layers

from keras_vae.architectures import heads
from keras_vae.architectures.heads import Seeded, check_shape, decoder_inputs, flatten


def conv(
    input_shape,
    latent_dim,
    num_params=None,
    seed=None,
    filters=(32, 64),
    kernel_size=3,
    units=128,
    activation="relu",
    num_classes=None,
    posterior="diagonal_normal",
):
    """Returns an encoder and a decoder made of strided (transposed) convolutions.

    Each entry of `filters` halves height and width, rounding up; the decoder doubles them as
    often, and crops what is too much, so no image size is refused.

    Args:
        input_shape: shape of one image, `(height, width, channels)`.
        latent_dim: size of z.
        num_params: raw decoder outputs on the last axis; the likelihood says. None: as x has.
        seed: integer seed of the initial weights.
        filters: of the encoder's convolutions; the decoder has them in reverse.
        kernel_size: of all convolutions.
        units: of the dense layer between the convolutions and the posterior.
        activation: of the hidden layers.
        num_classes: how many labels there are, if the decoder is to be given one beside z.
        posterior: `"diagonal_normal"`, or `"full_normal"`, whose dimensions are correlated.

    Returns:
        `encoder`: `(B, *input_shape)` → `[z_mean, z_log_var]`, `(B, latent_dim)` each (of a full
        normal `z_correlation` too), and
        `decoder`: `(B, latent_dim)` and, with `num_classes`, `(B, num_classes)` → `x_params`,
        `(B, *input_shape)` with `num_params` channels.

    Raises:
        ValueError: a size is not a whole number of at least 1, or the input is no image.

    Example:

    >>> encoder, decoder = conv((29, 31, 3), latent_dim=2, seed=0)
    >>> decoder.output_shape
    (None, 29, 31, 3)
    """
    input_shape = check_shape(input_shape, latent_dim)
    check_image("conv", input_shape)
    seeded = Seeded(seed)
    options = {"padding": "same", "data_format": "channels_last"}

    x = h = keras.Input(input_shape, name="x")
    for n in filters:
        h = seeded(layers.Conv2D, n, kernel_size, 2, activation=activation, **options)(h)
    grid = h.shape[1:]
    h = seeded(layers.Dense, units, activation=activation)(flatten(h))
    encoder = keras.Model(x, heads.posterior(posterior, seeded, h, latent_dim), name="encoder")

    inputs, h = decoder_inputs(latent_dim, num_classes)
    h = seeded(layers.Dense, math.prod(grid), activation=activation)(h)
    h = layers.Reshape(grid)(h)
    for n in reversed(filters):
        h = seeded(layers.Conv2DTranspose, n, kernel_size, 2, activation=activation, **options)(h)
    h = crop(h, input_shape)
    last = {"name": "x_params", "dtype": "float32", **options}
    h = seeded(layers.Conv2D, num_params or input_shape[-1], kernel_size, **last)(h)
    return encoder, keras.Model(inputs, h, name="decoder")


def check_image(name, input_shape):
    """Raises `ValueError` unless `input_shape` is that of an image."""
    if len(input_shape) != 3:
        channel = "add a channel axis with x[..., None], or " if len(input_shape) == 2 else ""
        raise ValueError(
            f"{name} needs images of shape (height, width, channels), got {input_shape}: "
            f"{channel}use the mlp architecture, which takes any shape"
        )


def crop(h, input_shape):
    """Cuts rows below and columns right of `input_shape`, if there are any."""
    rows, columns = (have - want for have, want in zip(h.shape[1:3], input_shape, strict=False))
    if not rows and not columns:
        return h
    return layers.Cropping2D(((0, rows), (0, columns)), data_format="channels_last")(h)
