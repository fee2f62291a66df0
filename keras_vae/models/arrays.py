"""One array that a user gives: what it may be, and whether it fits."""

import keras
import numpy as np

from keras_vae.models.packed import Slices, is_packed, numbers_in


def one_array(name, x):
    """The array in a list, tuple or dictionary of one, as Keras takes them; others stay."""
    if not isinstance(x, list | tuple | dict):
        return x
    entries = list(x.values()) if isinstance(x, dict) else list(x)
    if len(entries) == 1 and not isinstance(entries[0], list | tuple | dict):
        return entries[0]
    what = f"a {type(x).__name__} of {', '.join(map(str, x)) if isinstance(x, dict) else len(x)}"
    raise ValueError(
        f"{name} must be one array, got {what}: give the array alone, and in a data set "
        "(x,), or (x, y) with labels"
    )


def is_array(x):
    """Whether x is an array or packed rows, all of which can be looked at; no data set is."""
    return hasattr(x, "shape") and hasattr(x, "dtype")


def sliceable(x):
    """`x`, of which every slice is an array: packed rows as `Slices`, others as they are."""
    return Slices(x) if is_packed(x) else x


def is_frame(x):
    """Whether x is a data frame of pandas or polars, which need not be installed."""
    return hasattr(x, "to_numpy") and hasattr(x, "columns")


def as_array(name, x):
    """`x`, a tensor, a data frame or what NumPy takes, as a NumPy array."""
    if keras.ops.is_tensor(x):
        return keras.ops.convert_to_numpy(x)
    if not is_frame(x):
        return np.asarray(x)
    for column, dtype in zip(x.columns, x.dtypes, strict=True):
        if getattr(dtype, "kind", "f") not in "fiub":  # of pandas; a category is no number
            raise ValueError(
                f"{name} must hold numbers, but its column {column!r} holds {dtype}: drop the "
                "column, or encode it by numbers (pandas.get_dummies)"
            )
    frame = x.astype("float32") if hasattr(x, "astype") else x  # a missing entry becomes NaN
    return np.asarray(frame.to_numpy())


def check_numbers(name, dtype):
    """Raises `ValueError` unless a NumPy `dtype` is one of real numbers."""
    if dtype.kind not in "fiub" and dtype.name != "bfloat16":
        raise ValueError(f"{name} must hold numbers, got dtype {dtype}: use astype('float32')")


def check_shape(name, x, shape):
    """Raises `ValueError` unless `x` is `(B, *shape)`, as far as its sizes are known."""
    if getattr(x.shape, "rank", 0) is None:  # TensorFlow knows nothing of it yet
        return
    have, shape = tuple(x.shape), tuple(shape)
    if len(have) == 1 + len(shape) and all(
        n in (None, m) for n, m in zip(have[1:], shape, strict=True)
    ):
        return
    hint = ""
    if have == shape:
        hint = f"; for one example use {name}[None]"
    elif have[1:] == shape[:-1] and shape[-1] == 1:
        hint = f"; add the channel axis with {name}[..., None]"
    want = f"(batch, {', '.join(map(str, shape))})"
    raise ValueError(f"{name} must have shape {want}, got {have}{hint}")


def checked_array(name, x, shape):
    """`x` as numbers of shape `(B, *shape)`, or a `ValueError`: an array, or `Slices`."""
    x = x if isinstance(x, Slices) else Slices(x) if is_packed(x) else as_array(name, x)
    check_numbers(name, x.dtype)
    check_shape(name, x, shape)
    return x


def checked_finite(name, x, shape, missing=False):
    """As `checked_array`, and no value is infinite, or NaN if none may be `missing`."""
    x = checked_array(name, x, shape)
    for numbers in all_of(x):
        if (np.isfinite(numbers) | (missing & np.isnan(numbers))).all():
            continue
        raise ValueError(f"{name} holds values that are NaN or infinite: remove or replace them")
    return x


def all_of(x):
    """Arrays that hold all numbers of `x`, an array, packed rows or `Slices` of such."""
    x = x.packed() if isinstance(x, Slices) else x
    return numbers_in(x) if is_packed(x) else [x]


def check_values(likelihood, x):
    """Raises `ValueError` if an entry of `x`, an array or packed rows, has no density."""
    if isinstance(x, np.ndarray):
        likelihood.check(x)
        return
    for numbers in all_of(x):
        likelihood.check_entries(numbers)


def check_batch_size(batch_size):
    """Raises `ValueError` unless at least one row is computed at once."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size!r}")
