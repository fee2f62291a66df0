"""Formulas of tensors, called with arrays: PyTorch does not mix the two as other backends do."""

import functools

import keras
import numpy as np
from keras import ops


def on_tensors(method):
    """`method`, which gets a tensor, of Keras' float type, for every array that it is called with.

    Arrays inside of a named tuple, such as a `DiagonalNormal`, count too.

    Example:

    >>> excess = on_tensors(lambda x: x - ops.tanh(x))
    >>> float(excess(np.zeros(1))[0])
    0.0
    """

    @functools.wraps(method)
    def converted(*args, **kwargs):
        return method(*map(_tensor, args), **{k: _tensor(v) for k, v in kwargs.items()})

    return converted


class TakesArrays:
    """Makes the methods that a subclass names in `on_arrays` take arrays, wherever overridden."""

    on_arrays = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in set(cls.on_arrays) & set(vars(cls)):
            setattr(cls, name, on_tensors(vars(cls)[name]))


def _tensor(value):
    if isinstance(value, np.ndarray):
        return ops.convert_to_tensor(value, keras.config.floatx())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_tensor, value))
    return value
