"""The model, and its file."""

from keras_vae.models.files import load_model
from keras_vae.models.vae import VAE

__all__ = ["VAE", "load_model"]
