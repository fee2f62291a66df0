"""What a trained model is worth, in nats, with its error bar."""

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean over examples and its standard error, both in nats."""

    mean: float
    standard_error: float

    def __str__(self):
        return f"{self.mean:.2f} ± {self.standard_error:.2f}"


def estimate(values):
    """The mean of `values`, `(N,)`, with the standard error of the mean.

    Example:

    >>> print(estimate(np.array([1.0, 3.0])))
    2.00 ± 1.00
    """
    values = np.asarray(values, "float64")
    spread = values.std(ddof=1) if len(values) > 1 else float("nan")
    return Estimate(float(values.mean()), float(spread / np.sqrt(len(values))))
