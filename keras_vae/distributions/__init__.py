"""Distributions over `z` and over `x` given `z`."""

from keras_vae.distributions.base import Likelihood, Prior
from keras_vae.distributions.bernoulli import Bernoulli
from keras_vae.distributions.categorical import Categorical
from keras_vae.distributions.column import Column
from keras_vae.distributions.columns import Columns
from keras_vae.distributions.continuous import ContinuousBernoulli, HeteroscedasticNormal
from keras_vae.distributions.counts import Poisson
from keras_vae.distributions.diagonal_normal import DiagonalNormal
from keras_vae.distributions.discretized import DiscretizedLogistic
from keras_vae.distributions.discretized_mixture import MixtureOfDiscretizedLogistics
from keras_vae.distributions.flow import FlowPrior
from keras_vae.distributions.flow_matching import FlowMatchingPrior
from keras_vae.distributions.full_normal import FullNormal
from keras_vae.distributions.mixtures import MixtureOfNormals, VampPrior
from keras_vae.distributions.negative_binomial import (
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
)
from keras_vae.distributions.normal import Normal
from keras_vae.distributions.rounded import MixtureOfRoundedLogistics
from keras_vae.distributions.sized import SizedCounts
from keras_vae.distributions.standard_normal import StandardNormal
from keras_vae.distributions.transformed import Transformed

__all__ = [
    "Bernoulli",
    "Categorical",
    "Column",
    "Columns",
    "ContinuousBernoulli",
    "DiagonalNormal",
    "DiscretizedLogistic",
    "FlowMatchingPrior",
    "FlowPrior",
    "FullNormal",
    "HeteroscedasticNormal",
    "Likelihood",
    "MixtureOfDiscretizedLogistics",
    "MixtureOfNormals",
    "MixtureOfRoundedLogistics",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "Prior",
    "SizedCounts",
    "StandardNormal",
    "Transformed",
    "VampPrior",
    "ZeroInflatedNegativeBinomial",
]
