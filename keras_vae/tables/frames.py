"""A table of a file, or a data frame, as a frame of polars."""

import os
from pathlib import Path

import numpy as np
import polars as pl

from keras_vae.memory import check_fits
from keras_vae.tables import rows
from keras_vae.tables.rows import EMPTY

SUFFIXES = (".csv", ".tsv", ".parquet")

OF_A_VALUE = 16
"""Bytes that polars holds a text by, if it is short."""


def read(source):
    """The table of a `.csv`, `.tsv` or `.parquet`, or a data frame of pandas, polars or Arrow.

    The columns of a `.csv` are texts as they stand there, null where nothing does: what they are
    is `finding`'s to say. It is UTF-8, has a line of names first, and is separated by commas,
    semicolons or tabs.

    Raises:
        ValueError: in one line that names the file: nothing there, no table, no row, a name that
            stands twice, rows of unequal length, or more of them than memory holds.

    Example:

    >>> read(pl.DataFrame({"age": [31, None]})).shape
    (2, 1)
    """
    if isinstance(source, str | os.PathLike):
        frame = _of_file(Path(os.path.expanduser(source)))
    else:
        frame, source = _of_frame(source), "the data frame"
    frame = frame.cast({pl.Decimal: pl.Float64})
    if not frame.width or not frame.height:
        raise ValueError(f"{source} must hold at least one row and one column, got {frame.shape}")
    return frame


def _of_file(path):
    if not path.is_file():
        raise ValueError(f"{path} must be a file, got a folder, a pipe or nothing")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a table must be one of {', '.join(SUFFIXES)}, got {path}")
    try:
        return _of_parquet(path) if path.suffix.lower() == ".parquet" else _of_text(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({_reason(error)})") from error


def _of_parquet(path):
    lines = pl.scan_parquet(path)
    count = lines.select(pl.len()).collect().item()
    check_fits(path, (count, len(lines.collect_schema())), OF_A_VALUE)
    return lines.collect()


def _of_text(path):
    """A `.csv` as a frame of texts, which polars reads once it is known that the rows are whole."""
    blank, count = [], 0

    def seen(number, row):
        nonlocal count
        count = number + 1
        if not row:
            blank.append(number)

    head, separator = rows.scan(path, seen)
    check_fits(path, (count, len(head)), OF_A_VALUE)
    # Without the first line, because polars would rename columns in silence.
    lines = pl.scan_csv(
        path, has_header=False, skip_rows=1, separator=separator, infer_schema=False
    )
    try:
        frame = _stripped(lines).rename({f"column_{i + 1}": name for i, name in enumerate(head)})
    except pl.exceptions.PolarsError:
        frame = None
    if blank and frame is not None and frame.height == count:  # polars keeps those inside a table
        frame = frame.filter(~pl.int_range(pl.len()).is_in(blank))
    if frame is None or frame.shape != (count - len(blank), len(head)):
        return _row_by_row(path)
    return frame.with_columns(pl.all().map_batches(_pointed)) if separator == ";" else frame


def _stripped(lines):
    """Lines of texts as a frame of them stripped, null where nothing stands."""
    texts = pl.all().str.strip_chars()
    # In one go, so that the texts are not held twice, as they stand and stripped.
    return lines.select(pl.when(~texts.is_in(list(EMPTY))).then(texts).name.keep()).collect()


def _row_by_row(path):
    """The frame of a `.csv` that polars cuts otherwise than Python does, as at a lone quote."""
    head, lines, _ = rows.read(path)
    columns = zip(head, zip(*lines, strict=True), strict=True)
    return _stripped(pl.LazyFrame([pl.Series(name, texts) for name, texts in columns]))


def _pointed(texts):
    """Texts, with points for commas if all are numbers whose decimals come after a comma."""
    numbers = texts.str.contains(rf"^{rows.COMMA.pattern}$")
    return texts.str.replace(",", ".", literal=True) if numbers.all() else texts


def _of_frame(frame):
    if isinstance(frame, pl.DataFrame):
        return frame
    if not hasattr(frame, "columns"):
        raise ValueError(
            "a table must be a path, or a data frame of pandas, polars or Arrow, got "
            f"{type(frame).__name__}"
        )
    try:
        if hasattr(frame, "isna"):
            return pl.DataFrame([_of_pandas(str(name), column) for name, column in frame.items()])
        return pl.DataFrame(frame)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"the data frame cannot be read ({_reason(error)})") from error


def _of_pandas(name, column):
    """By way of NumPy or of Python's objects: polars itself would need pyarrow for that."""
    if getattr(column.dtype, "kind", "O") in "biuf" and isinstance(column.dtype, np.dtype):
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    missing, values = column.isna(), column.astype(object)
    values = [None if m else v for m, v in zip(missing, values, strict=True)]
    try:
        return pl.Series(name, values)
    except TypeError:  # they are of several types
        return pl.Series(name, [None if v is None else str(v) for v in values])


def _reason(error):
    """The first line of an error: what follows in those of polars is for programmers."""
    if isinstance(error, UnicodeDecodeError) or "utf-8" in str(error).lower():
        return "it is not in UTF-8: save it so"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
