"""Estimators of the gradient of a bound: which paths it takes from the loss to the weights.

An estimator is given the log-densities as a function `densities(qz_x, z)`, which returns
`Densities` and the decoder's output, and calls it so that the value of the bound stays the same and
its gradient gets another variance. z carries the gradient
to the encoder by way of z = z_mean + exp(z_log_var / 2) * epsilon; log q(z|x) depends on the
encoder a second time, by its parameters, and that dependence has mean 0 at the ELBO.
"""

import abc

import keras
from keras import ops

from keras_vae.lookup import lookup


class Estimator(abc.ABC):
    """How the gradient of a bound is estimated: `(densities, qz_x, z) → densities(...)`."""

    closed_form_kl = True
    """Whether the gradient may take the KL divergence in closed form."""

    @abc.abstractmethod
    def __call__(self, densities, qz_x, z):
        """The value of `densities(qz_x, z)`, with gradients that pass as they should."""

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("keras_vae")
class Reparameterized(Estimator):
    """All paths: the gradient of the bound as it is written.

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, section 2.4.
    """

    def __call__(self, densities, qz_x, z):
        return densities(qz_x, z)


@keras.saving.register_keras_serializable("keras_vae")
class StickingTheLanding(Estimator):
    """The path through z alone, log q(z|x) with its parameters held.

    Where q(z|x) is the exact posterior, every draw gives the gradient 0: no variance at the
    optimum. For the ELBO; of an importance-weighted bound with several draws it is biased, where
    `DoublyReparameterized` is not.

    Reference: Roeder et al., Sticking the Landing, 2017, section 3.
    """

    closed_form_kl = False

    def __call__(self, densities, qz_x, z):
        return densities(_hold(qz_x), z)


@keras.saving.register_keras_serializable("keras_vae")
class DoublyReparameterized(Estimator):
    """The path through z, with the squares of the normalised weights: for the bounds of IWAE.

    The encoder's gradient is Σ_k w_k² ∂log w_k/∂z_k ∂z_k/∂φ, the decoder's Σ_k w_k ∂log w_k/∂θ,
    with w = softmax(log_w) over the draws. Its signal does not sink in the noise as K grows. The
    weights are computed first, so a step decodes twice.

    Reference: Tucker et al., Doubly Reparameterized Gradient Estimators for Monte Carlo
    Objectives, 2019, equation 8.
    """

    closed_form_kl = False

    def __call__(self, densities, qz_x, z):
        held = _hold(qz_x)
        before, _ = densities(held, ops.stop_gradient(z))
        log_sum = ops.logsumexp(before.log_w, axis=0)
        weights = ops.stop_gradient(ops.exp(before.log_w - log_sum))  # (K, B), of sum 1
        return densities(held, scale_gradient(z, weights[..., None]))


def scale_gradient(z, factor):
    """z, whose gradient is multiplied by `factor`."""
    held = ops.stop_gradient(z)
    return held + factor * (z - held)  # to the bit z


def _hold(qz_x):
    """The distribution with parameters that no gradient reaches."""
    return type(qz_x)(*(ops.stop_gradient(parameter) for parameter in qz_x))


ESTIMATORS = {
    "reparameterized": Reparameterized,
    "sticking_the_landing": StickingTheLanding,
    "doubly_reparameterized": DoublyReparameterized,
}


def get(identifier=None):
    """The estimator that a name or an object stands for; None: `"reparameterized"`."""
    return lookup("estimator", identifier or "reparameterized", ESTIMATORS, Estimator)
