"""A panel for each column of vectors."""

import math

import numpy as np
from matplotlib.figure import Figure

MOST = 16
"""Columns that a figure shows."""


def vectors(name, x):
    """`x` as an array, (N, D); a `ValueError` if it has another shape."""
    x = np.asarray(x)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"{name} must have shape (N, D), N and D from 1, got {x.shape}")
    return x


def check_same(name, x, like):
    """Raises a `ValueError` unless `x` has the shape of `like`."""
    if x.shape != like.shape:
        raise ValueError(f"{name} must have the shape of x, {like.shape}, got {x.shape}")


def varied(x):
    """The first columns that hold more than one number, or the first, if none does."""
    found = np.flatnonzero(np.fmin.reduce(x) < np.fmax.reduce(x))  # whatever is missing
    return (found if len(found) else np.arange(x.shape[1]))[:MOST]


def names_of(vae):
    """The names of the entries of x, where they are columns of a table; else None.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
    """
    if hasattr(vae, "manifest"):
        told = vae.manifest.get("columns")
        return told and [column["name"] for column in told if not column.get("label")]
    columns = getattr(getattr(vae, "likelihood", None), "columns", None)
    return columns and [column.name for column in columns]


def panels(columns, x_label, y_label, names=None):
    """A figure with a panel for each of `columns`; `names` are those of all."""
    across = min(4, len(columns))
    down = math.ceil(len(columns) / across)
    figure = Figure(figsize=(2.4 * across + 0.4, 1.9 * down + 0.5), layout="constrained")
    subplots = [figure.add_subplot(down, across, i + 1) for i in range(len(columns))]
    for column, axes in zip(columns, subplots, strict=True):
        title = names[column][:24] if names else f"column {column}"
        axes.set_title(title, fontsize=9, parse_math=False)  # a name may hold a $
        axes.tick_params(labelsize=7)
        axes.locator_params(nbins=4)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(x_label, fontsize=9)
    figure.supylabel(y_label, fontsize=9)
    return figure, subplots
