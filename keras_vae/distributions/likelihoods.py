"""Likelihoods p(x|z) by name."""

from keras_vae.distributions.base import Likelihood
from keras_vae.distributions.bernoulli import Bernoulli
from keras_vae.distributions.categorical import Categorical
from keras_vae.distributions.continuous import ContinuousBernoulli, HeteroscedasticNormal
from keras_vae.distributions.counts import Poisson
from keras_vae.distributions.discretized import DiscretizedLogistic
from keras_vae.distributions.discretized_mixture import MixtureOfDiscretizedLogistics
from keras_vae.distributions.negative_binomial import (
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
)
from keras_vae.distributions.normal import Normal
from keras_vae.lookup import lookup

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
    "zero_inflated_negative_binomial": ZeroInflatedNegativeBinomial,
}


def get(identifier=None):
    """The likelihood that a name, a config or an object stands for; None: `"normal"`."""
    return lookup("likelihood", identifier or "normal", LIKELIHOODS, Likelihood)
