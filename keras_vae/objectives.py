"""Objectives: pure functions of log-densities, to be maximised; they own beta and K."""

import abc
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.lookup import lookup


class Densities(NamedTuple):
    """What an objective is a function of, in nats; K draws of z for each of B examples."""

    log_px_z: Any
    """log p(x|z): `(K, B)`."""
    log_pz: Any
    """log p(z): `(K, B)`."""
    log_qz_x: Any
    """log q(z|x): `(K, B)`."""
    kl: Any
    """KL(q(z|x) ‖ p(z)): `(B,)`, in closed form where there is one."""

    @property
    def log_w(self):
        """The log importance weights log p(x|z) + log p(z) − log q(z|x): `(K, B)`."""
        return self.log_px_z + self.log_pz - self.log_qz_x


class Objective(abc.ABC):
    """A bound on log p(x) to maximise: `(Densities, kl_weight) → (B,)` in nats."""

    num_samples = 1
    """Draws of z for each example, K."""

    @abc.abstractmethod
    def __call__(self, densities, kl_weight=1.0):
        """The bound for each example, in nats: `(B,)`."""

    @abc.abstractmethod
    def get_config(self):
        """The arguments of the constructor."""

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("keras_vae")
class ELBO(Objective):
    """E_q[log p(x|z)] − beta · KL(q(z|x) ‖ p(z)), the evidence lower bound.

    With `beta=1` it is a lower bound on log p(x).

    Args:
        beta: constant weight of the KL divergence (beta-VAE). Other than 1 the value is no longer
            the evidence lower bound.
        num_samples: draws of z for each example, K.

    Example:

    >>> import numpy as np
    >>> d = Densities(log_px_z=np.array([[-5.0]]), log_pz=None, log_qz_x=None, kl=np.array([2.0]))
    >>> float(ELBO()(d)[0]), float(ELBO(beta=4)(d)[0])
    (-7.0, -13.0)

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, equation 3; Higgins et
    al., beta-VAE, 2017, equation 4.
    """

    def __init__(self, beta=1.0, num_samples=1):
        if not (np.isfinite(beta) and beta >= 0):
            raise ValueError(f"beta must be a number >= 0, got {beta!r}")
        if int(num_samples) != num_samples or num_samples < 1:
            raise ValueError(f"num_samples must be a whole number >= 1, got {num_samples!r}")
        self.beta = float(beta)
        self.num_samples = int(num_samples)

    def __call__(self, densities, kl_weight=1.0):
        return ops.mean(densities.log_px_z, axis=0) - self.beta * kl_weight * densities.kl

    def get_config(self):
        return {"beta": self.beta, "num_samples": self.num_samples}


OBJECTIVES = {"elbo": ELBO}


def get(identifier=None):
    """The objective that a name, a config or an object stands for; None: `"elbo"`."""
    return lookup("objective", identifier or "elbo", OBJECTIVES, Objective)
