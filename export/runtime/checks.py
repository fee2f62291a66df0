"""Requests that cannot be served are refused, with one line that says why."""

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import conditions

Label = ArrayLike | Mapping[str, Any] | None
"""Numbers, or values by name: see `conditions.checked`. A model without labels takes None."""

MAX_INDEX = 2**44


def check_draw(count: int, seed: int, temperature: float, first: int) -> None:
    """Refuses a request for samples that is out of range.

    Raises:
        ValueError: says which argument, what it is, and what it may be.

    Example:

    >>> check_draw(-1, seed=0, temperature=1.0, first=0)
    Traceback (most recent call last):
    ValueError: count must be a whole number >= 0, got -1
    """
    for name, value in {"count": count, "first": first}.items():
        if not isinstance(value, numbers.Integral) or value < 0:
            raise ValueError(f"{name} must be a whole number >= 0, got {value!r}")
    if first + count > MAX_INDEX:
        raise ValueError(f"first + count must be at most 2**44, got {first + count}")
    _check_seed(seed)
    if not isinstance(temperature, numbers.Real) or not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")


def check_score(num_samples: int, seed: int) -> None:
    """Refuses a request for scores that is out of range.

    Raises:
        ValueError: says which argument, what it is, and what it may be.

    Example:

    >>> check_score(num_samples=0, seed=0)
    Traceback (most recent call last):
    ValueError: num_samples must be a whole number from 1 to 2**31 - 1, got 0
    """
    _check_seed(seed)
    if not isinstance(num_samples, numbers.Integral) or not 1 <= num_samples < 2**31:
        raise ValueError(
            f"num_samples must be a whole number from 1 to 2**31 - 1, got {num_samples!r}"
        )


def checked_label(
    label: Label, covariates: Sequence[dict[str, Any]], count: int | None = None
) -> dict[str, NDArray[Any]]:
    """Returns what a graph is fed: `{}` for a model without labels, else `{"label": array}`.

    Args:
        label: a whole number, or what `conditions.checked` takes; if `count` is given, one for all
            examples or one for each.
        covariates: what the label holds; nothing if the model knows none.
        count: how many examples there are; None if the graph takes a single label.

    Raises:
        ValueError: a label is missing, is not known, or the model takes none.

    Example:

    >>> checked_label(10, conditions.label_of(10))
    Traceback (most recent call last):
    ValueError: label must be whole numbers from 0 to 9, got 10
    """
    if not covariates:
        if label is not None:
            raise ValueError("got a label, but this model knows none: leave label out")
        return {}
    return {"label": conditions.checked(covariates, label, count)}


def checked_index(index: ArrayLike | None, count: int) -> NDArray[np.int64]:
    """Returns the index of each of `count` examples: int64, (count,).

    Args:
        index: one whole number for all, or one for each; None: 0, 1, 2, ....

    Raises:
        ValueError: they have another shape, or one is not from 0 to 2**44 - 1.

    Example:

    >>> checked_index(None, 3), checked_index(7, 2)
    (array([0, 1, 2]), array([7, 7]))
    """
    array = np.arange(count) if index is None else np.asarray(index)
    want = f"index must be one whole number, or {count} of them, from 0 to 2**44 - 1"
    if array.shape not in ((), (count,)):
        raise ValueError(f"{want}, got shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{want}, got dtype {array.dtype}")
    outside = (array < 0) | (array >= MAX_INDEX)
    if outside.any():
        raise ValueError(f"{want}, got {array[outside].flat[0]}")
    return np.broadcast_to(array, (count,)).astype(np.int64)


def _check_seed(seed: int) -> None:
    if not isinstance(seed, numbers.Integral) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed must be a whole number from -2**63 to 2**63 - 1, got {seed!r}")


def checked_rows(
    name: str, array: ArrayLike, shape: tuple[int, ...], missing: bool = False
) -> NDArray[np.float32]:
    """Returns `array` as float32, (batch, *shape).

    Args:
        missing: whether NaN may stand in it, for an entry that is missing.

    Raises:
        ValueError: it has another shape, holds no numbers, or one that is not finite.

    Example:

    >>> checked_rows("z", [[1, 2]], (2,))
    array([[1., 2.]], dtype=float32)
    """
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}: use float32")
    if array.shape[1:] != shape or not array.ndim:
        want = ", ".join(map(str, shape))
        raise ValueError(f"{name} must have shape (batch, {want}), got {array.shape}")
    array = array.astype(np.float32, copy=False)
    if not (np.isfinite(array) | (missing & np.isnan(array))).all():
        raise ValueError(f"{name} holds values that are NaN or infinite")
    return array
