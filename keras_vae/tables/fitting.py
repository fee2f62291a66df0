"""Where the numbers of a column lie: the knots of its likelihood, from training data."""

import dataclasses

import numpy as np

LEVELS = 32
"""Quantiles that a column's knots stand at."""

OFTEN = 0.01
"""A value that is so large a share of a column has knots on both sides."""

EVEN = 1e-3
"""The share of probability that is spread evenly, so that between knots there is always some."""


def fitted(columns, x, y=None):
    """The `Column`s with knots, so that they can be a `Columns`; labels as by `standardized`.

    For `"mixture"` the knots map quantiles of the column to those of the logistic distribution.
    Every distribution is then near the logistic one, whatever tails, gaps and frequent values it
    has; the decoder learns how it changes with z. For `"normal"` they standardize.

    Args:
        columns: `Column`s of a table.
        x, y: the training data that `encode` makes of it, `(N, D)` and, of labels, `(N, C)`.

    Example:

    >>> from keras_vae.distributions import Column
    >>> column, = fitted([Column("age", "number")], np.float32([[20], [30], [np.nan], [40]]))
    >>> column.x_knots[0], column.x_knots[-1]
    (19.5, 40.5)
    """
    labels = iter(standardized([column for column in columns if column.label], y))
    places = iter(range(len(columns)))
    return [next(labels) if c.label else _fitted(c, x[:, next(places)]) for c in columns]


def standardized(columns, y):
    """The `Column`s of a label with the mean and the scale of those that are no categories.

    Those that have them already keep them.

    Args:
        columns: `Column`s, in the order of y.
        y: float32 `(N, C)` of the training data; of one category, whatever it is, or None.

    Example:

    >>> from keras_vae.distributions import Column
    >>> column, = standardized([Column("age", "number")], np.float32([[20], [30], [40]]))
    >>> column.mean, round(column.scale, 3)
    (30.0, 8.165)
    """
    return [_standardized(column, y, place) for place, column in enumerate(columns)]


def _standardized(column, y, place):
    if y is None or column.kind == "category" or None not in (column.mean, column.scale):
        return column
    values = np.asarray(y)[:, place].astype("float64")
    mean, scale = float(values.mean()), float(values.std()) or 1.0
    return dataclasses.replace(column, mean=mean, scale=scale)


def _fitted(column, values):
    if column.likelihood not in KNOTS:
        return column
    values = values[~np.isnan(values)].astype("float64")
    if not len(values):
        raise ValueError(
            f"column {column.name!r} has no value in the rows to train on: leave it out"
        )
    x, y = KNOTS[column.likelihood](column, values)
    return dataclasses.replace(column, x_knots=tuple(map(float, x)), y_knots=tuple(map(float, y)))


def _standardizing(column, values):
    mean, deviation = values.mean(), values.std() or 1.0
    return (mean - deviation, mean + deviation), (-1.0, 1.0)


def _by_quantiles(column, values):
    values = np.sort(values)
    x = _boundaries(column, values, column.step)
    below = np.searchsorted(values, x) / len(values)
    share = (1 - EVEN) * below + EVEN * (x - x[0]) / (x[-1] - x[0])
    share = (0.5 + len(values) * share) / (1 + len(values))
    return x, np.log(share / (1 - share))


def _boundaries(column, values, step):
    """Half a step beside some values: increasing, and around all."""
    start = 0.0 if column.minimum is None else column.minimum
    odds = np.linspace(-1, 1, LEVELS) * np.log(2 * len(values))
    chosen = np.unique(np.quantile(values, 1 / (1 + np.exp(-odds)), method="nearest"))
    often = np.diff([np.searchsorted(values, chosen, side) for side in ("left", "right")], axis=0)
    often = chosen[(often[0] > OFTEN * len(values))]
    chosen, often, (first, last) = (
        start + step * np.rint((v - start) / step) for v in (chosen, often, values[[0, -1]])
    )
    low, high = column.closed
    first, last = max(low, first) if np.isfinite(low) else first, last
    ends = [first if low == -np.inf else low, last if high == np.inf else high]
    below, above = np.append(often, ends[0]), np.concatenate([chosen, often, [ends[1]]])
    x = np.concatenate([below - _half(below, step), above + _half(above, step)])
    low, high = ends[0] - _half(ends[0], step), ends[1] + _half(ends[1], step)
    return _apart(np.unique(x[(x >= low) & (x <= high)]), step)


def _half(x, step):
    """Half of what numbers like `x` are rounded to: by the column, or by float32."""
    return np.maximum(step / 2, np.spacing(np.abs(x).astype("float32")).astype("float64"))


def _apart(x, step):
    """Without those that are the same but for rounding."""
    return x[np.append(True, np.diff(x) > _half(x[1:], step) / 2)]


KNOTS = {"mixture": _by_quantiles, "normal": _standardizing}
