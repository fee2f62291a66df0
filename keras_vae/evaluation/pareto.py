"""The tail of importance weights, which says whether their mean is to be believed."""

import math

import numpy as np

LEAST_TAIL = 5  # weights; a generalized Pareto distribution fitted to fewer says nothing
UNRELIABLE = 0.7
"""The Pareto k above which an estimate is not to be believed (Vehtari et al., 2024)."""


def tail_length(num_samples):
    """M = min(0.2 K, 3 √K): how many of K weights are the tail.

    Example:

    >>> tail_length(100), tail_length(10_000)
    (20, 300)

    Reference: Vehtari et al., Pareto Smoothed Importance Sampling, 2024, equation 11.
    """
    return math.ceil(min(0.2 * num_samples, 3 * math.sqrt(num_samples)))


def pareto_k(largest):
    """The shape k of the generalized Pareto distribution of the largest weights.

    The weights have moments of orders below 1/k. If k ≥ 1/2 they have no variance; if k ≥ 0.7 a
    good estimate needs more draws than anyone takes.

    Args:
        largest: the M + 1 largest log-weights of each example, `(M + 1, B)`, in any order. The
            least of them is the threshold above which the others lie.

    Returns:
        `(B,)`; −inf where the weights do not vary, NaN where M < 5.

    Example:

    >>> u = np.random.default_rng(0).random((10_000, 1))
    >>> bool(abs(pareto_k(-0.5 * np.log(u)) - 0.5) < 0.03)  # w = u^(−k), k = 1/2
    True

    Reference: Zhang & Stephens, A New and Efficient Estimation Method for the Generalized Pareto
    Distribution, 2009; with the prior of Vehtari et al., 2024, appendix C.
    """
    largest = np.sort(largest, axis=0)
    if len(largest) <= LEAST_TAIL:
        return np.full(largest.shape[1], np.nan)
    with np.errstate(invalid="ignore"):  # of a model that diverged
        w = np.exp(largest - largest[-1])
    excess = w[1:] - w[0]
    shrink = 10 / (len(excess) + 10)
    return np.array([(1 - shrink) * generalized_pareto(x) + shrink * 0.5 for x in excess.T])


def generalized_pareto(x):
    """The shape k of the generalized Pareto distribution of `x`, `(M,)` ≥ 0, increasing.

    Example:

    >>> u = np.random.default_rng(0).random(10_000)
    >>> round(generalized_pareto(np.sort(-np.log(u))), 1) + 0.0  # the exponential has k = 0
    0.0

    Reference: Zhang & Stephens, 2009, section 3.
    """
    size, quartile = len(x), x[int(len(x) / 4 + 0.5) - 1]
    if not x[-1] > 0:
        return -math.inf if x[-1] == 0 else math.nan
    if quartile <= x[-1] * 1e-300:
        return math.inf
    count = 30 + int(math.sqrt(size))
    theta = 1 / x[-1] + (1 - np.sqrt(count / (np.arange(count) + 0.5))) / (3 * quartile)
    k = np.log1p(-theta[:, None] * x).mean(axis=1)  # (count,)
    log_likelihood = size * (np.log(-theta / k) - k - 1)
    weights = np.exp(log_likelihood - log_likelihood.max())
    return float(np.log1p(-(theta @ weights) / weights.sum() * x).mean())
