"""The label y of a conditional model, p(x|z, y): whole numbers outside, one-hot inside."""

import math

import keras
import numpy as np
from keras import ops


def labels_of(decoder):
    """Returns what a model with this decoder knows of labels: `Labels`, or `NoLabels`."""
    inputs = decoder.inputs
    return Labels(inputs[1].shape[-1]) if len(inputs) == 2 else NoLabels()


class NoLabels:
    """The labels of a model whose decoder takes z alone: there are none, and y is ignored."""

    num_classes = None

    def one_hot(self, label):
        """Returns None: there is nothing to give to the decoder."""
        return None  # said, because AutoGraph cannot read a function that is a docstring alone

    def of_batch(self, y):
        """Returns None: y is ignored."""
        return None

    def of_array(self, y):
        """Returns None: y is ignored."""
        return None

    def count_unknown(self, label):
        """Returns 0."""
        return 0.0

    def unpacked(self, inputs):
        """Returns x, and None for its label."""
        return inputs, None

    def checked(self, label, count, name="label"):
        """Returns `()`, or raises a `ValueError` if there is a label."""
        if label is not None:
            raise ValueError("got a label, but this model knows none: leave label out")
        return ()

    def checked_one(self, label):
        """Returns `()`, or raises a `ValueError` if there is a label."""
        return self.checked(label, 1)

    def signature(self):
        """Returns what an exported model takes besides x: nothing."""
        return []


class Labels:
    """The labels of a conditional model: y from 0 to num_classes - 1.

    Args:
        num_classes: how many labels there are.

    Example:

    >>> labels = Labels(10)
    >>> labels.checked(7, count=3)
    (array([7, 7, 7], dtype=int32),)
    """

    def __init__(self, num_classes):
        self.num_classes = num_classes

    def one_hot(self, label):
        """Returns whole numbers (B,) as `(B, num_classes)`.

        Other numbers give NaN, so that a step skips them.
        """
        if label is None:
            return None
        label = ops.cast(label, "float32")[:, None]
        same = ops.equal(label, ops.arange(self.num_classes, dtype="float32"))
        known = ops.any(same, axis=-1, keepdims=True)
        return ops.where(known, ops.cast(same, keras.config.floatx()), math.nan)

    def of_batch(self, y):
        """Returns the labels of a batch, `(B,)`, or raises a `ValueError` with what is wrong."""
        if y is None:
            raise ValueError(f"{self._asks()}, and the data hold none: give x and y")
        if tuple(y.shape[1:]) not in ((), (1,)):
            raise ValueError(f"{self._asks()}, a whole number for each example, got {y.shape}")
        if keras.backend.standardize_dtype(y.dtype) == "string":
            raise ValueError(f"{self._asks()}, got labels of dtype {y.dtype}")
        return ops.reshape(y, (-1,))

    def of_array(self, y):
        """Returns y, the labels of the whole data."""
        return y

    def count_unknown(self, label):
        """Returns how many entries of `label` are no label of this model."""
        label = ops.cast(label, "float32")
        known = ops.logical_and(ops.equal(label, ops.floor(label)), label >= 0)
        return ops.sum(ops.cast(~ops.logical_and(known, label < self.num_classes), "float32"))

    def unpacked(self, inputs):
        """Returns x and its label, one-hot, out of what the model is called with."""
        if not isinstance(inputs, list | tuple) or len(inputs) != 2:
            raise ValueError(
                f"{self._asks()}: give [x, label]; a data set to predict from yields ((x, label),)"
            )
        x, label = inputs
        return x, self.one_hot(self.of_batch(label))

    def checked(self, label, count, name="label"):
        """Returns `(label,)`, int32 `(count,)`.

        Args:
            label: one whole number for all, or `count` of them, `(count,)` or `(count, 1)`.
            count: how many examples there are.
            name: what the caller calls the label.

        Raises:
            ValueError: labels are missing, or not known.
        """
        if label is None:
            raise ValueError(f"{self._asks()}: give {name}")
        array = ops.convert_to_numpy(label) if ops.is_tensor(label) else np.asarray(label)
        if array.shape not in ((), (count,), (count, 1)):
            raise ValueError(
                f"{self._asks()}: {name} must be one of them, or one for each of the {count} "
                f"examples, got shape {array.shape} (of one-hot rows take argmax(axis=1))"
            )
        self._check_known(array)
        return (np.broadcast_to(array.reshape(-1), (count,)).astype("int32"),)

    def checked_one(self, label):
        """Returns `(label,)`, int32 `(1,)`, for samples, which have one label for all."""
        if np.ndim(label):
            raise ValueError(f"label must be one whole number, got {label!r}")
        return self.checked(label, 1)

    def signature(self):
        """Returns what an exported model takes besides x."""
        return [keras.InputSpec("int32", (None,))]

    def _check_known(self, array):
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{self._asks()}, got labels of dtype {array.dtype}")
        known = (array == np.floor(array)) & (array >= 0) & (array < self.num_classes)
        if not known.all():
            raise ValueError(f"{self._asks()}, got {array[~known].flat[0]:g}")

    def _asks(self):
        return f"this model is conditional on a label from 0 to {self.num_classes - 1}"
