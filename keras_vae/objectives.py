"""Objectives: pure functions of log-densities, to be maximised; they own beta and K."""

import abc
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae import estimators
from keras_vae.lookup import lookup


class Densities(NamedTuple):
    """What an objective is a function of, in nats; K draws of z for each of B examples."""

    log_px_z: Any
    """log p(x|z): `(K, B)`."""
    log_pz: Any
    """log p(z): `(K, B)`."""
    log_qz_x: Any
    """log q(z|x): `(K, B)`."""
    kl_terms: Any
    """The terms that KL(q(z|x) ‖ p(z)) is the sum of: `(B, latent_dim)` with a standard normal
    prior, in closed form; else one, `(B, 1)`."""

    @property
    def kl(self):
        """KL(q(z|x) ‖ p(z)): `(B,)`."""
        return ops.sum(self.kl_terms, axis=-1)

    @property
    def log_w(self):
        """The log importance weights log p(x|z) + log p(z) − log q(z|x): `(K, B)`."""
        return self.log_px_z + self.log_pz - self.log_qz_x


class Objective(abc.ABC):
    """A bound on log p(x) to maximise: `(Densities, kl_weight) → (B,)` in nats.

    Its settings stay as they were given; a model is given a new objective: `vae.objective = ...`.

    Args:
        beta: constant weight of the KL divergence (beta-VAE). Other than 1 the value is no longer a
            bound on log p(x).
        num_samples: draws of z for each example, K.
        estimator: of the gradient; a name or an `estimators.Estimator`.
    """

    def __init__(self, beta=1.0, num_samples=1, estimator="reparameterized"):
        if not (np.isfinite(beta) and beta >= 0):
            raise ValueError(f"beta must be a number >= 0, got {beta!r}")
        if int(num_samples) != num_samples or num_samples < 1:
            raise ValueError(f"num_samples must be a whole number >= 1, got {num_samples!r}")
        self.beta = float(beta)
        self.num_samples = int(num_samples)
        self.estimator = estimators.get(estimator)

    def __setattr__(self, name, value):
        if name in vars(self):  # compiled steps would go on with the old value
            raise AttributeError(
                f"{name} of an objective is read-only: make a new one, as in "
                f"vae.objective = {type(self).__name__}({name}={value!r})"
            )
        super().__setattr__(name, value)

    @abc.abstractmethod
    def __call__(self, densities, kl_weight=1.0):
        """The bound for each example, in nats: `(B,)`."""

    def draw_weights(self, densities, kl_weight=1.0):
        """How much each draw counts, the derivative of the bound by log p(x|z): `(K, B)`.

        By default all draws of an example count alike, and their weights sum to 1.
        """
        return ops.ones_like(densities.log_px_z) / self.num_samples

    def path_weights(self, densities, kl_weight=1.0):
        """What the gradient through each z counts where that through log q(z|x) is left out.

        With it the gradient has the same mean. Where all draws count alike it is 1, since the mean
        of what is left out is 0. `(K, B)`.
        """
        return ops.ones_like(densities.log_px_z)

    def get_config(self):
        """The arguments of the constructor."""
        return {
            "beta": self.beta,
            "num_samples": self.num_samples,
            "estimator": keras.saving.serialize_keras_object(self.estimator),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("keras_vae")
class ELBO(Objective):
    """E_q[log p(x|z)] − beta · KL(q(z|x) ‖ p(z)), the evidence lower bound.

    With `beta=1` it is a lower bound on log p(x). The KL divergence is in closed form where there
    is one and the estimator may use it, else −(1/K) Σ log p(z) − log q(z|x).

    Args:
        beta, num_samples, estimator: see `Objective`.
        free_bits: nats of each term of the KL divergence, one for each latent dimension if the
            prior is standard normal, below which its mean over the batch is not lowered: so z does
            not collapse early in training.

    Example:

    >>> import numpy as np
    >>> log_px_z, kl_terms = np.array([[-5.0]]), np.array([[2.0, 0.0]])
    >>> d = Densities(log_px_z, log_pz=None, log_qz_x=None, kl_terms=kl_terms)
    >>> float(ELBO()(d)[0]), float(ELBO(beta=4)(d)[0]), float(ELBO(free_bits=0.5)(d)[0])
    (-7.0, -13.0, -7.5)

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, equation 3; Higgins et
    al., beta-VAE, 2017, equation 4; Kingma et al., Improved Variational Inference with Inverse
    Autoregressive Flow, 2016, appendix C.8.
    """

    def __init__(self, beta=1.0, num_samples=1, estimator="reparameterized", free_bits=0.0):
        super().__init__(beta, num_samples, estimator)
        if not (np.isfinite(free_bits) and free_bits >= 0):
            raise ValueError(f"free_bits must be a number of nats >= 0, got {free_bits!r}")
        self.free_bits = float(free_bits)

    def __call__(self, densities, kl_weight=1.0):
        kl_terms = densities.kl_terms
        if not self.estimator.closed_form_kl:
            kl_terms = ops.mean(densities.log_qz_x - densities.log_pz, axis=0)[:, None]
        if self.free_bits:
            used = ops.mean(kl_terms, axis=0) > self.free_bits
            kl_terms = ops.where(used, kl_terms, self.free_bits)
        kl = ops.sum(kl_terms, axis=-1)
        return ops.mean(densities.log_px_z, axis=0) - self.beta * kl_weight * kl

    def get_config(self):
        return {**super().get_config(), "free_bits": self.free_bits}


@keras.saving.register_keras_serializable("keras_vae")
class IWAE(Objective):
    """log (1/K) Σ_k p(x, z_k) / q(z_k|x), z_k from q(z|x): the importance-weighted bound.

    Tighter than the ELBO, and the more so the more draws; with one draw it is the ELBO's
    single-sample form. `loss` is minus this bound, so it is less than the sum of the logged
    `reconstruction_loss` and `kl_loss`.

    Args:
        num_samples: draws of z for each example, K.
        estimator, beta: see `Objective`; `"doubly_reparameterized"` suits this bound best.

    Example:

    >>> import numpy as np
    >>> log_px_z = np.log([[0.25], [0.75]])
    >>> d = Densities(log_px_z, np.zeros((2, 1)), np.zeros((2, 1)), kl_terms=None)
    >>> round(float(IWAE(num_samples=2)(d)[0]), 4)  # log 1/2
    -0.6931

    Reference: Burda et al., Importance Weighted Autoencoders, 2016, equation 8.
    """

    def __init__(self, num_samples=5, estimator="reparameterized", beta=1.0):
        super().__init__(beta, num_samples, estimator)

    def __call__(self, densities, kl_weight=1.0):
        log_w = self._log_w(densities, kl_weight)
        return ops.logsumexp(log_w, axis=0) - float(np.log(self.num_samples))

    def draw_weights(self, densities, kl_weight=1.0):
        """The importance weights, of sum 1 over the draws of an example: `(K, B)`."""
        return ops.softmax(self._log_w(densities, kl_weight), axis=0)

    def path_weights(self, densities, kl_weight=1.0):
        """(1 − b) + b w for the importance weights w and the weight b of the KL divergence.

        What is left out is −b Σ w_k ∂log q(z_k|x)/∂φ. In the mean it is −b Σ ∂w_k/∂z_k ∂z_k/∂φ, and
        ∂w_k/∂z_k = w_k (1 − w_k) ∂f_k/∂z_k, of the terms f that w is the softmax of.

        Reference: Tucker et al., Doubly Reparameterized Gradient Estimators for Monte Carlo
        Objectives, 2019, section 4, for b = 1.
        """
        weight = self.beta * kl_weight
        return 1 - weight + weight * self.draw_weights(densities, kl_weight)

    def _log_w(self, densities, kl_weight):
        log_ratio = densities.log_pz - densities.log_qz_x
        return densities.log_px_z + self.beta * kl_weight * log_ratio  # (K, B)


OBJECTIVES = {"elbo": ELBO, "iwae": IWAE}


def get(identifier=None):
    """The objective that a name, a config or an object stands for; None: `"elbo"`."""
    return lookup("objective", identifier or "elbo", OBJECTIVES, Objective)
