"""Figures of vectors, column by column, each column in its own unit: for tables.

Of more than 16 columns, the first 16 are shown that hold more than one number.
"""

import math

import numpy as np

from keras_vae.plotting.latents import checked_start, liveliest, moved, plane
from keras_vae.plotting.panels import check_same, names_of, panels, varied, vectors

BINS = 8, 30
"""Of a histogram, at least and at most; between the two by Rice's rule, 2 n^(1/3)."""

LINES = 5
"""Latent dimensions that `column_traversal` shows."""

TAIL = 0.005
"""Share of the numbers on either side that a histogram may leave out of its range."""

DATA, MODEL = "0.75", "C0"


def histograms(x, data=None, names=None):
    """How often each number stands in a column: of samples, and of data behind them.

    Both have the same bins: 8 to 30, by the number of examples; those of counts hold whole numbers,
    the same number of them each. Their range leaves out at most 0.5 % of the numbers on either
    side. A height is a share of the values that are there, so the two may differ in number.

    Args:
        x: samples, drawn from p(x|z), (N, D); what is not finite is left out.
        data: examples to compare them with, (M, D), or None.
        names: of the columns, or None.

    Raises:
        ValueError: `x` or `data` holds no vectors, or the columns differ in number.

    Example:

    >>> figure = histograms(np.random.default_rng(0).poisson(3, size=(100, 4)))
    """
    groups = [(vectors("x", x), MODEL)]
    if data is not None:
        groups.append((vectors("data", data), DATA))
        check_same("data", groups[1][0][:1], groups[0][0][:1])
    columns = varied(groups[-1][0])
    figure, axes_of = panels(columns, "", "share of examples", names)
    for column, axes in zip(columns, axes_of, strict=True):
        bins = _bins([values[:, column] for values, _ in groups])
        for values, colour in reversed(groups):
            known = values[:, column][np.isfinite(values[:, column])]
            heights = np.histogram(known, bins)[0] / max(1, len(known))
            axes.stairs(heights, bins, color=colour, fill=colour == DATA, linewidth=1.5)
    names = ["test data", "samples"][-len(groups) :]
    figure.legend(axes_of[0].patches, names, loc="outside upper right", fontsize=8, frameon=False)
    return figure


def column_reconstructions(x, x_hat, names=None):
    """x_hat over x, a point for each example: on the line where both are equal, if all is kept.

    Args:
        x: the examples, (N, D).
        x_hat: the means of p(x|z), (N, D).
        names: of the columns, or None.

    Raises:
        ValueError: the shapes differ, or hold no vectors.

    Example:

    >>> figure = column_reconstructions(np.ones((5, 3)), np.zeros((5, 3)))
    """
    x, x_hat = vectors("x", x), vectors("x_hat", x_hat)
    check_same("x_hat", x_hat, x)
    columns = varied(x)
    figure, axes_of = panels(columns, "x", r"$\hat{x}$", names)
    for column, axes in zip(columns, axes_of, strict=True):
        axes.plot(x[:, column], x_hat[:, column], ".", markersize=3, color=MODEL)
        least = np.fmin.reduce(x[:, column])  # what is missing is NaN
        axes.axline((least, least), slope=1, color=DATA, linewidth=1, zorder=0)
    return figure


def column_traversal(vae, points=25, z=None, label=None):
    """x_hat over one latent dimension, moved from -3 to 3 while the others stay: a line for each.

    Of more than 5 dimensions, those are shown that change the decoded mean most.

    Args:
        vae: a model of vectors with `decode` and `latent_dim`.
        points: on the way from -3 to 3, at least 2.
        z: (latent_dim,), where the others stay; the prior's mean, zero, if not given.
        label: for a conditional model: of all lines.

    Raises:
        ValueError: `z` has another shape, or `points` < 2.
    """
    start, decode = checked_start(vae, z, points), _decoder(vae, label)
    dims = liveliest(lambda z: _scaled(decode(z)), start)[:LINES]
    values = np.linspace(-3, 3, points, dtype=np.float32)
    x_hat = decode(moved(start, dims, values))  # (dims * points, D)
    columns = varied(x_hat)
    figure, axes_of = panels(columns, "z", r"$\hat{x}$", names_of(vae))
    for column, axes in zip(columns, axes_of, strict=True):
        lines = axes.plot(values, x_hat[:, column].reshape(len(dims), points).T, linewidth=1.5)
    names = [f"z[{dim}]" for dim in dims]
    figure.legend(lines, names, loc="outside upper right", ncols=LINES, fontsize=8, frameon=False)
    return figure


def column_manifold(vae, size=20, label=None):
    """x_hat of each column over the plane of a VAE of two latent dimensions: see `manifold`.

    Args:
        vae: a model of vectors with `decode` and `latent_dim` 2.
        size: points on each side, at least 1.
        label: for a conditional model: of all panels.

    Raises:
        ValueError: `latent_dim` is not 2.
    """
    x_hat = _decoder(vae, label)(plane(vae, size))
    columns = varied(x_hat)
    figure, axes_of = panels(columns, "z[0]", "z[1]", names_of(vae))
    for column, axes in zip(columns, axes_of, strict=True):
        picture = axes.imshow(x_hat[:, column].reshape(size, size), extent=(0, 1, 0, 1))
        figure.colorbar(picture, ax=axes).ax.tick_params(labelsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def _decoder(vae, label):
    given = {} if label is None else {"label": label}
    return lambda z: np.asarray(vae.decode(z, **given))


def _scaled(x):
    """Columns of standard deviation 1, so that a large unit does not count more."""
    deviation = x.std(axis=0)
    return x / np.where(deviation > 0, deviation, 1)


def _bins(groups):
    """The edges of the bins for one column of each group: of x and of data."""
    groups = [values[np.isfinite(values)].astype("float64") for values in groups]
    ends = [np.quantile(values, (TAIL, 1 - TAIL)) for values in groups if len(values)] or [(0, 0)]
    low, high = np.min(ends), np.max(ends)
    count = int(np.clip(2 * np.cbrt(min(map(len, groups))), *BINS))
    whole = all((values == np.floor(values)).all() for values in groups)
    if whole and high - low < 2**53:
        low, high = math.floor(low), math.ceil(high)
        step = math.ceil((high - low + 1) / count)
        return np.arange(low, high + step + 1, step) - 0.5
    return np.linspace(low, high, count + 1) if high > low else np.array([low - 0.5, low + 0.5])
