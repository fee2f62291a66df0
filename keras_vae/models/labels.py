"""The label y of a conditional model, p(x|z, y): whole numbers outside, one-hot inside."""

import keras
import numpy as np
from keras import ops


class Labels:
    """What a VAE knows of labels; one whose decoder takes z alone has none."""

    @property
    def num_classes(self):
        """How many labels there are, y from 0 to num_classes - 1; None without labels."""
        inputs = self.decoder.inputs
        return inputs[1].shape[-1] if len(inputs) == 2 else None

    def one_hot(self, label):
        """Whole numbers (B,) → `(B, num_classes)`; None stays None. Other numbers give zeros."""
        if label is None:
            return None
        same = ops.equal(ops.cast(label, "int32")[:, None], ops.arange(self.num_classes))
        return ops.cast(same, self.variable_dtype)

    def batch_label(self, y):
        """The labels of a training batch, `(B,)`; None if the model knows none."""
        if self.num_classes is None:
            return None
        if y is None:
            raise ValueError(f"{self._asks()}, and the data hold none: give x and y")
        if tuple(y.shape[1:]) not in ((), (1,)):
            raise ValueError(f"{self._asks()}, a whole number for each example, got {y.shape}")
        if keras.backend.standardize_dtype(y.dtype) == "string":
            raise ValueError(f"{self._asks()}, got labels of dtype {y.dtype}")
        return ops.reshape(y, (-1,))

    def _unpacked(self, inputs):
        """x and its label, one-hot, out of what `call` is given."""
        if self.num_classes is None:
            return inputs, None
        if not isinstance(inputs, list | tuple) or len(inputs) != 2:
            raise ValueError(
                f"{self._asks()}: give [x, label]; a data set to predict from yields ((x, label),)"
            )
        x, label = inputs
        return x, self.one_hot(self.batch_label(label))

    def count_unknown(self, label):
        """How many entries of `label` are no label of this model."""
        label = ops.cast(label, "float32")
        known = ops.logical_and(ops.equal(label, ops.floor(label)), label >= 0)
        return ops.sum(ops.cast(~ops.logical_and(known, label < self.num_classes), "float32"))

    def checked_labels(self, label, count, name="label"):
        """`()` for a model without labels, else `(label,)`, int32 `(count,)`.

        Args:
            label: one whole number for all, or `count` of them, `(count,)` or `(count, 1)`.
            name: what the caller calls it.

        Raises:
            ValueError: labels are missing, are not known, or the model takes none.
        """
        if self.num_classes is None:
            if label is not None:
                raise ValueError("got a label, but this model knows none: leave label out")
            return ()
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

    def checked_label(self, label):
        """As `checked_labels`, for samples, which have one label for all: `(1,)`."""
        if np.ndim(label):
            raise ValueError(f"label must be one whole number, got {label!r}")
        return self.checked_labels(label, 1)

    def _check_known(self, array):
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{self._asks()}, got labels of dtype {array.dtype}")
        known = (array == np.floor(array)) & (array >= 0) & (array < self.num_classes)
        if not known.all():
            raise ValueError(f"{self._asks()}, got {array[~known].flat[0]:g}")

    def _asks(self):
        return f"this model is conditional on a label from 0 to {self.num_classes - 1}"


def gallery(vae):
    """What there is to see of any model: 64 samples, or 8 of each label, `(n, *input_shape)`.

    Args:
        vae: a `VAE`, or an `export.runtime.OnnxVAE`; of more than 16 labels the first are shown.
    """
    if vae.num_classes is None:
        return vae.sample(64)
    labels = range(min(16, vae.num_classes))
    return np.concatenate([vae.sample(8, label=label) for label in labels])
