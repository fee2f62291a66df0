"""The standard normal as a prior p(z)."""

import keras

from keras_vae.distributions.base import Prior
from keras_vae.distributions.diagonal_normal import standard_normal


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

    def interpolated(self, weight):
        return self
