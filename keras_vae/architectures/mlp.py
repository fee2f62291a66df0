"""Fully connected encoder and decoder, for examples of any shape."""

import math

import keras
from keras import layers

from keras_vae.architectures import heads
from keras_vae.architectures.heads import Seeded, check_shape, decoder_inputs, flatten


def mlp(
    input_shape,
    latent_dim,
    num_params=None,
    seed=None,
    hidden=(200, 200),
    activation=None,
    gated=False,
    num_classes=None,
    posterior="diagonal_normal",
):
    """Returns an encoder and a decoder made of dense layers.

    Args:
        input_shape: shape of one example, such as `(28, 28, 1)` or `(64,)`.
        latent_dim: size of z.
        num_params: raw decoder outputs on the last axis; the likelihood says. None: as x has.
        seed: integer seed of the initial weights.
        hidden: units of the encoder's hidden layers; the decoder has them in reverse.
        activation: of the hidden layers; None: relu, or of gated layers the identity.
        gated: whether a hidden layer is activation(W h + b) · sigmoid(V h + c).
        num_classes: how many labels there are, if the decoder is to be given one beside z.
        posterior: `"diagonal_normal"`, or `"full_normal"`, whose dimensions are correlated.

    Returns:
        `encoder`: `(B, *input_shape)` → `[z_mean, z_log_var]`, `(B, latent_dim)` each (of a full
        normal `z_correlation` too), and
        `decoder`: `(B, latent_dim)` and, with `num_classes`, `(B, num_classes)` → `x_params`,
        `(B, *input_shape)` with `num_params` entries on the last axis.

    Raises:
        ValueError: a size is not a whole number of at least 1.

    Example:

    >>> encoder, decoder = mlp((28, 28, 1), latent_dim=2, seed=0)
    >>> decoder.output_shape
    (None, 28, 28, 1)

    Reference of the gates: Dauphin et al., Language Modeling with Gated Convolutional Networks,
    2017, equation 1; in VAEs, Tomczak & Welling, VAE with a VampPrior, 2018, section 5.
    """
    *space, channels = input_shape = check_shape(input_shape, latent_dim)
    output_shape = (*space, num_params or channels)
    seeded = Seeded(seed)

    x = keras.Input(input_shape, name="x")
    h = flatten(x)
    for units in hidden:
        h = layer(h, units, seeded, activation, gated)
    encoder = keras.Model(x, heads.posterior(posterior, seeded, h, latent_dim), name="encoder")

    inputs, h = decoder_inputs(latent_dim, num_classes)
    for units in reversed(hidden):
        h = layer(h, units, seeded, activation, gated)
    h = seeded(layers.Dense, math.prod(output_shape), dtype="float32", name="x_params")(h)
    h = layers.Reshape(output_shape, dtype="float32")(h)
    return encoder, keras.Model(inputs, h, name="decoder")


def layer(h, units, seeded, activation, gated):
    """One hidden layer."""
    if not gated:
        return seeded(layers.Dense, units, activation=activation or "relu")(h)
    gate = seeded(layers.Dense, units, activation="sigmoid")(h)
    return layers.Multiply()([seeded(layers.Dense, units, activation=activation)(h), gate])
