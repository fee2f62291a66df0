"""Rows of a table to numbers, as its `Column`s say."""

import datetime

import numpy as np
import polars as pl

from keras_vae import conditions
from keras_vae.tables import rows

DAY = 86_400_000_000
"""Microseconds."""


def encode(frame, columns, unseen="error"):
    """The numbers of a table: x, float32 `(N, D)`, NaN where a value is missing, and the label y.

    Columns are found by their names, in any order; others are left alone.

    Args:
        frame: what `frames.read` gives.
        columns: `Column`s.
        unseen: what becomes of a category that the column does not list: `"error"`, or
            `"missing"`; None: an error that does not advise to ask for the latter. Of a label it
            is always such an error.

    Returns:
        `(x, y)`. y is None if no column is a label, int64 `(N,)` of one category, and else float32
        `(N, C)`, a number for each label.

    Raises:
        ValueError: a column is not there, or holds what is none of its values; the line says where.

    Example:

    >>> from keras_vae.distributions import Column
    >>> sex = Column("sex", "category", categories=("f", "m"))
    >>> encode(pl.DataFrame({"sex": ["m", None, "f"]}), [sex])[0].ravel()
    array([ 1., nan,  0.], dtype=float32)
    """
    if unseen not in ("error", "missing", None):
        raise ValueError(f"unseen must be 'error' or 'missing', got {unseen!r}")
    absent = [column.name for column in columns if column.name not in frame.columns]
    if absent:
        raise ValueError(
            f"the table must have the columns {', '.join(map(repr, absent))}; it has "
            f"{', '.join(map(repr, frame.columns[:20]))}"
        )
    x = [c for c in columns if not c.label]
    values = np.empty((frame.height, len(x)), "float32")
    for place, column in enumerate(x):
        values[:, place] = _numbers(frame[column.name], column, unseen)
    return values, _labels(frame, [column for column in columns if column.label])


def _labels(frame, columns):
    if not columns:
        return None
    dtype, one = conditions.form([column.told() for column in columns])
    y = np.stack([_label(frame, column) for column in columns], axis=-1)
    return (y if one else y[:, 0]).astype(dtype)


def _label(frame, column):
    y = _numbers(frame[column.name], column, None)
    missing = np.isnan(y)
    if missing.any():
        raise ValueError(
            f"the label {column.name!r} must not be missing, as in row {missing.argmax()}: leave "
            "such rows out"
        )
    return y


def _numbers(series, column, unseen):
    """Each value of a column as its number."""
    if series.dtype == pl.String:
        series = series.str.strip_chars()
    numbers = READERS[column.kind](series, column).fill_null(float("nan")).to_numpy()
    there = series.is_not_null().to_numpy()
    if series.dtype.is_float():
        there &= ~series.is_nan().fill_null(True).to_numpy()
    wrong = there & ~(np.abs(numbers) <= np.finfo("float32").max)
    if wrong.any() and (column.kind != "category" or unseen != "missing"):
        row = int(wrong.argmax())
        raise ValueError(
            f"column {column.name!r} holds {series[row]!r} in row {row}, and "
            f"{_expected(column, unseen)}"
        )
    return numbers


def _expected(column, unseen):
    if column.kind == "category":
        few = ", ".join(repr(c) for c in column.categories[:8])
        more = ", ..." if len(column.categories) > 8 else ""
        advice = ": give unseen='missing' (--unseen missing), or train on a table with it"
        return f"its categories are {few}{more}{advice if unseen else ''}"
    if column.kind == "date":
        return f"its dates are written as {column.format}"
    return "must hold finite numbers"


def _number(series, column):
    return series.cast(pl.Float64, strict=False)


def _place(series, column):
    """The places of the categories; both are compared as texts."""
    texts, place = series.cast(pl.String), rows.places(column.categories)
    known = {text: place(text) for text in texts.unique().drop_nulls()}
    return texts.replace_strict(known, default=None, return_dtype=pl.Float64)


def _days(series, column):
    try:
        text = series.dtype == pl.String
        times = (
            series.str.to_datetime(column.format, strict=False, time_unit="us")
            if text
            else series.cast(pl.Datetime("us"), strict=False)
        )
    except pl.exceptions.PolarsError:  # it does not know the format
        days = rows.days_of(column.told())
        known = {text: days(text) for text in series.unique().drop_nulls()}
        return series.replace_strict(known, default=None, return_dtype=pl.Float64)
    origin = datetime.datetime.fromisoformat(column.origin)
    return (times - origin).dt.total_microseconds() / DAY


READERS = {"number": _number, "count": _number, "category": _place, "date": _days}
