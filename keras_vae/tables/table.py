"""A table that was read: what a person asks of it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from keras_vae.distributions.column import Column
from keras_vae.distributions.columns import Columns
from keras_vae.lookup import hint
from keras_vae.tables import frames, rows
from keras_vae.tables.encoding import encode
from keras_vae.tables.finding import found
from keras_vae.tables.fitting import fitted, standardized


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a table as numbers, and what its columns are.

    Args:
        columns: `Column`s, in the order of the table.
        x: float32 `(N, D)`, one number for each column that is no label; NaN where one is missing.
        y: the label, int64 `(N,)` of one category, float32 `(N, C)` of other columns or several; or
            None.
        notes: lines about columns that were left out, and what could be meant otherwise.
    """

    columns: tuple
    x: np.ndarray
    y: np.ndarray | None = None
    notes: tuple = ()

    def likelihood(self, x=None, y=None):
        """The `Columns` of a model of the table, from where the numbers of `x` and `y` lie.

        None: those of the whole table.
        """
        return Columns(fitted(self.columns, *((self.x, self.y) if x is None else (x, y))))


def read(source, columns=None, label=None, unseen="error"):
    """The `Table` in a file or a data frame.

    Args:
        source: the path of a `.csv`, `.tsv` or `.parquet`, or a data frame of pandas or polars.
        columns: what the columns are: `Column`s, or the path of a columns.json; None: as `found`.
        label: the name of the column that a conditional model is given as its label; or several, in
            a list or separated by commas.
        unseen: `"error"`, or `"missing"`: what becomes of categories that `columns` does not list;
            None: an error that does not advise to ask for the latter.

    Raises:
        ValueError: in one line that names the file, the column and the row.
    """
    frame = frames.read(source)
    columns, notes = found(frame) if columns is None else (given(columns), [])
    if label is not None:
        columns = _labelled(columns, label)
    try:
        x, y = encode(frame, columns, unseen)
    except ValueError as error:
        where = f"{source}: " if isinstance(source, str | Path) else ""
        raise ValueError(f"{where}{error}") from error
    return Table(tuple(columns), x, y, tuple(notes))


def given(columns):
    """The `Column`s of a columns.json, or those that are given.

    Raises:
        ValueError: the file cannot be read, or describes no columns.
    """
    if not isinstance(columns, str | Path):
        return list(columns)
    try:
        told = json.loads(Path(columns).read_text(encoding="utf-8"))
        if not (listed := [Column(**column) for column in told["columns"]]):
            raise ValueError("it lists none")
        return listed
    except OSError as error:
        raise ValueError(f"{columns} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{columns} describes no columns of a table ({error})") from error


def told(columns):
    """The text of a columns.json: what each column is, without where its numbers lie."""
    nowhere = dict.fromkeys(("x_knots", "y_knots", "mean", "scale"))
    plain = [dataclasses.replace(column, **nowhere) for column in columns]
    listed = [json.dumps(column.told(), ensure_ascii=False) for column in plain]
    return '{"columns": [\n  ' + ",\n  ".join(listed) + "\n]}\n"


def text(likelihood, x, label=None):
    """The values of rows as they are written in a file: `{name: list of text}`.

    Args:
        likelihood: the `Columns` of the model.
        x: `(N, D)`, such as `vae.sample(1000, mean=False)`.
        label: the y that they were drawn for, in numbers.
    """
    return rows.texts([column.told() for column in likelihood.table], x, label)


def covariates(source, columns=None):
    """What a conditional model of something else than a table is given: all columns of a table.

    Such as the batch and the age of the cells that x counts the genes of.

    Args:
        source: as of `read`, or a dictionary of columns by name.
        columns: what the columns are, as of `read`.

    Returns:
        `(covariates, y)`: a tuple of `Column`s that know their means and scales, for `VAE`, and
        y, float32 `(N, C)`, or int64 `(N,)` of one category.

    Raises:
        ValueError: as `read`; a value is missing, or nothing can be learned from a column.

    Example:

    >>> found, y = covariates({"batch": ["a", "b"] * 40, "age": [20 + i / 2 for i in range(80)]})
    >>> [column.kind for column in found], y.shape, found[1].mean
    (['category', 'number'], (80, 2), 39.75)
    """
    columns, y = labels(source, columns)
    return tuple(standardized(columns, y)), y


def labels(source, columns=None):
    """As `covariates`, but numbers that `columns` does not know the mean and scale of have none."""
    frame = frames.read(pl.DataFrame(source) if isinstance(source, dict) else source)
    known, notes = found(frame) if columns is None else (given(columns), ())
    useless = [note for note in notes if note.startswith("left out")]
    if useless:
        raise ValueError(f"a model can be given no column of no use, got one {useless[0]}")
    _, y = encode(frame, [dataclasses.replace(column, label=True) for column in known])
    return tuple(dataclasses.replace(column, label=False) for column in known), y


def listed(label, names):
    """The names of columns in a text, separated by commas unless it is the name of one.

    Example:

    >>> listed("sex, age", ["sex", "age"]), listed("a, b", ["a, b"]), listed(["sex"], ["sex"])
    (['sex', 'age'], ['a, b'], ['sex'])
    """
    if not isinstance(label, str):
        return list(label)
    return [label] if label in names else [name.strip() for name in label.split(",")]


def _labelled(columns, label):
    """The `Column`s, those of these names as labels.

    Raises:
        ValueError: there is no such column, or no other.
    """
    names = [column.name for column in columns]
    labels = listed(label, names)
    for name in labels:
        if name not in names:
            raise ValueError(
                f"the label must be a column that is used, got {name!r}.{hint(name, names)} "
                f"Known: {', '.join(names)}"
            )
    return [dataclasses.replace(c, label=c.name in labels) for c in columns]
