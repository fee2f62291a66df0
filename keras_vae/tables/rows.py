"""Rows of a table, as text, from the numbers of a model, and to them. It needs NumPy alone.

A column is a dictionary with a `name` and a `kind`, as columns.schema.json describes it. The same
text stands in `keras_vae/tables/` and in `export/runtime/`, since the runtime works alone.
"""

import csv
import datetime
import math

import numpy as np

EMPTY = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
"""Texts that stand for a value that is missing."""

DAY = 86400


def texts(columns, x, label=None):
    """The values of a table as they are written, column by column: `{name: list of text}`.

    Args:
        columns: dictionaries, in the order of the table.
        x: `(N, D)`, one number for each column that is no label; NaN becomes empty text.
        label: the place of the category that all rows have, where one column is a label.

    Example:

    >>> price = {"name": "price", "kind": "number", "decimals": 2}
    >>> sex = {"name": "sex", "kind": "category", "categories": ["f", "m"]}
    >>> texts([price, sex], np.array([[9.5, 1.0], [np.nan, 0.0]]))
    {'price': ['9.50', ''], 'sex': ['m', 'f']}
    """
    x, place, written = np.asarray(x, np.float64), 0, {}
    for column in columns:
        if column.get("label"):
            values = np.full(len(x), math.nan if label is None else label)
        else:
            values, place = x[:, place], place + 1
        missing = np.isnan(values)
        found = iter(WRITERS[column["kind"]](column, values[~missing]))
        written[column["name"]] = ["" if gap else next(found) for gap in missing]
    return written


def _numbers(column, values):
    decimals = max(0, column.get("decimals", 0))
    return [f"{value:.{decimals}f}" for value in np.round(values, decimals) + 0.0]  # no "-0"


def _categories(column, values):
    known = [_text(category) for category in column["categories"]]
    return [known[int(value)] for value in values]


def _dates(column, values):
    seconds = np.rint(values * DAY).astype("int64")
    times = np.datetime64(column["origin"], "s") + seconds.astype("timedelta64[s]")
    return [time.strftime(column["format"]) for time in times.astype(datetime.datetime)]


WRITERS = {"number": _numbers, "count": _numbers, "category": _categories, "date": _dates}


def _text(category):
    return str(category).lower() if isinstance(category, bool) else str(category)


def numbers(columns, rows, head):
    """Rows of text as x: float32 `(N, D)`, NaN where a value is missing.

    Args:
        columns: dictionaries; those that are labels are left out.
        rows: lists of text.
        head: the names of what stands in a row.

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
                x[number, place] = _read(read, text, column, number)
    return x


def labels(columns, rows, head):
    """The labels of rows of text, int64 `(N,)`; None where no column is one.

    Raises:
        ValueError: as `numbers`; or a label is missing.
    """
    label = [{**column, "label": False} for column in columns if column.get("label")]
    if not label:
        return None
    y = numbers(label, rows, head)[:, 0]
    if np.isnan(y).any():
        raise ValueError(f"row {np.isnan(y).argmax()} has no {label[0]['name']!r}, its label")
    return y.astype(np.int64)


def _read(read, text, column, number):
    try:
        return read(text)
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"column {column['name']!r} holds {text!r} in row {number}, which is no "
            f"{column['kind']} that it may hold"
        ) from error


def _place_of(column):
    return {_text(category): i for i, category in enumerate(column["categories"])}.__getitem__


def _days_of(column):
    origin = datetime.datetime.fromisoformat(column["origin"])

    def days(text):
        return (datetime.datetime.strptime(text, column["format"]) - origin).total_seconds() / DAY

    return days


READERS = {
    "number": lambda column: float,
    "count": lambda column: float,
    "category": _place_of,
    "date": _days_of,
}


def read(path):
    """The head and the rows of a `.csv`, in text, and what separates its values.

    Raises:
        ValueError: it cannot be read, is empty, or has rows of unequal length.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            separator = max(",;\t", key=line.count)
            file.seek(0)
            head, *rows = csv.reader(file, delimiter=separator)
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(
            f"{path} must be a table in UTF-8 whose first line has names ({error})"
        ) from error
    for number, row in enumerate(rows):
        if len(row) != len(head):
            raise ValueError(
                f"{path}: row {number} has {len(row)} values, and the first line {len(head)} names"
            )
    return head, rows, separator


def write(stream, columns, separator=",", head=True):
    """Writes columns of text, `{name: list}`, to a text stream."""
    writer = csv.writer(stream, delimiter=separator, lineterminator="\n")
    if head:
        writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def filled(head, rows, written):
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


def place_of(columns, where):
    """The label that `"sex=female"` names, a place in the categories of the column that is one.

    Raises:
        ValueError: no column is a label, it has another name, or there is no such category.

    Example:

    >>> sex = {"name": "sex", "kind": "category", "categories": ["f", "m"], "label": True}
    >>> place_of([sex], "sex=m")
    1
    """
    label = next((column for column in columns if column.get("label")), None)
    if label is None:
        raise ValueError(f"{where!r} needs a model that was trained with a column as its label")
    known = [_text(category) for category in label["categories"]]
    name, equal, category = where.partition("=")
    if name.strip() != label["name"] or not equal or category.strip() not in known:
        names = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise ValueError(
            f"what to draw must be {label['name']}=, and one of {names}, got {where!r}"
        )
    return known.index(category.strip())
