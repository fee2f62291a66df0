"""The data that a user gives: brought into one form, and checked before anything is computed."""

import math
import warnings
from contextlib import contextmanager

import keras
import numpy as np

from keras_vae import backend
from keras_vae.conditions import described
from keras_vae.distributions.base import SupportError
from keras_vae.distributions.transformed import Transformed
from keras_vae.models import augment as augments
from keras_vae.models.arrays import (
    as_array,
    check_numbers,
    check_shape,
    check_values,
    checked_array,
    is_array,
    is_frame,
    one_array,
)
from keras_vae.models.guards import check_any
from keras_vae.models.packed import PackedRows, is_packed

COLUMNS = ("x", "y", "sample_weight")

KERAS_NEEDS_A_BATCH = ("logs", "batch_outputs")
"""Variables that Keras' loops leave without a value if there is no batch."""


def prepare(model, given, augment=None):
    """Brings the data among the arguments of `fit` or `evaluate` into one form, and checks them.

    Of arrays everything is checked here. Of a data set every batch is checked as it comes: its
    shape by `tensor`, its values by the step and the guard.

    Args:
        model: a `VAE`.
        given: the arguments by name, those of `fit` with its defaults. It is changed in place.
        augment: what training does to x, a layer or None.

    Raises:
        ValueError: the data do not fit the model, or the likelihood.
    """
    given.update(_columns(model, given))
    split_validation(given)
    _prepare_columns(model, given, augment)
    if "validation_data" not in given:  # of `fit` the loop decides who takes the steps
        pack(given)
    _warn_of_pixels(model.likelihood, given["x"])
    validation = given.get("validation_data")
    if validation is not None:
        parts = dict(zip(COLUMNS, keras.utils.unpack_x_y_sample_weight(validation), strict=True))
        parts = _columns(model, parts)
        try:
            _prepare_columns(model, parts)
        except SupportError as error:
            if augment is None:
                raise
            raise SupportError(f"validation_data are not augmented: {error}") from error
        batch_size = given.get("validation_batch_size") or given.get("batch_size")
        pack(parts, batch_size)
        given["validation_data"] = tuple(parts.values())


def pack(given, batch_size=None):
    """Makes of packed rows, with y and the weights, what Keras' own loops take.

    Args:
        given: the arguments by name, which were prepared. It is changed in place.
        batch_size: None: that of the arguments.
    """
    if not is_packed(given["x"]):
        return
    columns = [given.pop(name) for name in COLUMNS[1:] if given.get(name) is not None]
    given["x"] = PackedRows(
        given["x"],
        *columns,
        batch_size=batch_size or given.get("batch_size"),
        shuffle=given.get("shuffle", False),
        epoch=given.get("initial_epoch", 0),
        steps=given.get("steps_per_epoch"),
    )
    if "shuffle" in given:
        given["shuffle"] = False  # Keras would shuffle the batches too, by Python's seed


def prepare_predict(model, given):
    """As `prepare`, for the arguments of `predict`: x, or `[x, label]` of a conditional model."""
    x, rows, labels = given["x"], None, ()
    if not model.covariates:
        x = one_form("x", x)
        rows = _checked_rows("x", x, model.input_shape) if is_array(x) else x
    elif isinstance(x, list | tuple) and len(x) == 2:
        rows = _checked_rows("x", one_form("x", x[0]), model.input_shape)
        labels = model.labels.checked(x[1], rows.shape[0])
        x = [rows, *labels]
    elif is_array(x):
        raise ValueError(f"x must be [x, label], with labels of {described(model.covariates)}")
    if is_packed(rows):
        x = PackedRows(rows, *labels, batch_size=given.get("batch_size"), nested=True)
    given["x"] = x


def one_form(name, x):
    """x out of a list, tuple or dictionary of one; a data frame as an array, sparse rows as CSR."""
    x = one_array(name, x)
    if is_packed(x):
        return x.tocsr() if hasattr(x, "tocsr") else x
    return as_array(name, x) if is_frame(x) else x


