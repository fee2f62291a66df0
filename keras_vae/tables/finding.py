"""What the columns of a table are, found from their values."""

import math

import numpy as np
import polars as pl

from keras_vae.distributions.column import Column

NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
CODE = r"^[-+]?0[0-9]"
"""Digits that begin with 0, as zip codes do: no number would keep the 0."""

FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"),
    "%Y-%m-%dT%H:%M:%SZ",
    *("%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M"),
)
"""Of dates that are written as text, those that are tried, in this order."""

FEW, ENOUGH = 12, 5
"""Numbers of so few different values, each of which stands so often on average, are categories."""

SOME = 20
"""In fewer rows than this, values that all differ say nothing."""

MOST_CATEGORIES = 1000
ODD = 0.1
"""A column whose values are numbers, or dates, but for so small a share, holds mistakes."""

DIGITS = 7
"""Decimals beyond so many digits of the spread of a column are not kept: float32 has no more."""


FINE = 0.01
"""Of the range of a column, the distance of neighbouring numbers in float32 is no larger share."""


class UselessError(ValueError):
    """A column from which nothing can be learned; it says why."""


def found(frame):
    """What the columns of a table are: `(columns, notes)`.

    - Text is a category, unless all of it is dates or numbers. Digits that begin with 0 are text.
    - Numbers of few different values are categories; whole ones from 0, which are spread at least
      as widely as a Poisson distribution, are counts; others are numbers, with the decimals that
      they have, and with the minimum 0 if none is negative.
    - A column is left out if it has no value, if it numbers the rows, or if it is text and nearly
      every row has its own.

    Args:
        frame: what `frames.read` gives.

    Returns:
        A list of `Column`s, which do not yet know where their numbers lie (see `fitted`), and a
        list of lines about what is left out, and what could be meant otherwise.

    Raises:
        ValueError: a column holds numbers or dates, and some values that are neither; or no column
            is of any use.

    Example:

    >>> table = pl.DataFrame({"sex": ["f", "m"] * 40, "height": [170 + i / 2 for i in range(80)]})
    >>> [(column.kind, column.decimals) for column in found(table)[0]]
    [('category', 0), ('number', 1)]
    """
    columns, notes = [], []
    for series in frame:
        try:
            column, note = _column(series)
            columns.append(column)
            notes += note
        except UselessError as why:
            notes.append(f"left out: {series.name} ({why})")
    if not columns:
        raise ValueError(f"no column of the table is of any use: {'; '.join(notes)}")
    return columns, notes


def _column(series):
    """The `Column` of a series, and notes about it."""
    values = series.drop_nulls()
    values = values.drop_nans() if values.dtype.is_float() else values
    if not len(values):
        raise UselessError("every value is missing")
    if values.dtype.is_temporal() and values.dtype != pl.Time and values.dtype != pl.Duration:
        return _date(values.cast(pl.Datetime("us"))), []
    if values.dtype == pl.String:
        return _of_text(values)
    if values.dtype == pl.Boolean:
        return Column(values.name, "category", categories=sorted(set(values))), []
    if values.dtype.is_numeric():
        return _number(values, values, _decimals(values)), []
    if isinstance(values.dtype, pl.Categorical | pl.Enum):
        return _category(values.cast(pl.String)), []
    raise UselessError(f"it holds values of type {values.dtype}")


def _of_text(values):
    texts = values.str.strip_chars()
    numeric = texts.str.contains(NUMBER) & (not texts.str.contains(CODE).any())
    if numeric.all():
        return _number(texts.cast(pl.Float64), texts, _decimals_written(texts)), []
    different = texts.unique()  # what stands often is read once
    parsed = {f: different.str.to_datetime(f, strict=False, time_unit="us") for f in FORMATS}
    dates = {f: (times.dt.year() > 999).fill_null(False) for f, times in parsed.items()}
    exact = [f for f, good in dates.items() if good.all()]
    if exact:
        others = f", though {' or '.join(exact[1:])} would fit too" if exact[1:] else ""
        note = [f"read as a date: {values.name}, by {exact[0]}{others}"]
        return _date(parsed[exact[0]], exact[0]), note
    if len(different) > FEW * ENOUGH:
        best = max(dates.values(), key=lambda good: good.sum())
        _refuse_odd(texts, numeric, "numbers")
        _refuse_odd(texts, texts.is_in(different.filter(best).implode()), "dates")
    return _category(texts), []


def _refuse_odd(texts, good, what):
    """Raises `ValueError` if all values but a few are `good`."""
    if good.mean() > 1 - ODD:
        odd = texts.filter(~good)
        raise ValueError(
            f"column {texts.name!r} holds {what}, but also {odd[0]!r} ({len(odd)} such values): "
            "leave empty what is missing, and mend what is wrong"
        )


def _category(texts):
    count, different = len(texts), texts.n_unique()
    if count >= SOME and different > min(MOST_CATEGORIES, count / 2):
        what = "all values differ, an identifier" if different == count else "text of its own"
        raise UselessError(f"{what}: {different} different values in {count} rows")
    return Column(texts.name, "category", categories=texts.unique().sort().to_list())


def _number(numbers, written, decimals):
    """A `Column` of numbers, which stand in the table as `written`."""
    name, count, different = numbers.name, len(numbers), numbers.n_unique()
    values = numbers.cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all():
        raise ValueError(f"column {name!r} holds infinite numbers: leave empty what is missing")
    if different == 1 or (different <= FEW and count >= ENOUGH * different):
        frame = pl.DataFrame({"number": values, "written": written})
        first = frame.unique("number", keep="first").sort("number")["written"]
        return Column(name, "category", categories=tuple(first.unique(maintain_order=True)))
    low, high = values.min(), values.max()
    whole = (values == np.floor(values)).all()
    if whole and count >= SOME and different == count == high - low + 1:
        raise UselessError("it numbers the rows")
    if whole and low == 0 and values.var() >= values.mean():
        return Column(name, "count")
    if np.spacing(np.float32(max(-low, high))) > FINE * (high - low):
        raise UselessError("its numbers differ by less than float32 can tell: subtract a constant")
    spread = np.subtract(*np.quantile(values, (0.95, 0.05))) or high - low
    kept = min(decimals, DIGITS - math.floor(math.log10(spread)))
    return Column(name, "number", decimals=kept, minimum=0.0 if low >= 0 else None)


def _decimals_written(texts):
    """The most digits that stand after a point."""
    if texts.str.contains("[eE]").any():
        return _decimals(texts.cast(pl.Float64))
    digits = texts.str.extract(r"\.(\d+)$").str.len_chars().fill_null(0).max()
    return digits or _decimals(texts.cast(pl.Float64))


def _decimals(numbers):
    """The fewest decimals that all numbers have; negative where they are hundreds or so."""
    values = numbers.cast(pl.Float64).to_numpy()[:100_000]
    values = np.append(values[np.isfinite(values)], 0.0)  # `_number` refuses the others
    rounding = 1e-7 if numbers.dtype in (pl.Float32, pl.Float16) else 1e-12
    for decimals in range(-6, 15):
        if np.abs(values - np.round(values, decimals)).max() <= rounding * np.abs(values).max():
            return decimals
    return 15


def _date(times, form=None):
    """A `Column` of times, a series of microseconds."""
    if form is None:
        whole = (times.dt.truncate("1d") == times).all()
        form = "%Y-%m-%d" if whole else "%Y-%m-%d %H:%M:%S"
    return Column(times.name, "date", format=form, origin=times.min().date().isoformat())
