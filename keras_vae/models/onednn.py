"""Convolutions whose gradient TensorFlow's oneDNN computes wrongly on a CPU."""

import keras

from keras_vae import backend


def needs_xla(model):
    """Returns whether XLA has to compile the training steps of `model`, which would crash else."""
    return (
        keras.config.backend() == "tensorflow"
        and backend.on_cpu()
        and skips_pixels(model._flatten_layers())
    )


def skips_pixels(layers):
    """Returns whether a layer is a convolution of images that takes single pixels and skips others.

    A residual shortcut is one, `Conv2D(filters, 1, strides=2)`. oneDNN writes its gradient beyond
    the memory it has, which ends the process sooner or later, in plain Keras too; XLA computes it
    by other means. (The environment variable `TF_ENABLE_ONEDNN_OPTS=0` helps as well.)

    Example:

    >>> skips_pixels([keras.layers.Conv2D(8, 1, strides=2)])
    True
    >>> skips_pixels([keras.layers.Conv2D(8, 3, strides=2), keras.layers.Conv2D(8, 1)])
    False
    """
    kinds = keras.layers.Conv2D | keras.layers.Conv2DTranspose
    return any(
        isinstance(layer, kinds) and max(layer.kernel_size) == 1 < max(layer.strides)
        for layer in layers
    )
