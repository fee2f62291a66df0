"""The model, its file, and a prior fitted after training."""

from keras_vae.models.files import load_model
from keras_vae.models.prior_fitting import fit_prior
from keras_vae.models.vae import VAE

__all__ = ["VAE", "fit_prior", "load_model"]
