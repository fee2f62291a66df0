"""Rows of a table, as text, from the numbers of a model, and to them. It needs NumPy alone.

A column is a dictionary with a `name` and a `kind`, as columns.schema.json describes it. The same
text stands in `keras_vae/tables/` and in `export/runtime/`, since the runtime works alone.
"""

import csv
import datetime
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

Column = dict[str, Any]

EMPTY = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
"""Texts that stand for a value that is missing."""

COMMA = re.compile(r"[-+]?\d+(,\d+)?", re.ASCII)
NUMERIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
NUMBER = re.compile(r"[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""No code such as 007, and nothing else that `float` reads, such as 1_000."""

DAY = 86400
SECOND = datetime.timedelta(seconds=1)
PARTS_OF_A_DAY = {"S": 1, "M": 60, "H": 3600}


def texts(
    columns: Sequence[Column], x: ArrayLike, label: int | None = None
) -> dict[str, list[str]]:
    """The values of a table as they are written, column by column: `{name: list of text}`.

    Args:
        columns: dictionaries, in the order of the table.
        x: `(N, D)`, one number for each column that is no label; NaN becomes empty text.
        label: what all rows have in the columns that are labels: a number, or one for each.

    Example:

    >>> price = {"name": "price", "kind": "number", "decimals": 2}
    >>> sex = {"name": "sex", "kind": "category", "categories": ["f", "m"]}
    >>> texts([price, sex], np.array([[9.5, 1.0], [np.nan, 0.0]]))
    {'price': ['9.50', ''], 'sex': ['m', 'f']}
    """
    x, written = np.asarray(x, np.float64), {}
    entries = iter(x.T)
    given = None if label is None else iter(np.atleast_1d(label))
    for column in columns:
        if column.get("label"):
            values = np.full(len(x), math.nan if given is None else next(given), np.float64)
        else:
            values = next(entries)
        missing = np.isnan(values)
        found = iter(WRITERS[column["kind"]](column, values[~missing]))
        written[column["name"]] = ["" if gap else next(found) for gap in missing]
    return written


def _numbers(column, values):
    decimals = max(0, column.get("decimals", 0))
    return [f"{value:.{decimals}f}" for value in np.round(values, decimals) + 0.0]  # no "-0"


def _categories(column, values):
    known = [_text(category) for category in column["categories"]]
    if not ((values >= 0) & (values < len(known))).all():
        raise ValueError(f"x is of another table: it has no categories of {column['name']!r}")
    return [known[int(value)] for value in values]


def _dates(column, values):
    part = next((s for c, s in PARTS_OF_A_DAY.items() if f"%{c}" in column["format"]), DAY)
    start = (datetime.datetime.fromisoformat(column["origin"]) - datetime.datetime.min) // SECOND
    last = (datetime.datetime.max - datetime.datetime.min) // SECOND
    seconds = np.clip(start + part * np.rint(values * DAY / part), 0, last)
    times = [datetime.datetime.min + int(s) * SECOND for s in seconds]
    return [t.strftime(column["format"].replace("%Y", f"{t.year:04d}")) for t in times]


WRITERS = {"number": _numbers, "count": _numbers, "category": _categories, "date": _dates}


def _text(category):
    return str(category).lower() if isinstance(category, bool) else str(category)


def numbers(
    columns: Sequence[Column],
    rows: Sequence[list[str]],
    head: list[str],
    unseen: str | None = "error",
) -> NDArray[np.float32]:
    """Rows of text as x: float32 `(N, D)`, NaN where a value is missing.

    Args:
        columns: dictionaries; those that are labels are left out.
        rows: lists of text.
        head: the names of what stands in a row.
        unseen: what becomes of a category that a column does not list: `"error"`, or `"missing"`;
            None: an error that does not advise to ask for the latter.

    Raises:
        ValueError: a column is not there, or holds what is none of its values; it says where.
    """
    known = [column for column in columns if not column.get("label")]
    absent = [column["name"] for column in known if column["name"] not in head]
    if absent:
        raise ValueError(f"the table must have the columns {', '.join(map(repr, absent))}")
    x = np.full((len(rows), len(known)), np.nan, np.float32)
    for place, column in enumerate(known):
        at, read = head.index(column["name"]), READERS[column["kind"]](column)
        for number, row in enumerate(rows):
            text = row[at].strip()
            if text not in EMPTY:
                x[number, place] = _read(read, text, column, number, unseen)
    return x


def labels(
    columns: Sequence[Column], rows: Sequence[list[str]], head: list[str]
) -> NDArray[np.int64] | NDArray[np.float32] | None:
    """The labels y of rows of text; None where no column is one.

    Returns:
        int64 `(N,)` where one category is the label, else float32 `(N, C)`.

    Raises:
        ValueError: as `numbers`; or a label is missing.
    """
    label = [{**column, "label": False} for column in columns if column.get("label")]
    if not label:
        return None
    y = numbers(label, rows, head, unseen=None)
    if np.isnan(y).any():
        row, place = np.argwhere(np.isnan(y))[0]
        raise ValueError(f"row {row} has no {label[place]['name']!r}, its label")
    one = len(label) == 1 and label[0]["kind"] == "category"
    return y[:, 0].astype(np.int64) if one else y


def _read(read, text, column, number, unseen):
    x = read(text)
    if x is None and column["kind"] == "category" and unseen == "missing":
        return math.nan
    if x is None or not _is_inside(x, column):
        advice = ": give --unseen missing" if column["kind"] == "category" and unseen else ""
        raise ValueError(
            f"column {column['name']!r} holds {text!r} in row {number}, which is no "
            f"{column['kind']} that it may hold{advice}"
        )
    return x


def _is_inside(x, column):
    if column.get("likelihood") == "normal":  # which has a density everywhere, and draws so
        return math.isfinite(x)
    count = column["kind"] == "count"
    least = 0 if count else column.get("minimum", -math.inf)
    inside = math.isfinite(x) and least <= x <= column.get("maximum", math.inf)
    return inside and not (count and x != math.floor(x))


def _number(text):
    return float(text) if NUMERIC.fullmatch(text) else None


def places(categories: Sequence[Any]) -> Callable[[str], int | None]:
    """A function of a text to the place of the category that it is; None where it is none.

    Numbers and booleans are found however they are written, where no two texts are the same one.
    """
    exact = {_text(category): i for i, category in enumerate(categories)}
    loose = {_key(text): i for text, i in exact.items()}
    loose = loose if len(loose) == len(exact) else {}
    return lambda text: exact.get(text, loose.get(_key(text)))


def _key(text):
    """What is the same for two texts that mean the same: a number, or `true` for `True`."""
    if NUMBER.fullmatch(text):
        return float(text)
    return text.lower() if text.lower() in ("true", "false") else text


def days_of(column: Column) -> Callable[[str], float | None]:
    """A function of a text to the days since `origin`; None where it is no such date."""
    origin = datetime.datetime.fromisoformat(column["origin"])

    def days(text):
        try:
            time = datetime.datetime.strptime(text, column["format"])
        except ValueError:
            return None
        return (time - origin).total_seconds() / DAY

    return days


READERS = {
    "number": lambda column: _number,
    "count": lambda column: _number,
    "category": lambda column: places(column["categories"]),
    "date": days_of,
}


def read(path: str | os.PathLike[str]) -> tuple[list[str], list[list[str]], str]:
    """The head and the rows of a `.csv`, in text, and what separates its values.

    Blank lines are left out. In a table that is separated by semicolons, numbers whose decimals
    come after a comma get a point.

    Raises:
        ValueError: it cannot be read, is empty, or has rows of unequal length.
    """
    rows = []
    head, separator = scan(path, lambda number, row: rows.append(row) if row else None)
    return head, _pointed(rows) if separator == ";" else rows, separator


def scan(
    path: str | os.PathLike[str], each: Callable[[int, list[str]], Any]
) -> tuple[list[str], str]:
    """Calls `each(number, row)` for each row of a `.csv`, a list of text, of a blank line [].

    Returns:
        The names of the columns, and what separates values: a tab in a `.tsv`, else what stands
        most often in that line.

    Raises:
        ValueError: it cannot be read, is empty, has rows of unequal length, or a name twice.
    """
    some = False
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            tabs = os.fspath(path).lower().endswith(".tsv")
            separator = "\t" if tabs else max(",;\t", key=line.count)
            file.seek(0)
            lines = csv.reader(file, delimiter=separator, strict=True)
            head = next(lines, [])
            for number, row in enumerate(lines):
                _check_length(path, number, row, head)
                some = some or bool(row)
                each(number, row)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read: it is not in UTF-8: save it so") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read ({error})") from error
    if not some:
        raise ValueError(f"{path} must hold a line of names and at least one row")
    twice = next((name for name in head if head.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path}: each column must have a name of its own, got {twice!r} twice")
    return head, separator


def _check_length(path, number, row, head):
    if row and len(row) != len(head):
        raise ValueError(
            f"{path}: row {number} has {len(row)} values, and the first line {len(head)} names"
        )


def _pointed(rows):
    """Rows with points for commas in the columns whose numbers have decimals after a comma."""
    columns = [
        [text.replace(",", ".") for text in column]
        if all(text.strip() in EMPTY or COMMA.fullmatch(text.strip()) for text in column)
        else column
        for column in zip(*rows, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def write(
    stream: TextIO, columns: Mapping[str, list[str]], separator: str = ",", head: bool = True
) -> None:
    """Writes columns of text, `{name: list}`, to a text stream."""
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    if head:
        writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def filled(
    head: list[str], rows: list[list[str]], written: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """The columns of a table by name, its gaps filled with what `written` has there."""
    columns = {}
    for place, name in enumerate(head):
        given = [row[place] for row in rows]
        others = written.get(name, given)
        columns[name] = [
            other if text.strip() in EMPTY else text
            for text, other in zip(given, others, strict=True)
        ]
    return columns


def gaps(head: list[str], rows: list[list[str]], written: Mapping[str, list[str]]) -> int:
    """How many gaps `filled` fills."""
    places = [place for place, name in enumerate(head) if name in written]
    return sum(row[place].strip() in EMPTY for row in rows for place in places)
