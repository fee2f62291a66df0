"""Likelihoods p(x|z)."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.base import Elementwise, Likelihood
from keras_vae.distributions.categorical import Categorical
from keras_vae.distributions.continuous import ContinuousBernoulli, HeteroscedasticNormal
from keras_vae.distributions.counts import NegativeBinomial, Poisson
from keras_vae.distributions.discretized import DiscretizedLogistic
from keras_vae.distributions.discretized_mixture import MixtureOfDiscretizedLogistics
from keras_vae.distributions.normal import LOG_2PI
from keras_vae.lookup import lookup


@keras.saving.register_keras_serializable("keras_vae")
class Bernoulli(Elementwise):
    """log p(x|z) = Σ x · x_logits − softplus(x_logits), for binary x.

    For pixels that are 0 or 1. Grey values are not binary: binarize them, or use a density.

    Example:

    >>> import numpy as np
    >>> x, x_logits = np.ones((1, 4), "float32"), np.zeros((1, 4), "float32")
    >>> round(float(Bernoulli().log_prob(x, x_logits)[0]), 4)  # 4 log(1/2)
    -2.7726

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix C.1.
    """

    support = "binary data (0 or 1)"
    advice = (
        "Binarize the data (--binarize dynamic, or keras_vae.datasets.binarize), "
        "or use a density (--likelihood normal, or likelihood='normal')"
    )

    def log_density(self, x, x_logits):
        # softplus(a) = (a + |a|) / 2 − log sigmoid(|a|), without log1p, which no runtime has fast
        size = ops.abs(x_logits)
        return (x - 0.5) * x_logits - 0.5 * size + ops.log(ops.sigmoid(size))

    def mean(self, x_logits):
        return ops.sigmoid(x_logits)

    def sample(self, x_logits, seed=None):
        u = keras.random.uniform(ops.shape(x_logits), seed=seed)
        return ops.cast(u < ops.sigmoid(x_logits), x_logits.dtype)

    def in_support(self, x):
        return ops.equal(x * (1 - x), 0)  # one comparison: PyTorch's are slow


@keras.saving.register_keras_serializable("keras_vae")
class Normal(Elementwise):
    """log p(x|z) = Σ log N(x; x_mean, scale²), with one scale, learned with the other weights.

    For grey images and real vectors. The learned scale weighs reconstruction against the KL
    divergence as the data asks for, so no `beta` has to be tuned. Nats are of a density: they may
    be positive, and depend on the unit of x.

    Args:
        scale: the standard deviation at the start of training. With `trainable=False` it stays.

    Example:

    >>> import numpy as np
    >>> x = np.zeros((1, 1), "float32")
    >>> round(float(Normal(scale=1.0).log_prob(x, x)[0]), 4)  # -log(2 pi) / 2
    -0.9189

    Reference: Rybkin et al., Simple and Effective VAE Training with Calibrated Decoders, 2021,
    section 3 (sigma-VAE).
    """

    def __init__(self, scale=0.5, **kwargs):
        super().__init__(**kwargs)
        if not (np.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be a positive number, got {scale!r}")
        self.initial_scale = float(scale)
        self.log_scale = self.add_weight(
            (), name="log_scale", initializer=keras.initializers.Constant(math.log(scale))
        )

    def log_density(self, x, x_mean):
        log_scale = ops.cast(self.log_scale, x_mean.dtype)
        standardized = (x - x_mean) * ops.exp(-log_scale)
        return -0.5 * (LOG_2PI + ops.square(standardized)) - log_scale

    def mean(self, x_mean):
        return x_mean

    def sample(self, x_mean, seed=None):
        epsilon = keras.random.normal(ops.shape(x_mean), dtype=x_mean.dtype, seed=seed)
        return x_mean + ops.exp(self.log_scale) * epsilon

    def get_config(self):
        return {**super().get_config(), "scale": self.initial_scale}


LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "continuous_bernoulli": ContinuousBernoulli,
    "discretized_logistic": DiscretizedLogistic,
    "heteroscedastic_normal": HeteroscedasticNormal,
    "mixture_of_discretized_logistics": MixtureOfDiscretizedLogistics,
    "negative_binomial": NegativeBinomial,
    "normal": Normal,
    "poisson": Poisson,
}


def get(identifier=None):
    """The likelihood that a name, a config or an object stands for; None: `"bernoulli"`."""
    return lookup("likelihood", identifier or "bernoulli", LIKELIHOODS, Likelihood)
