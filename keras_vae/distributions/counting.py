"""What the likelihoods of counts are made of, in terms that do not cancel in float32.

log n! and the like are large numbers of which a log-probability is a small difference. Loader's
form takes the difference first: Stirling's formula drops out, and what is left are its error,
`stirling_error`, and `deviance` terms, which are 0 where the count is as expected.

Reference: Loader, Fast and Accurate Computation of Binomial Probabilities, 2000, sections 2 and 4.
"""

from keras import ops

SHIFT = 6  # from here on the series below is exact in float32


def stirling_error(n):
    """log Γ(n + 1) − (n + 1/2) log n + n − log(2π) / 2, for n > 0.

    Example:

    >>> import numpy as np
    >>> round(float(stirling_error(np.float32(1.0))), 6)  # 1 - log(2 pi) / 2
    0.081061
    """
    steps = sum(_step(n + i) for i in range(SHIFT))
    steps = ops.where(n < SHIFT, steps, 0.0)
    return steps + _series(ops.where(n < SHIFT, n + SHIFT, n))


def _step(n):
    """stirling_error(n) − stirling_error(n + 1)."""
    return (n + 0.5) * ops.softplus(-ops.log(n)) - 1  # softplus(−log n) = log(1 + 1/n)


def _series(n):
    inverse = 1 / n
    square = ops.square(inverse)
    return inverse * (1 / 12 - square * (1 / 360 - square / 1260))


def deviance(excess, log_ratio):
    """e^t − 1 − t: 0 at t = 0, positive elsewhere.

    Args:
        excess: e^t − 1, where t is near 0 computed without cancellation.
        log_ratio: t, the logarithm of expected / count.

    Example:

    >>> import numpy as np
    >>> round(float(deviance(np.float32(np.e - 1), np.float32(1.0))), 6)  # e - 2
    0.718282
    """
    near = ops.abs(log_ratio) < 0.5
    e = ops.where(near, excess, 0.0)
    v = e / (2 + e)  # log(1 + e) = 2 (v + v³/3 + v⁵/5 + …)
    square, series = ops.square(v), 0.0
    for k in range(13, 1, -2):
        series = series * square + 1 / k
    return ops.where(near, v * (e - 2 * square * series), excess - log_ratio)
