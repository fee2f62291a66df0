"""`.h5ad` files of AnnData: the counts of cells, and of each cell a label or covariates."""

import importlib.util
from contextlib import contextmanager

import numpy as np
import polars as pl

from keras_vae import conditions, tables
from keras_vae.datasets.arrays import check_readable, reason_of
from keras_vae.datasets.sparse import from_sparse, rows_of
from keras_vae.defaults import whole
from keras_vae.memory import TooLargeError, check_fits

AT_ONCE = 2**22
"""How many numbers of a dense matrix are read together."""

MOST_CLASSES = 1000


def read_h5ad(path, label=None, columns=None):
    """The data set in an `.h5ad`: its X, which must hold raw counts, as sparse rows.

    X alone is read, and the columns of obs that `label` names. The names of the genes are not
    kept: whoever uses the model gives the same genes in the same order.

    One column of categories, of texts or of whole numbers is a label, with a class for each. Others
    are covariates, as `tables.covariates` finds them: numbers of few different values are
    categories too.

    Args:
        path: the file.
        label: the column of obs that holds the labels, or several, or None; see `tables.listed`.
        columns: what these are, `Column`s or the path of a columns.json; None: as found.

    Raises:
        ValueError: anndata is not installed, the file is damaged or its X holds no counts, or obs
            has no such column.
    """
    if importlib.util.find_spec("anndata") is None:
        raise ValueError(f"{path} is read by anndata: pip install anndata")
    check_readable(path)
    import h5py

    with _one_line_errors(path), h5py.File(path, "r") as file:
        x, other = _matrix(file["X"], path), None
        if not whole(x.data):
            other = _counts_elsewhere(file)
        there = [*file["obs"].attrs.get("column-order", ())]
        names = [] if label is None else tables.listed(label, there)
        obs = {name: _column(file["obs"], name) for name in names}
    if not whole(x.data):
        raise ValueError(_no_counts(path, x, other))
    _check_there(obs, path)
    if len(obs) == 1 and columns is None and _of_classes(*obs.values()):
        return from_sparse(path.stem, x, *_labels(*obs.values(), *obs, path), path)
    if not obs:
        return from_sparse(path.stem, x, source=path)
    return from_sparse(path.stem, x, source=path, **_covariates(obs, columns, path))


def _matrix(stored, path):
    """X as sparse rows, read in parts if it is dense."""
    import h5py
    from anndata.io import read_elem
    from scipy.sparse import csr_array, vstack

    if isinstance(stored, h5py.Group):
        taken = 0
        for part in ("data", "indices", "indptr"):
            taken = check_fits(path, stored[part].shape, stored[part].dtype.itemsize, taken)
        return rows_of(read_elem(stored), "X")
    rows = max(1, AT_ONCE // max(1, stored.shape[-1]))
    parts = [stored[start : start + rows] for start in range(0, stored.shape[0], rows)]
    return vstack([rows_of(csr_array(part), "X") for part in parts], format="csr")


def _column(obs, label):
    """A column of obs; None if it is no one that there is."""
    from anndata.io import read_elem

    return read_elem(obs[label]) if label in obs.attrs.get("column-order", ()) else None


def _check_there(obs, path):
    for name, column in obs.items():
        if column is None:
            raise ValueError(f"label must be a column of obs, and {path} has none named {name!r}")


def _of_classes(column):
    """Whether a column holds no numbers, or whole ones alone."""
    kind = getattr(column, "dtype", np.dtype(object)).kind
    return hasattr(column, "codes") or kind != "f" or whole(np.abs(column[~np.isnan(column)]))


def _covariates(obs, columns, path):
    """The `covariates` of a data set, their y, and a line about them."""
    known = None if columns is None else {c.name: c for c in tables.table.given(columns)}
    absent = [name for name in obs if known is not None and name not in known]
    if absent:
        raise ValueError(f"the columns must say what {', '.join(map(repr, absent))} of obs is")
    try:
        frame = pl.DataFrame([_series(name, column) for name, column in obs.items()])
        found, y = tables.labels(frame, known and [known[name] for name in obs])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    told = conditions.described([column.told() for column in found])
    return {"y": y, "covariates": found, "notes": (f"the model is given {told}",)}


def _series(name, column):
    """A column of obs for polars: categories and texts are categories, whatever they look like."""
    if hasattr(column, "codes"):
        texts = np.append(np.asarray(column.categories).astype(str).astype(object), None)
        return pl.Series(name, texts[np.asarray(column.codes)], dtype=pl.Categorical)
    values = np.asarray(column)
    if values.dtype.kind in "biuf":
        return pl.Series(name, values)
    return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.Categorical)


def _missing(column):
    """Which entries of a column of obs are none."""
    import pandas as pd

    return pd.isna(column)


def _labels(column, label, path):
    """The labels of a column, (N,), and the names of their classes."""
    if hasattr(column, "codes"):
        y, classes = np.asarray(column.codes, "int64"), column.categories
    else:
        missing = _missing(column)
        values = np.where(missing, 0, np.asarray(column, object))
        kind = getattr(column, "dtype", np.dtype(object)).kind
        values = values.astype("int64" if kind in "iuf" else str)  # whole ones, in their order
        classes, y = np.unique(values, return_inverse=True)
        y = np.where(missing, -1, y)
    if (y < 0).any():
        raise ValueError(
            f"{path}: the column {label!r} of obs lacks the label of {(y < 0).sum()} cells: name "
            "it, as adata.obs[label].cat.add_categories('unknown').fillna('unknown') does, or "
            "leave these cells out"
        )
    if len(classes) > MOST_CLASSES:
        raise ValueError(
            f"label must be a column of at most {MOST_CLASSES} classes, and {label!r} of {path} "
            f"has {len(classes)}"
        )
    return y, tuple(map(str, classes))


def _counts_elsewhere(file):
    """How a file gives the counts that its X lacks, in Python; None if it does not hold them."""
    for name in file.get("layers", {}):
        if whole(_some(file["layers"][name])):
            return f"layers[{name!r}]", f"a.X = a.layers[{name!r}]"
    if "raw" in file and whole(_some(file["raw"]["X"])):
        return "raw.X", "a = a.raw.to_adata()"
    return None


def _some(stored):
    """Some of the numbers of a stored matrix, sparse or dense."""
    sparse = hasattr(stored, "keys")
    return stored["data"][:AT_ONCE] if sparse else stored[:64]


def _no_counts(path, x, other):
    wrong = x.data[(x.data < 0) | (x.data != np.floor(x.data))][0]
    found = f"X of {path} must hold raw counts, whole numbers from 0, but holds {wrong:g}"
    if other is None:
        return f"{found}, and no layer holds counts: give them as they were before normalization"
    place, step = other
    return (
        f"{found}, and {place} holds counts: write these by a = anndata.read_h5ad({str(path)!r}); "
        f"{step}; a.write_h5ad('counts.h5ad'), and give that file"
    )


@contextmanager
def _one_line_errors(path):
    try:
        yield
    except TooLargeError:
        raise
    except Exception as error:  # h5py and anndata have errors of many kinds
        raise ValueError(
            f"{path} cannot be read, it may be cut short, or of an old anndata ({reason_of(error)})"
        ) from error
