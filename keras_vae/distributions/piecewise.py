"""Increasing maps that are linear between knots: what a column's numbers are brought into."""

import numpy as np
from keras import ops


class PiecewiseLinear:
    """y of x, increasing: linear between knots and beyond them, one map for each of C columns.

    Args:
        x, y: the knots of each column: C lists of at least 2 increasing numbers.
        closed_below, closed_above: C booleans each: whether x and y end at the first knot, and at
            the last. Else the map goes on as straight as it comes there.

    Example:

    >>> halved_above_0 = PiecewiseLinear([[-1.0, 0.0, 2.0]], [[-1.0, 0.0, 1.0]], [False], [False])
    >>> [float(y) for y in np.ravel(halved_above_0(np.float32([[-5.0], [4.0]])))]
    [-5.0, 2.0]
    """

    def __init__(self, x, y, closed_below, closed_above):
        self._x, self._y = _padded(x), _padded(y)  # (C, knots)
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = np.diff(self._y) / np.diff(self._x)
            steps = np.diff(self._x) / np.diff(self._y)
        used = np.diff(self._x) > 0  # the others fill up the columns that have fewer knots
        last = used.sum(axis=-1) - 1
        self._slopes, self._steps = (np.where(used, values, 0.0) for values in (slopes, steps))
        self._below = np.zeros_like(self._slopes, bool)
        self._below[:, 0] = ~np.asarray(closed_below, bool)
        self._above = np.zeros_like(self._below)
        self._above[np.arange(len(last)), last] = ~np.asarray(closed_above, bool)

    def __call__(self, x):
        """y: `(..., C)` → `(..., C)`."""
        return self._sum(x, self._x, self._slopes, self._y[:, :1])

    def inverse(self, y):
        """x: `(..., C)` → `(..., C)`."""
        return self._sum(y, self._y, self._steps, self._x[:, :1])

    def slope(self, x):
        """dy / dx: `(..., C)` → `(..., C)`."""
        low = np.where(self._below, -np.inf, self._x[:, :-1])
        high = np.where(self._above, np.inf, self._x[:, 1:])
        x = ops.expand_dims(x, -1)
        low, high, slopes = (values.astype("float32") for values in (low, high, self._slopes))
        here = ops.logical_and(ops.greater_equal(x, low), ops.less(x, high))
        return ops.sum(ops.where(here, slopes, 0.0), axis=-1)

    def mean_of_logistic(self, location, scale):
        """E[x] where y is logistic: `(..., C)` each → `(..., C)`; exact, by softplus.

        A piece from a to b adds its slope times E[min(max(y − a, 0), b − a)] =
        s [softplus((location − a)/s) − softplus((location − b)/s)], s the scale. As softplus(t) is
        max(t, 0) + softplus(−|t|), the first parts make the x of the location, and do not cancel.
        """
        ends = (self._y[:, :-1], self._y[:, 1:])
        middle, spread = (ops.expand_dims(values, -1) for values in (location, scale))
        a, b = (
            ops.softplus(-ops.abs(ops.subtract(middle, end.astype("float32"))) / spread)
            for end in ends
        )
        bends = ops.where(self._below, 0.0, a) - ops.where(self._above, 0.0, b)
        bends = ops.sum(ops.multiply(self._steps.astype("float32"), bends), axis=-1)
        return ops.add(self.inverse(location), ops.multiply(scale, bends))

    def _sum(self, x, knots, slopes, first):
        """The value at the first knot, and what each piece adds to it up to x."""
        low = np.where(self._below, -np.inf, 0.0).astype("float32")
        high = np.where(self._above, np.inf, np.diff(knots)).astype("float32")
        gone = ops.subtract(ops.expand_dims(x, -1), knots[:, :-1].astype("float32"))
        gone = ops.minimum(ops.maximum(gone, low), high)
        total = ops.sum(ops.multiply(slopes.astype("float32"), gone), axis=-1)
        return ops.add(first[:, 0].astype("float32"), total)


def _padded(knots):
    """Lists of numbers as an array, the last number repeated where a list is shorter."""
    most = max(map(len, knots))
    return np.array([[*row, *[row[-1]] * (most - len(row))] for row in knots], "float64")
