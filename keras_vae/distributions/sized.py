"""The likelihood of counts given their total: SizedCounts."""

import math
import numbers

import keras
import numpy as np
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Likelihood
from keras_vae.distributions.counts import Poisson
from keras_vae.distributions.negative_binomial import NegativeBinomial, ZeroInflatedNegativeBinomial
from keras_vae.lookup import named

COUNTS = {
    "negative_binomial": NegativeBinomial,
    "poisson": Poisson,
    "zero_inflated_negative_binomial": ZeroInflatedNegativeBinomial,
}
"""The likelihoods that may be given the total, by name."""


@keras.saving.register_keras_serializable("keras_vae")
class SizedCounts(Likelihood):
    """log p(x|z, l) = Σ log p(x_j; mean l ρ_j), l = Σ x, ρ = softmax: counts given their total.

    For vectors of counts whose total says how much was measured, not what: reads of a cell, words
    of a document. The total l (the size factor, or observed library size) is an input of the
    likelihood, so z need not tell it. The first raw parameter of each element is a logit of its
    share ρ_j; the others are those of the likelihood of counts: log r, and the logit of a zero.

    The nats are of x given its total, not of x: they compare with those of likelihoods that are
    given the total too. Where it is 0, x is 0 and has log p = 0. A draw takes its l from a
    log-normal distribution, by one more uniform number, and the total of x then varies about l as
    the counts do. `mean` is that of the median l.

    Args:
        likelihood: `"negative_binomial"`, `"poisson"` or `"zero_inflated_negative_binomial"`.
        log_total_mean, log_total_deviation: of log l over the training data; `of` finds them.

    Raises:
        ValueError: there is no such likelihood, a number is not finite, the deviation is negative;
            x is to be of another shape than (D,).

    Example:

    >>> shares = np.log(np.array([[0.25, 0.75]], "float32"))
    >>> sized = SizedCounts("poisson", log_total_mean=np.log(8.0), log_total_deviation=0.5)
    >>> [round(float(mean), 4) for mean in sized.mean(shares)[0]]
    [2.0, 6.0]
    >>> x = np.array([[0.0, 4.0]], "float32")  # of mean 1 and 3, whatever log_total_mean
    >>> round(float(sized.log_prob(x, shares)[0]), 4)  # -4 + 4 log 3 - log 24
    -2.7836

    Reference: Lopez et al., Deep generative modeling for single-cell transcriptomics, 2018,
    section "scVI: the probabilistic model" of the methods; with the total itself in place of a
    latent variable, as scvi-tools has it by default.
    """

    raw_of_either_sign = True

    def __init__(
        self, likelihood="negative_binomial", log_total_mean=0.0, log_total_deviation=1.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.counts = named("likelihood with a size factor", likelihood, COUNTS)(name="counts")
        self.likelihood_name = likelihood
        self.log_total_mean = _finite("log_total_mean", log_total_mean)
        self.log_total_deviation = _finite("log_total_deviation", log_total_deviation)
        if self.log_total_deviation < 0:
            raise ValueError(f"log_total_deviation must be at least 0, got {log_total_deviation}")

    @classmethod
    def of(cls, likelihood, x, **kwargs):
        """The likelihood whose l is drawn as the totals of the training data are distributed.

        Args:
            likelihood: its name.
            x: counts, `(N, D)`, an array or sparse rows of SciPy. Rows of zeros do not count.

        Raises:
            ValueError: every row holds zeros alone.

        Example:

        >>> x = np.array([[1, 7], [0, 2], [0, 0]])
        >>> round(SizedCounts.of("poisson", x).log_total_mean, 4)  # log 4
        1.3863
        """
        totals = np.asarray(x.sum(axis=1), "float64").ravel()
        logs = np.log(totals[totals > 0])
        if not len(logs):
            raise ValueError("x must hold counts above 0 to have totals, got zeros alone")
        return cls(likelihood, float(logs.mean()), float(logs.std()), **kwargs)

    @property
    def support(self):
        """The values that x may take, in words."""
        return self.counts.support

    @property
    def advice(self):
        """What to do about data outside the support."""
        return self.counts.advice

    def num_params(self, channels):
        return self.counts.num_params(channels)

    def noise_shape(self, event_shape):
        """The numbers that the counts are drawn by, in a row, and one for their total."""
        return (math.prod(self.counts.noise_shape(event_shape)) + 1,)

    def feature_shape(self, event_shape):
        if len(event_shape) != 1:
            raise ValueError(
                f"{type(self).__name__} is for vectors of counts, (D,), got x of shape "
                f"{tuple(event_shape)}: flatten them, or use likelihood="
                f"{self.likelihood_name!r} without a size factor"
            )
        return tuple(event_shape)

    def features(self, x):
        """log(1 + D x / l): how often each count would stand in an even share of the total."""
        x = ops.maximum(x, 0)
        return ops.log(1 + x * (x.shape[-1] / ops.maximum(_total(x), 1.0)))

    def log_prob(self, x, x_params):
        return self.total(self._terms(x, x_params), x)

    def element_log_prob(self, x, x_params):
        return ops.where(self.in_support(x), self._terms(x, x_params), -math.inf)

    def mean(self, x_params):
        return self.counts.mean(self._of_total(self.log_total_mean, x_params))

    def draw(self, x_params, u):
        size = x_params.shape[-1] // self.counts.params_per_element
        of_counts = (*ops.shape(u)[:-1], *self.counts.noise_shape((size,)))
        u, u_of_total = ops.split(u, [u.shape[-1] - 1], axis=-1)
        log_total = self.log_total_mean + self.log_total_deviation * drawing.normal(u_of_total)
        return self.counts.draw(self._of_total(log_total, x_params), ops.reshape(u, of_counts))

    def in_support(self, x):
        return self.counts.in_support(x)

    def check_entries(self, x):
        self.check(x)

    def _terms(self, x, x_params):
        total = _total(ops.where(self.in_support(x), x, 0.0))
        params = self._of_total(ops.log(ops.maximum(total, 1.0)), x_params)
        terms = self.counts.log_density(x, *self.counts._params(params))
        return ops.where(total > 0, terms, 0.0)

    def _of_total(self, log_total, x_params):
        """`x_params` of the counts whose total is l: log(l ρ), and the others as they are."""
        logits, *others = self.counts._params(x_params)
        log_mean = logits - ops.logsumexp(logits, axis=-1, keepdims=True) + log_total
        return ops.concatenate([log_mean, *others], axis=-1) if others else log_mean

    def get_config(self):
        return {
            **super().get_config(),
            "likelihood": self.likelihood_name,
            "log_total_mean": self.log_total_mean,
            "log_total_deviation": self.log_total_deviation,
        }


def _total(x):
    return ops.sum(x, axis=-1, keepdims=True)


def _finite(name, value):
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)
