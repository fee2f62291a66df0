"""Draws by inversion: uniform numbers to numbers of a distribution, by arithmetic alone.

Each function is pure and takes a fixed number of operations, so that an exported graph holds it and
every runtime draws the same. The uniform numbers are those of `keras_vae.noise`: multiples of
2⁻²³ plus 2⁻²⁴, so no probability is right to more than 1.2e-7, and no draw lies beyond the
quantiles 6e-8 and 1 − 6e-8.
"""

import math

from keras import ops

from keras_vae.distributions.counting import deviance

MIDDLE = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 2.1858087e-04),
    *(-1.25372503e-03, -4.17768164e-03, 0.246640727, 1.50140941),
)
TAILS = (
    *(-2.00214257e-04, 1.00950558e-04, 1.34934322e-03, -3.67342844e-03, 5.73950773e-03),
    *(-7.6224613e-03, 9.43887047e-03, 1.00167406, 2.83297682),
)

SMALL_RATE = 20.0
"""Below it, a Poisson distribution is summed from 0, and above it, it is expanded."""

MOST = 48
"""The quantile 1 − 6e-8 of a Poisson distribution of such a rate is no larger."""

TRIES = 5
"""Proposals for a gamma draw; all are rejected in 3e-7 of the draws, or fewer."""


def normal(u):
    """The quantile function of N(0, 1), within 1e-6.

    Reference: Giles, Approximating the erfinv Function, 2011, table 5.

    Example:

    >>> import numpy as np
    >>> round(float(normal(np.float32(0.975))), 4)
    1.96
    """
    w = -ops.log(4 * u * (1 - u))
    tail = ops.sqrt(ops.maximum(w, 5.0)) - 3
    ratio = ops.where(w < 5, _polynomial(MIDDLE, w - 2.5), _polynomial(TAILS, tail))
    return math.sqrt(2) * (2 * u - 1) * ratio


def _polynomial(coefficients, x):
    total = 0.0
    for coefficient in coefficients:
        total = total * x + coefficient
    return total


def logistic(u):
    """The quantile function of the logistic distribution with location 0 and scale 1.

    Example:

    >>> import numpy as np
    >>> float(logistic(np.float32(0.5)))
    0.0
    """
    return ops.log(u) - ops.log(1 - u)


def category(log_p, u):
    """The class whose share of [0, 1) holds u: int32, `(...)`.

    Args:
        log_p: logarithms of probabilities, `(..., classes)`.
        u: `(...)`.

    Example:

    >>> import numpy as np
    >>> int(category(np.log([0.2, 0.5, 0.3]), np.float64(0.6)))
    1
    """
    ends = ops.cumsum(ops.exp(log_p), axis=-1)
    k = ops.sum(ops.cast(ops.expand_dims(u, -1) >= ends, "int32"), axis=-1)
    return ops.minimum(k, log_p.shape[-1] - 1)  # the last end may be rounded below 1


def one_hot(log_p, u):
    """`category` as `(..., classes)`: 1 for the class that is drawn, else 0."""
    classes = ops.arange(0, log_p.shape[-1], dtype="int32")
    k = ops.expand_dims(category(log_p, u), -1)
    return ops.cast(ops.equal(k, classes), log_p.dtype)


def one_of_many(log_p, u):
    """As `one_hot`, also where a graph does not know how many classes there are.

    Example:

    >>> import numpy as np
    >>> [float(p) for p in one_of_many(np.log([0.2, 0.5, 0.3]), np.float64(0.6))]
    [0.0, 1.0, 0.0]
    """
    p = ops.exp(ops.subtract(log_p, ops.max(log_p, axis=-1, keepdims=True)))
    ends = ops.cumsum(p, axis=-1)
    ends = ends / ops.max(ends, axis=-1, keepdims=True)  # the last is 1, and u below it
    within = ops.cast(ops.less(ops.expand_dims(u, -1), ends), p.dtype)
    return ops.cast(ops.equal(ops.cumsum(within, axis=-1), 1), p.dtype)


def poisson(rate, u):
    """The quantile function of a Poisson distribution, whose total variation error is below 4e-5.

    Small rates are summed up from 0. For larger ones the quantile is expanded about the normal one;
    the error is largest, 3e-5, where the expansion takes over, and falls as rate⁻².

    Args:
        rate: not negative, `(...)`.
        u: `(...)`.

    Reference: Giles, Algorithm 955: Approximation of the Inverse Poisson Cumulative Distribution
    Function, 2016, section 2.

    Example:

    >>> import numpy as np
    >>> float(poisson(np.float32(1.0), np.float32(0.9)))  # P(x ≤ 1) = 0.736, P(x ≤ 2) = 0.920
    2.0
    """
    small = rate < SMALL_RATE
    few = _summed(ops.where(small, rate, 1.0), u)
    return ops.where(small, few, _expanded(ops.where(small, SMALL_RATE, rate), u))


def _summed(rate, u):
    p = ops.exp(-rate)  # of x = 0
    below, x = p, ops.zeros_like(p)
    for k in range(1, MOST + 1):
        x = x + ops.cast(u >= below, p.dtype)
        p = p * (rate / k)
        below = below + p
    # `below` may be rounded to less than 1 for good; this is above the quantile 1 − 6e-8.
    return ops.minimum(x, ops.floor(rate + 5.6 * ops.sqrt(rate) + 4))


def _expanded(rate, u):
    w, root = normal(u), ops.sqrt(rate)
    square = ops.square(w)
    quantile = rate + root * w + (2 + square) / 6 - w * (2 + square) / (72 * root)
    quantile = quantile + (-8 / 405 + square * (7 / 810 + square / 270)) / rate
    return ops.floor(quantile)


def log_gamma(log_shape, u):
    """The logarithm of a draw of the gamma distribution of scale 1, whatever its shape.

    A proposal d (1 + c w)³, w normal, is accepted as Marsaglia and Tsang accept theirs, for the
    shape a + 1; a power of one more uniform number makes it one of shape a. The first of `TRIES`
    proposals that is accepted counts, or else the last.

    Args:
        log_shape: log a, `(...)`.
        u: 2 * TRIES + 1 arrays `(...)`.

    Reference: Marsaglia & Tsang, A Simple Method for Generating Gamma Variables, 2000, sections 2
    and 6.
    """
    shape = ops.exp(log_shape)
    d = shape + 2 / 3
    c = ops.rsqrt(9 * d)
    chosen = 0.0
    for i in reversed(range(TRIES)):
        w = normal(u[2 * i])
        cw = ops.maximum(c * w, -1 + 1e-6)
        log_v = 3 * ops.log(1 + cw)
        excess = cw * (3 + cw * (3 + cw))  # v − 1
        limit = ops.square(w) / 2 - d * deviance(excess, log_v)
        accepted = ops.log(u[2 * i + 1]) < limit
        chosen = ops.where(accepted, log_v, log_v if i == TRIES - 1 else chosen)
    return ops.log(d) + chosen + ops.log(u[-1]) / shape
