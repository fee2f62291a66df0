"""Residual encoder and decoder, for images of 28 to 256 pixels and any other size."""

import math

import keras
from keras import layers

from keras_vae.architectures import heads
from keras_vae.architectures.conv import check_image, crop
from keras_vae.architectures.heads import Seeded, check_shape, decoder_inputs, flatten
from keras_vae.distributions.base import check_count

SMALLEST = 8
"""Height and width are halved until neither is larger."""


def resnet(
    input_shape,
    latent_dim,
    num_params=None,
    seed=None,
    width=16,
    depth=1,
    groups=None,
    activation="silu",
    num_classes=None,
    posterior="diagonal_normal",
):
    """Returns an encoder and a decoder made of residual blocks.

    A block is h + conv(act(conv(act(h)))), the identity at first. The encoder has `depth` of them
    at each size of the image, which it halves, rounding up, until height and width are at most 8;
    the decoder goes the same way back. So pictures of 28 pixels have three sizes, and those of 256
    have six. Each halving doubles the channels, up to four times `width`.

    Args:
        input_shape: shape of one image, `(height, width, channels)`.
        latent_dim: size of z.
        num_params: raw decoder outputs on the last axis; the likelihood says. None: as x has.
        seed: integer seed of the initial weights.
        width: channels at the full size.
        depth: blocks at each size.
        groups: of the group normalization before each activation, which divides `width`; None: no
            normalization, which is faster.
        activation: of the hidden layers.
        num_classes: how many labels there are, if the decoder is to be given one beside z.
        posterior: `"diagonal_normal"`, or `"full_normal"`, whose dimensions are correlated.

    Returns:
        `encoder`: `(B, *input_shape)` → `[z_mean, z_log_var]`, `(B, latent_dim)` each (of a full
        normal `z_correlation` too), and
        `decoder`: `(B, latent_dim)` and, with `num_classes`, `(B, num_classes)` → `x_params`,
        `(B, *input_shape)` with `num_params` channels.

    Raises:
        ValueError: a size is not a whole number of at least 1, the input is no image, or `groups`
            does not divide `width`.

    Example:

    >>> encoder, decoder = resnet((29, 31, 3), latent_dim=2, width=8, seed=0)
    >>> decoder.output_shape
    (None, 29, 31, 3)

    Reference: He et al., Identity Mappings in Deep Residual Networks, 2016, section 4; blocks that
    begin as the identity: De & Smith, Batch Normalization Biases Residual Blocks Towards the
    Identity Function, 2020, section 4.
    """
    input_shape = check_shape(input_shape, latent_dim)
    check_image("resnet", input_shape)
    parts = Parts(Seeded(seed), activation, checked_groups(groups, check_count("width", width)))
    sizes = sizes_of(input_shape)
    channels = [width * min(2**i, 4) for i in range(len(sizes))]
    blocks = range(check_count("depth", depth))

    x = keras.Input(input_shape, name="x")
    h = parts.conv(width)(x)
    for i, n in enumerate(channels):
        if i:
            h = parts.conv(n, strides=2)(h)
        for _ in blocks:
            h = parts.block(h)
    grid = h.shape[1:]
    h = flatten(parts.activated(h))
    outputs = heads.posterior(posterior, parts.seeded, h, latent_dim)
    encoder = keras.Model(x, outputs, name="encoder")

    inputs, h = decoder_inputs(latent_dim, num_classes)
    h = layers.Reshape(grid)(parts.seeded(layers.Dense, math.prod(grid))(h))
    for i in reversed(range(len(sizes))):
        for _ in blocks:
            h = parts.block(h)
        if i:
            h = parts.doubled(h, channels[i - 1], sizes[i - 1])
    last = parts.conv(num_params or input_shape[-1], dtype="float32", name="x_params")
    h = last(parts.activated(h))
    return encoder, keras.Model(inputs, h, name="decoder")


def sizes_of(input_shape):
    """Height and width of the image, and as often as they are halved.

    Example:

    >>> sizes_of((28, 20, 1))
    [(28, 20), (14, 10), (7, 5)]
    """
    sizes = [input_shape[:2]]
    while max(sizes[-1]) > SMALLEST:
        sizes.append(tuple(math.ceil(n / 2) for n in sizes[-1]))
    return sizes


def checked_groups(groups, width):
    """`groups` as an int or None, or a `ValueError` if it does not divide `width`."""
    if groups is not None and width % check_count("groups", groups):
        raise ValueError(f"groups must divide width, which is {width}, got {groups}")
    return groups


class Parts:
    """The layers of a residual network.

    Args:
        seeded: `heads.Seeded`.
        activation: its name.
        groups: of the group normalization, or None.
    """

    def __init__(self, seeded, activation, groups):
        self.seeded, self.activation, self.groups = seeded, activation, groups

    def conv(self, channels, **options):
        """A convolution of 3×3 pixels."""
        options = {"padding": "same", "data_format": "channels_last", **options}
        return self.seeded(layers.Conv2D, channels, 3, **options)

    def activated(self, h):
        """h, normalized if so asked, through the activation."""
        if self.groups is not None:
            h = layers.GroupNormalization(self.groups)(h)
        return layers.Activation(self.activation)(h)

    def block(self, h):
        """h + conv(act(conv(act(h)))); the last convolution begins with zeros."""
        channels = h.shape[-1]
        inner = self.activated(self.conv(channels)(self.activated(h)))
        last = layers.Conv2D(
            channels, 3, padding="same", data_format="channels_last", kernel_initializer="zeros"
        )
        return layers.Add()([h, last(inner)])

    def doubled(self, h, channels, size):
        """h with twice the height and width, cut to `size`."""
        h = layers.UpSampling2D(2, data_format="channels_last")(self.conv(channels)(h))
        return crop(h, size)
