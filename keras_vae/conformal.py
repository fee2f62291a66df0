"""Conformal: a threshold of scores that new ones exceed at a stated rate, for finite samples.

Nothing is assumed of the scores but that the new one is exchangeable with those that were held out.
"""

import math
import numbers
from fractions import Fraction

import numpy as np


def threshold(scores, false_alarm_rate):
    """The k-th smallest of n scores, k = ⌈(n + 1)(1 − false_alarm_rate)⌉.

    A new normal example is above it with probability 1 − k/(n + 1), which is at most the rate, or
    less often if scores are equal. Equivalently, its conformal p-value, (1 + #{scores ≥ its own}) /
    (n + 1), is at most the rate.

    Args:
        scores: of normal examples, `(n,)`: the higher, the stranger.
        false_alarm_rate: between 0 and 1.

    Raises:
        ValueError: n is too small, the k-th score is not finite, or the rate is out of range.

    Example:

    >>> float(threshold(np.arange(1.0, 20.0), 0.1))  # the 18th of 19
    18.0

    Reference: Vovk et al., Algorithmic Learning in a Random World, 2005, section 4.1; Bates et al.,
    Testing for Outliers with Conformal p-values, 2023, section 2.
    """
    k = order(len(scores), false_alarm_rate)
    found = np.sort(scores)[k - 1]
    if not np.isfinite(found):
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(scores))} of the {len(scores)} examples have a "
            "log-likelihood that is not finite: training has diverged, or they are not normal"
        )
    return found


def order(examples, false_alarm_rate):
    """k = ⌈(n + 1)(1 − false_alarm_rate)⌉ = n + 1 − ⌊(n + 1) false_alarm_rate⌋, exactly.

    Raises:
        ValueError: the rate is not between 0 and 1, or k > n: there are too few examples.

    Example:

    >>> order(99, 0.07)
    93
    """
    if not isinstance(examples, numbers.Integral):
        raise ValueError(f"examples must be a whole number, got {examples!r}")
    if not isinstance(false_alarm_rate, numbers.Real) or not 0 < false_alarm_rate < 1:
        raise ValueError(
            f"false_alarm_rate must be a number between 0 and 1, got {false_alarm_rate!r}"
        )
    rate = Fraction(str(float(false_alarm_rate)))  # 0.07 is meant, and not the float beside it
    alarms = math.floor((examples + 1) * rate)
    if alarms < 1:
        raise ValueError(
            f"a false_alarm_rate of {false_alarm_rate:g} needs at least {math.ceil(1 / rate) - 1} "
            f"held-out normal examples, got {examples}: give more, or a higher rate"
        )
    return examples + 1 - alarms


def share(examples, false_alarm_rate):
    """The share of new normal examples above a threshold: mean and standard deviation.

    If no two scores are equal, the share that sets of n examples lead to follows
    Beta(n + 1 − k, k); with equal scores it is less.

    Example:

    >>> mean, deviation = share(359, 0.05)
    >>> round(mean, 4), round(deviation, 4)
    (0.05, 0.0115)

    Reference: Vovk, Conditional Validity of Inductive Conformal Predictors, 2012, section 3.
    """
    mean = (examples + 1 - order(examples, false_alarm_rate)) / (examples + 1)
    return mean, math.sqrt(mean * (1 - mean) / (examples + 2))
