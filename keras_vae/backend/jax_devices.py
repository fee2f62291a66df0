"""Several devices on JAX, as `keras.distribution` says: what lies where, and who computes it."""

from contextlib import contextmanager

import jax
import keras
import numpy as np


def check_distribution():
    """There is nothing to refuse: `keras.distribution` is for this backend."""


def placed(array, axis=None):
    """Returns an array where the steps compute: on all devices of `keras.distribution`.

    Args:
        array: all of it, in every process.
        axis: that of the examples: each device holds its part, unless they cannot be split evenly.
            None: each holds all of it.
    """
    distribution = keras.distribution.distribution()
    if distribution is None or array is None:
        return array
    axes = [None] * array.ndim
    if axis is not None and array.shape[axis] % devices_of(distribution) == 0:
        axes[axis] = distribution.batch_dim_name
    layout = keras.distribution.TensorLayout(axes, distribution.device_mesh).backend_layout
    return jax.make_array_from_process_local_data(layout, np.asarray(array), array.shape)


@contextmanager
def shared(x, batch_size):
    """A context in which Keras' loops share the batches of `x` out among the devices.

    They give each device as many examples, and fail where a batch has a rest, as the last of 101
    does; of several processes they take no arrays. Then each device computes all batches, with the
    same result.

    Args:
        x: all examples, an array; or data that come in batches, of which nothing is known.
        batch_size: None: Keras' own.
    """
    distribution = keras.distribution.distribution()
    if distribution is None or not hasattr(x, "shape") or not len(x):
        yield
        return
    size = min(batch_size or 32, len(x))
    uneven = any(n % devices_of(distribution) for n in (size, len(x) % size))
    whole = uneven or jax.process_count() > 1
    keras.distribution.set_distribution(None if whole else distribution)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def devices_of(distribution):
    """How many devices share a batch out."""
    mesh = distribution.device_mesh
    return mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]


@contextmanager
def size_errors(shape):
    """Makes one line of the error of a batch that cannot be shared out among the devices."""
    try:
        yield
    except ValueError as error:
        if type(error).__name__ != "IndivisibleError":  # JAX has it in no public module
            raise
        count = devices_of(keras.distribution.distribution())
        raise ValueError(
            f"each batch of a data set must have a multiple of {count} examples, for {count} "
            "devices to share it: choose such a size, and drop the rest (tf.data: "
            ".batch(size, drop_remainder=True))"
        ) from error
