"""Settings that must stand before TensorFlow and matplotlib are imported."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["MPLBACKEND"] = "Agg"

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae

# Two devices for test_distribution_strategy.py; TensorFlow allows it before its first use alone.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def digits():
    """Grey images: `(N, 8, 8, 1)` in [0, 1]."""
    return keras_vae.datasets.load("digits").x_train


@pytest.fixture
def make_vae():
    """Makes a small compiled VAE; equal arguments give equal weights and noise."""

    def make(architecture="mlp", likelihood="normal", seed=0, compiled=None, **options):
        vae = keras_vae.VAE.from_architecture(
            architecture, (8, 8, 1), 3, likelihood=likelihood, seed=seed, **options
        )
        vae.compile(**{"optimizer": keras.optimizers.Adam(1e-3), **(compiled or {})})
        return vae

    return make


@pytest.fixture(autouse=True)
def seeded():
    """`fit` shuffles by the seeds of Python and NumPy: with none, a threshold would need luck."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