def tensor(x, shape):
    """x of one batch, in the step: one tensor `(B, *shape)`, or a `ValueError`.

    A size that is known only at run time is checked then; the error is TensorFlow's, which
    `run_time_errors` makes a `ValueError`.
    """
    x = one_array("x", x)
    check_shape("x", x, shape)
    return backend.sized(x, shape)


@contextmanager
def run_time_errors(shape):
    """Makes a clear `ValueError` of what is wrong with a data set and shows when it is read."""
    try:
        with backend.size_errors(shape):
            yield
    except UnboundLocalError as error:
        if not any(repr(name) in str(error) for name in KERAS_NEEDS_A_BATCH):
            raise
        check_any("x", came=False)


def split_validation(given):
    """Makes `validation_data` of what `validation_split` takes off the end of the arrays."""
    names = [n for n in COLUMNS if hasattr(given.get(n), "shape")]
    share = given.get("validation_split") or 0
    if not share or given.get("validation_data") is not None or "x" not in names:
        return
    count = given["x"].shape[0]
    size = math.floor(count * (1 - share))
    if 0 < size < count:  # else Keras says what is wrong
        parts = (given[name][size:] if name in names else None for name in COLUMNS)
        given["validation_data"] = tuple(parts)
        given.update({name: given[name][:size] for name in names}, validation_split=0.0)


def _columns(model, given):
    """x in one form, and beside it the labels and weights, a column of a data frame as an array."""
    x, others = one_form("x", given.get("x")), {n: given[n] for n in COLUMNS[1:] if n in given}
    if is_array(x):
        others["y"] = model.labels.unnamed(others.get("y"), x.shape[0])
    plain = {n: c.to_numpy() if hasattr(c, "to_numpy") else c for n, c in others.items()}
    return {"x": x, **plain}


def _prepare_columns(model, given, augment=None):
    x, weight = given["x"], given.get("sample_weight")
    if is_array(x):
        rows = _checked_rows("x", x, model.input_shape)
        if augment is None:
            check_values(model.likelihood, rows)
        else:
            some = rows[: augments.ROWS].toarray() if is_packed(rows) else rows
            augments.check(augment, model.likelihood, some)
        if model.covariates:
            (given["y"],) = model.labels.checked(given.get("y"), x.shape[0], "the label y")
    if hasattr(weight, "shape") and tuple(weight.shape[1:]) not in ((), (1,)):
        raise ValueError(
            f"sample_weight must be one number for each example, (N,), got {weight.shape}"
        )
    for name in COLUMNS[1:] if is_array(x) else ():
        _check_length(name, given.get(name), x.shape[0])
    if weight is not None and given.get("y") is None:
        given["y"] = weight  # Keras drops the weights of examples that have no target


def _check_length(name, column, count):
    if hasattr(column, "shape") and column.shape[0] != count:
        raise ValueError(
            f"{name} must hold one entry for each of the {count} examples of x, "
            f"got {column.shape[0]}"
        )


def _checked_rows(name, x, shape):
    if is_packed(x):
        check_numbers(name, x.dtype)
        check_shape(name, x, shape)
    else:
        x = checked_array(name, x, shape)
    if not x.shape[0]:
        raise ValueError(f"{name} must hold at least one example, got shape {tuple(x.shape)}")
    return x


def _warn_of_pixels(likelihood, x):
    """Warns where a density is given what looks like 8-bit pixels: its loss would be millions."""
    own_unit = isinstance(likelihood, Transformed) or likelihood.event_shape
    if own_unit or not isinstance(x, np.ndarray):
        return
    if not keras.ops.convert_to_numpy(likelihood.in_support(np.array([0.5, 255.0]))).all():
        return
    some = x[:256]
    image = x.ndim > 2 or x.dtype == "uint8"
    if image and some.min() >= 0 and 2 < some.max() <= 255 and (some == np.floor(some)).all():
        warnings.warn(
            f"x holds whole numbers up to {some.max():g}, as pixels do, and "
            f"{type(likelihood).__name__} is a density: scale them to [0, 1], as x / 255 does",
            stacklevel=2,
        )
