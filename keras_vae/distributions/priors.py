"""Priors p(z) by name."""

from keras_vae.distributions.base import Prior
from keras_vae.distributions.flow import FlowPrior
from keras_vae.distributions.flow_matching import FlowMatchingPrior
from keras_vae.distributions.mixtures import MixtureOfNormals, VampPrior
from keras_vae.distributions.standard_normal import StandardNormal
from keras_vae.lookup import lookup

PRIORS = {
    "standard_normal": StandardNormal,
    "mixture_of_normals": MixtureOfNormals,
    "vamp": VampPrior,
    "flow": FlowPrior,
    "flow_matching": FlowMatchingPrior,
}


def get(identifier=None):
    """The prior that a name, a config or an object stands for; None: `"standard_normal"`."""
    return lookup("prior", identifier or "standard_normal", PRIORS, Prior)
