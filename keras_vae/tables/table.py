"""A table that was read: what a person asks of it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_vae.distributions.column import Column
from keras_vae.distributions.columns import Columns
from keras_vae.lookup import hint
from keras_vae.tables import frames, rows
from keras_vae.tables.encoding import encode
from keras_vae.tables.finding import found
from keras_vae.tables.fitting import fitted


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a table as numbers, and what its columns are.

    Args:
        columns: `Column`s, in the order of the table.
        x: float32 `(N, D)`, one number for each column that is no label; NaN where one is missing.
        y: the labels, int64 `(N,)`, if a column is one; else None.
        notes: lines about columns that were left out, and what could be meant otherwise.
    """

    columns: tuple
    x: np.ndarray
    y: np.ndarray | None = None
    notes: tuple = ()

    def likelihood(self, x=None):
        """The `Columns` of a model of the table, from where the numbers of `x` lie; None: all x."""
        return Columns(fitted(self.columns, self.x if x is None else x))


def read(source, columns=None, label=None, unseen="error"):
    """The `Table` in a file or a data frame.

    Args:
        source: the path of a `.csv`, `.tsv` or `.parquet`, or a data frame of pandas or polars.
        columns: what the columns are: `Column`s, or the path of a columns.json; None: as `found`.
        label: the name of the column that a conditional model is given as its label.
        unseen: `"error"`, or `"missing"`: what becomes of categories that `columns` does not list.

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
    plain = [dataclasses.replace(column, x_knots=None, y_knots=None) for column in columns]
    listed = [json.dumps(column.told(), ensure_ascii=False) for column in plain]
    return '{"columns": [\n  ' + ",\n  ".join(listed) + "\n]}\n"


def text(likelihood, x, label=None):
    """The values of rows as they are written in a file: `{name: list of text}`.

    Args:
        likelihood: the `Columns` of the model.
        x: `(N, D)`, such as `vae.sample(1000, mean=False)`.
        label: the label that they were drawn for.
    """
    return rows.texts([column.told() for column in likelihood.table], x, label)


def _labelled(columns, label):
    names = [column.name for column in columns]
    if label not in names:
        raise ValueError(
            f"the label must be a column that is used, got {label!r}.{hint(label, names)} "
            f"Known: {', '.join(names)}"
        )
    return [dataclasses.replace(c, label=c.name == label) for c in columns]
