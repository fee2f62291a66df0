"""The difference of two models on the same examples, with its error bar, and what to make of it."""

import math

import numpy as np

from keras_vae.evaluation.estimate import estimate

SURE = 2
"""Of how many standard errors a difference must be to be told from none."""


def paired_difference(values, reference):
    """The mean of `values` − `reference`, with its standard error: an `Estimate`.

    What makes an example hard for both models cancels, so the error is smaller than that of two
    means of different examples, √(s₁² + s₂²), wherever the two are positively correlated.

    Args:
        values, reference: `(N,)` each, of the same examples in the same order.

    Raises:
        ValueError: there are no values, or not one for each.

    Example:

    >>> print(paired_difference(np.array([-1.0, -5.0]), np.array([-2.0, -6.5])))
    1.25 ± 0.25
    """
    values, reference = np.asarray(values, "float64"), np.asarray(reference, "float64")
    if values.shape != reference.shape:
        raise ValueError(
            "values and reference must be of the same examples, got shapes "
            f"{values.shape} and {reference.shape}"
        )
    with np.errstate(invalid="ignore"):  # of models that diverged
        return estimate(values - reference)


def verdict(difference, rounding=0.0):
    """Whether a difference in log p(x) is one, in words.

    Args:
        difference: an `Estimate`.
        rounding: what is no difference, in nats.

    Example:

    >>> from keras_vae.evaluation import Estimate
    >>> verdict(Estimate(1.32, 0.08)), verdict(Estimate(-0.1, 0.08))
    ('better, beyond twice the error', 'within twice the error')
    """
    mean, error = difference
    if abs(mean) <= rounding:
        return "the same" if mean == 0 else "the same but for rounding"
    if not (math.isfinite(mean) and math.isfinite(error)):
        return "not known: too few examples, or training has diverged"
    if abs(mean) <= SURE * error:
        return "within twice the error"
    return f"{'better' if mean > 0 else 'worse'}, beyond twice the error"


def signed(difference):
    """A difference with its sign, and one digit of its error at least.

    Example:

    >>> from keras_vae.evaluation import Estimate
    >>> signed(Estimate(1.32, 0.08)), signed(Estimate(-0.0123, 0.0034)), signed(Estimate(0.0, 0.0))
    ('+1.32 ± 0.08', '-0.012 ± 0.003', '+0.00 ± 0.00')
    """
    mean, error = difference
    small = 0 < error < 0.01
    digits = min(4, -math.floor(math.log10(error))) if small else 2
    return f"{mean:+.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")
