"""A convolution that oneDNN cannot differentiate: in a process of its own, since it may end it."""

import subprocess
import sys

import pytest

TRAIN = """
import keras
import numpy as np
from keras import layers

from keras_vae import VAE

x, z = keras.Input((12, 12, 8)), keras.Input((2,))
h = layers.Conv2D(16, 3, strides=2, padding="same")(x)
h = layers.Flatten()(layers.add([h, layers.Conv2D(16, 1, strides=2, padding="same")(x)]))
encoder = keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)])
vae = VAE(encoder, keras.Model(z, layers.Reshape((12, 12, 8))(layers.Dense(1152)(z))), "normal")
vae.compile("adam")
vae.fit(np.random.rand(70, 12, 12, 8), batch_size=7, epochs=5, verbose=0)
assert vae.get_compile_config()["jit_compile"] == "auto"  # of this machine, not of the model
"""


@pytest.mark.only_on("tensorflow")
def test_a_residual_encoder_trains():
    run = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
