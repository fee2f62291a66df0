"""A mean over examples with its error bar, and nats in other units."""

import math
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean over examples and its standard error, both in nats."""

    mean: float
    standard_error: float

    def __str__(self):
        error = "" if np.isnan(self.standard_error) else f" ± {self.standard_error:.2f}"
        return f"{self.mean:.2f}{error}"


def estimate(values):
    """The mean of `values`, `(N,)`, and its standard error, which is NaN for a single value.

    Raises:
        ValueError: there are no values.

    Example:

    >>> print(estimate(np.array([1.0, 3.0])))
    2.00 ± 1.00
    """
    values = np.asarray(values, "float64")
    if not len(values):
        raise ValueError("values must hold at least one example to take the mean of, got none")
    spread = values.std(ddof=1) if len(values) > 1 else float("nan")
    return Estimate(float(values.mean()), float(spread / np.sqrt(len(values))))


def bits_per_dimension(log_prob, dimensions, width=1.0):
    """−(log_prob / dimensions + log width) / log 2.

    For discrete data `log_prob` is the logarithm of a probability, and the width is 1. A density
    depends on the unit of x, so it has bits only for data that are rounded to levels and then get
    uniform noise as wide as a level. Levels k/255 have the width 1/255, which adds log2 255 bits.
    Without the noise the number bounds nothing.

    Args:
        log_prob: nats per example.
        dimensions: entries of one example.
        width: the distance between neighbouring levels.

    Example:

    >>> float(bits_per_dimension(-64 * np.log(2), dimensions=64))
    1.0

    Reference: Theis et al., A Note on the Evaluation of Generative Models, 2016, section 3.1.
    """
    return -(np.asarray(log_prob) / dimensions + np.log(width)) / np.log(2)


def finite(value):
    """`value` with None for each number in it that is not finite.

    Example:

    >>> finite({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
