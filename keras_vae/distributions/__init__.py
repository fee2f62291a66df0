"""Distributions over `z` and over `x` given `z`."""

from keras_vae.distributions.base import Likelihood, Prior
from keras_vae.distributions.likelihoods import Bernoulli, Normal
from keras_vae.distributions.normal import DiagonalNormal
from keras_vae.distributions.priors import StandardNormal

__all__ = ["Bernoulli", "DiagonalNormal", "Likelihood", "Normal", "Prior", "StandardNormal"]
