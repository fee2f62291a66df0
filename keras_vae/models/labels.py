"""What a model is conditional on, p(x|z, y): numbers outside, one-hot and standardized inside."""

import math

import keras
from keras import ops

from keras_vae import conditions
from keras_vae.distributions.column import Column


def labels_of(decoder, columns=()):
    """Returns what a model with this decoder knows of labels: `Labels`, or `NoLabels`.

    Args:
        decoder: its second input, if it has one, is y one-hot and standardized.
        columns: the covariates that y holds; none: y is a label, of as many as the input is wide.

    Raises:
        ValueError: the decoder takes another number of inputs for y.
    """
    inputs = decoder.inputs
    if len(inputs) == 1 and not columns:
        return NoLabels()
    labels = Labels(columns or [Column("label", "category", categories=range(inputs[1].shape[-1]))])
    if len(inputs) == 1 or inputs[1].shape[-1] != labels.width:
        raise ValueError(
            f"decoder must have a second input (None, {labels.width}) for the covariates "
            f"{conditions.described(labels.told)}, but takes {decoder.input_shape}"
        )
    return labels


class NoLabels:
    """The labels of a model whose decoder takes z alone: there are none, and y is ignored."""

    num_classes, told, width = None, (), 0

    def encoded(self, label):
        """Returns None: there is nothing to give to the decoder."""
        return None  # said, because AutoGraph cannot read a function that is a docstring alone

    def of_batch(self, y):
        """Returns None: y is ignored."""
        return None

    def of_array(self, y):
        """Returns None: y is ignored."""
        return None

    def unnamed(self, y, count):
        """Returns y."""
        return y

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
    """The labels of a conditional model: y, which holds one number for each covariate.

    The decoder is given a category one-hot, and any other covariate as (y − mean) / scale, side by
    side. y of one category alone is a label, a whole number: `(B,)`; any other is `(B, C)`.

    Args:
        columns: `Column`s in the order of y; those that are no categories have `mean` and `scale`.

    Raises:
        ValueError: two have one name, or a number has no mean or no scale.

    Example:

    >>> labels = Labels([Column("label", "category", categories=range(10))])
    >>> labels.checked(7, count=3)
    (array([7, 7, 7], dtype=int32),)
    >>> sex = Column("sex", "category", categories=("f", "m"))
    >>> labels = Labels([sex, Column("age", "number", mean=40.0, scale=10.0)])
    >>> (y,) = labels.checked({"sex": "m", "age": [40, 55]}, count=2)
    >>> ops.convert_to_numpy(labels.encoded(y))
    array([[0. , 1. , 0. ],
           [0. , 1. , 1.5]], dtype=float32)
    """

    def __init__(self, columns):
        self.columns = tuple(columns)
        self.told = tuple(column.told() for column in self.columns)
        self.width = sum(column.width for column in self.columns)
        self._one = conditions.form(self.told)[1]
        names = [column.name for column in self.columns]
        if len({*names}) < len(names):
            raise ValueError(f"covariates must differ in name, got {names}")
        for column in self.columns:
            if column.kind != "category" and None in (column.mean, column.scale):
                raise ValueError(
                    f"the covariate {column.name!r} must have a mean and a scale, by which it is "
                    "standardized: see keras_vae.tables.covariates"
                )

    @property
    def num_classes(self):
        """How many labels there are, where y is one; else None."""
        return self.columns[0].width if self._one == () else None

    def encoded(self, label):
        """Returns y, `(B,)` or `(B, C)`, as the decoder takes it: `(B, width)`.

        Where a category is unknown it is NaN, so that a step skips it.
        """
        if label is None:
            return None
        pairs = zip(self.columns, self._split(label), strict=True)
        parts = [self._encoded(*pair) for pair in pairs]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def _encoded(self, column, values):
        if column.kind != "category":
            values = (values - column.mean) / column.scale
            return ops.cast(values, keras.config.floatx())
        same = ops.equal(values, ops.arange(column.width, dtype="float32"))
        known = ops.any(same, axis=-1, keepdims=True)
        return ops.where(known, ops.cast(same, keras.config.floatx()), math.nan)

    def _split(self, label):
        """The covariates one by one, float32 `(B, 1)` each."""
        label = ops.cast(label, "float32")
        label = label[:, None] if self._one == () else label
        return [label[:, place : place + 1] for place in range(len(self.columns))]

    def of_batch(self, y):
        """Returns the y of a batch, or raises a `ValueError` with what is wrong."""
        if y is None:
            raise ValueError(f"{self._asks()}, and the data hold none: give x and y")
        if not hasattr(y, "shape"):  # by name, or each by itself: so they are no numbers yet
            raise ValueError(
                f"{self._asks()}, and y of a batch must be one tensor of them, got a "
                f"{type(y).__name__}: keras_vae.tables.covariates gives y as numbers"
            )
        if tuple(y.shape[1:]) not in ((*self._one,), (len(self.columns),)):
            want = "a whole number" if self._one == () else f"{self._one[0]} numbers"
            raise ValueError(f"{self._asks()}, {want} for each example, got {y.shape}")
        if keras.backend.standardize_dtype(y.dtype) == "string":
            raise ValueError(f"{self._asks()}, got labels of dtype {y.dtype}")
        return ops.reshape(y, (-1, *self._one))

    def of_array(self, y):
        """Returns y, the labels of the whole data."""
        return y

    def unnamed(self, y, count):
        """Returns y as numbers, if it is a dictionary or a data frame of values by name."""
        if hasattr(y, "columns") and not conditions.have_names(self.told):
            return y.to_numpy()
        return self.checked(y, count)[0] if conditions.is_named(y) else y

    def count_unknown(self, label):
        """Returns how many entries of `label` are no values of this model's covariates."""
        pairs = zip(self.columns, self._split(label), strict=True)
        return sum(ops.sum(ops.cast(~self._known(*pair), "float32")) for pair in pairs)

    def _known(self, column, values):
        if column.kind != "category":
            return ops.isfinite(values)
        known = ops.logical_and(ops.equal(values, ops.floor(values)), values >= 0)
        return ops.logical_and(known, values < column.width)

    def refusal(self, batch):
        """Returns the error about a batch of a stream in which some entries are unknown."""
        want = f"no whole numbers from 0 to {(self.num_classes or 1) - 1}"
        if self.num_classes is None:
            want = f"none of {conditions.described(self.told)}"
        return ValueError(f"batch {batch} holds labels that are {want}")

    def unpacked(self, inputs):
        """Returns x and its label, encoded, out of what the model is called with."""
        if not isinstance(inputs, list | tuple) or len(inputs) != 2:
            raise ValueError(
                f"{self._asks()}: give [x, label]; a data set to predict from yields ((x, label),)"
            )
        x, label = inputs
        return x, self.encoded(self.of_batch(label))

    def checked(self, label, count, name="label"):
        """Returns `(y,)`: int32 `(count,)` of a label, else float32 `(count, C)`.

        Args:
            label: one y for all, or one for each; numbers, or values by name: a dictionary, or a
                data frame.
            count: how many examples there are.
            name: what the caller calls the label.

        Raises:
            ValueError: labels are missing, or not known.
        """
        label = ops.convert_to_numpy(label) if ops.is_tensor(label) else label
        y = conditions.checked(self.told, label, count, name)
        return (y.astype("int32" if self._one == () else "float32"),)

    def checked_one(self, label):
        """Returns `(y,)`, as `checked` of one example, for samples, which have one for all."""
        conditions.checked(self.told, label)
        return self.checked(label, 1)

    def signature(self):
        """Returns what an exported model takes besides x."""
        return [keras.InputSpec("int32" if self._one == () else "float32", (None, *self._one))]

    def _asks(self):
        if self._one == ():
            return f"this model is conditional on a label from 0 to {self.num_classes - 1}"
        return f"this model is conditional on {conditions.described(self.told)}"
