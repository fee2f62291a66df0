"""Estimators of the gradient of a bound.

The bound depends on the encoder in two ways. The draws z = qz_x.transform(epsilon) depend on the
parameters of q(z|x), and so does the density log q(z|x), even if z is held. The gradient of the
ELBO through the second path is 0 in the mean over draws, so it may be left out: what remains has
the same mean and another variance.

An estimator chooses the paths. It gets a function `densities(qz_x, z)`, which returns `Densities`
and the decoder's output, and it stops gradients in the arguments of that function. The objective
gives it a function of `Densities`, how much the path through z has to count where the other is left
out: `Objective.path_weights`. The value of the bound is the same for every estimator.
"""

import abc

import keras
from keras import ops

from keras_vae.lookup import lookup


class Estimator(abc.ABC):
    """Which paths a gradient takes: `(densities, qz_x, z, path_weights) → densities(...)`."""

    closed_form_kl = True
    """Whether the bound may use the KL divergence in closed form, which needs every path."""

    @abc.abstractmethod
    def __call__(self, densities, qz_x, z, path_weights):
        """`densities(qz_x, z)`, whose gradient takes the paths of this estimator alone."""

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("keras_vae")
class Reparameterized(Estimator):
    """Keeps all paths: the gradient is that of the bound as it is written.

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, section 2.4.
    """

    def __call__(self, densities, qz_x, z, path_weights):
        return densities(qz_x, z)


@keras.saving.register_keras_serializable("keras_vae")
class StickingTheLanding(Estimator):
    """Keeps the path through z alone: the parameters in log q(z|x) are held constant.

    Where q(z|x) is the exact posterior, the encoder's gradient is 0 for every single draw, so its
    variance vanishes at the optimum. Use it with the ELBO. It is biased for an importance-weighted
    bound with several draws; `DoublyReparameterized` is not.

    Reference: Roeder et al., Sticking the Landing, 2017, section 3.
    """

    closed_form_kl = False

    def __call__(self, densities, qz_x, z, path_weights):
        return densities(_hold(qz_x), z)


@keras.saving.register_keras_serializable("keras_vae")
class DoublyReparameterized(Estimator):
    """Keeps the path through z, and weighs it with squared importance weights: for IWAE.

    The encoder's gradient is Σ_k w_k² ∂log w_k/∂z_k ∂z_k/∂φ and the decoder's is
    Σ_k w_k ∂log w_k/∂θ, where w = softmax(log_w) over the draws. With the plain gradient of IWAE
    the encoder's signal sinks in the noise as K grows; with this one it does not. The weights have
    to be known before the gradient is taken, so every step decodes twice. Where the KL divergence
    has another weight b than 1, by beta or a warm-up, w_k ((1 − b) + b w_k) stands for w_k²: see
    `IWAE.path_weights`.

    Reference: Tucker et al., Doubly Reparameterized Gradient Estimators for Monte Carlo
    Objectives, 2019, equation 8.
    """

    closed_form_kl = False

    def __call__(self, densities, qz_x, z, path_weights):
        held = _hold(qz_x)
        before, _ = densities(held, ops.stop_gradient(z))
        weights = ops.stop_gradient(path_weights(before))  # (K, B)
        return densities(held, scale_gradient(z, weights[..., None]))


def scale_gradient(z, factor):
    """z itself, to the bit, with a gradient that is multiplied by `factor`."""
    held = ops.stop_gradient(z)
    return held + factor * (z - held)


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
