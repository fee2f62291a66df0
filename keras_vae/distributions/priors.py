"""Priors p(z): the standard normal, and all of them by name."""

import keras

from keras_vae.distributions.base import Prior
from keras_vae.distributions.flow import FlowPrior
from keras_vae.distributions.mixtures import MixtureOfNormals, VampPrior
from keras_vae.distributions.normal import standard_normal
from keras_vae.lookup import lookup


@keras.saving.register_keras_serializable("keras_vae")
class StandardNormal(Prior):
    """p(z) = N(0, I): nothing to learn, and a KL divergence in closed form.

    Example:

    >>> import numpy as np
    >>> round(float(StandardNormal().log_prob(np.zeros((1, 2), "float32"))[0]), 4)
    -1.8379

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix B.
    """

    def log_prob(self, z):
        return standard_normal(z).log_prob(z)

    def transform(self, epsilon, u=None):
        return epsilon

    def kl_terms(self, qz_x, z):
        return qz_x.kl_terms(standard_normal(qz_x.mean))


PRIORS = {
    "standard_normal": StandardNormal,
    "mixture_of_normals": MixtureOfNormals,
    "vamp": VampPrior,
    "flow": FlowPrior,
}


def get(identifier=None):
    """The prior that a name, a config or an object stands for; None: `"standard_normal"`."""
    return lookup("prior", identifier or "standard_normal", PRIORS, Prior)
