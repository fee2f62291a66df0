"""The negative binomial distribution of counts, plain and with more zeros."""

import keras
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import halves
from keras_vae.distributions.counting import deviance, stirling_error
from keras_vae.distributions.counts import LARGEST_LOG, Counts, positive
from keras_vae.distributions.diagonal_normal import LOG_2PI

UNIFORMS = 2 + 2 * drawing.TRIES
"""Numbers u that a count is drawn by."""


@keras.saving.register_keras_serializable("keras_vae")
class NegativeBinomial(Counts):
    """log p(x|z) = Σ log Γ(x + r) / (Γ(r) x!) + x log(m / (m + r)) + r log(r / (m + r)).

    For counts whose variance, m + m²/r, is above their mean m, as in gene expression and tables of
    events. `x_params` is log m (`log_mean`) and then log r (`log_total_count`), side by side on
    the last axis. As r grows it becomes `Poisson`. Computed in Loader's form, which does not
    cancel in float32.

    Example:

    >>> import numpy as np
    >>> x, x_params = np.array([[2.0]], "float32"), np.zeros((1, 2), "float32")
    >>> round(float(NegativeBinomial().log_prob(x, x_params)[0]), 4)  # m = r = 1: -3 log 2
    -2.0794

    References: Lopez et al., Deep generative modeling for single-cell transcriptomics, 2018,
    section "scVI: the probabilistic model" of the methods; Loader, 2000, section 5.
    """

    params_per_element = 2
    uniforms_per_element = UNIFORMS

    def log_density(self, x, log_mean, log_r):
        return log_probability(x, log_mean, log_r)

    def mean(self, x_params):
        return ops.exp(halves(x_params)[0])

    def draw_each(self, u, log_mean, log_r):
        return draw(ops.unstack(u, UNIFORMS, axis=-1), log_mean, log_r)


@keras.saving.register_keras_serializable("keras_vae")
class ZeroInflatedNegativeBinomial(Counts):
    """p(x|z) = Π π 1[x = 0] + (1 − π) NB(x; m, r): with probability π a count is lost, and is 0.

    For counts with more zeros than `NegativeBinomial` has, as where an instrument misses what is
    there. With few of them π is not needed: the zeros of a small r look alike. `x_params` is log m
    (`log_mean`), log r (`log_total_count`) and log(π / (1 − π)) (`zero_logit`), side by side on the
    last axis. As the logit falls it becomes `NegativeBinomial`; the mean is (1 − π) m.

    Example:

    >>> import numpy as np
    >>> x, x_params = np.array([[0.0]], "float32"), np.zeros((1, 3), "float32")
    >>> round(float(ZeroInflatedNegativeBinomial().log_prob(x, x_params)[0]), 4)  # log(1/2 + 1/4)
    -0.2877

    Reference: Lopez et al., 2018, section "scVI: the probabilistic model" of the methods.
    """

    params_per_element = 3
    uniforms_per_element = UNIFORMS + 1

    def log_density(self, x, log_mean, log_r, zero_logit):
        counted = log_probability(x, log_mean, log_r) - ops.softplus(zero_logit)
        lost = -ops.softplus(-zero_logit)  # log π
        return ops.where(x > 0, counted, log_of_sum(lost, counted))

    def mean(self, x_params):
        log_mean, _, zero_logit = ops.split(x_params, 3, axis=-1)
        return ops.exp(log_mean - ops.softplus(zero_logit))

    def draw_each(self, u, log_mean, log_r, zero_logit):
        *u, u_lost = ops.unstack(u, UNIFORMS + 1, axis=-1)
        return ops.where(u_lost < ops.sigmoid(zero_logit), 0.0, draw(u, log_mean, log_r))


def log_probability(x, log_mean, log_r):
    """log NB(x; m, r) of each count, in nats."""
    count, log_count = positive(x)
    mean, r = ops.exp(log_mean), ops.exp(log_r)
    log_miss = -ops.softplus(log_mean - log_r)  # log(r / (m + r))
    more = ops.softplus(log_count - log_r)  # log((x + r) / r)
    t, gap = more + log_miss, (mean - count) / (mean + r)
    some = -0.5 * (LOG_2PI + log_count + more)
    some = some + stirling_error(count + r) - stirling_error(r) - stirling_error(count)
    some = some - r * deviance(-gap, t)
    some = some - count * deviance(gap * r / count, t + log_mean - log_count)
    return ops.where(x > 0, some, r * log_miss)


def log_of_sum(a, b):
    """log(e^a + e^b), by the larger of the two and what the other adds.

    Unlike a maximum, the choice has the right gradient where both are equal.
    """
    return ops.where(a > b, a + ops.softplus(b - a), b + ops.softplus(a - b))


def draw(u, log_mean, log_r):
    """A count by `UNIFORMS` numbers u: a Poisson count whose rate is gamma-distributed."""
    u, *others = u
    log_rate = log_mean - log_r + drawing.log_gamma(log_r, others)
    return drawing.poisson(ops.exp(ops.minimum(log_rate, LARGEST_LOG)), u)
