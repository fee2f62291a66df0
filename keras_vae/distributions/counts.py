"""Likelihoods of counts: what they share, and Poisson."""

import keras
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Elementwise
from keras_vae.distributions.counting import deviance, stirling_error
from keras_vae.distributions.diagonal_normal import LOG_2PI

LARGEST_LOG = 80.0
"""The logarithm of the largest rate that is drawn from; float32 ends at e^88."""


class Counts(Elementwise):
    """What the likelihoods of whole numbers from 0 share."""

    raw_of_either_sign = True
    support = "counts (0, 1, 2, ...)"
    advice = (
        "Give the counts as they are, neither scaled nor as logarithms; for other numbers use "
        "likelihood='normal'"
    )

    def features(self, x):
        """log(1 + x): counts may be of any size (Lopez et al. 2018, methods)."""
        return ops.log(1 + ops.maximum(x, 0))

    def in_support(self, x):
        return ops.isfinite(x) & ops.equal(x, ops.floor(x)) & ops.greater_equal(x, 0)


@keras.saving.register_keras_serializable("keras_vae")
class Poisson(Counts):
    """log p(x|z) = Σ x · log_rate − e^log_rate − log x!, for counts.

    For counts whose variance is their mean given z. Counts that spread more, as gene expression
    does, need `NegativeBinomial`. Computed in Loader's form, which does not cancel in float32.

    Example:

    >>> import numpy as np
    >>> x, log_rate = np.array([[2.0]], "float32"), np.zeros((1, 1), "float32")
    >>> round(float(Poisson().log_prob(x, log_rate)[0]), 4)  # -1 - log 2
    -1.6931

    Reference: Loader, Fast and Accurate Computation of Binomial Probabilities, 2000, section 5.
    """

    def log_density(self, x, log_rate):
        count, log_count = positive(x)
        some = -0.5 * (LOG_2PI + log_count) - stirling_error(count)
        rate = ops.exp(log_rate)
        some = some - count * deviance((rate - count) / count, log_rate - log_count)
        return ops.where(x > 0, some, -rate)

    def mean(self, log_rate):
        return ops.exp(log_rate)

    def draw_each(self, u, log_rate):
        return drawing.poisson(ops.exp(ops.minimum(log_rate, LARGEST_LOG)), u)


def positive(x):
    """`x` and its logarithm, with 1 for 0, where another formula holds."""
    count = ops.where(x > 0, x, 1.0)
    return count, ops.log(count)
