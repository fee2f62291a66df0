"""Seconds of the first calls of `fit` of one model, each of so many steps of 100 images.

KERAS_BACKEND=tensorflow python -m benchmarks.contenders.short_fits keras_vae 200 --data FOLDER
"""

import argparse
import json
import math
import time
from pathlib import Path

import keras
import numpy as np

import keras_vae
from benchmarks.contenders import tutorial
from benchmarks.contenders.common import LEARNING_RATE

BATCH, EPOCH, LATENT_DIM = 100, 20_000, 50
FITS, LONG = 3, 5000  # one call where it has more steps than this


def main():
    """Times the calls one after the other; what is imported and built before does not count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=("keras_vae", "tutorial"))
    parser.add_argument("steps", type=int)
    parser.add_argument("--data", type=Path, required=True, help="folder of train.npy")
    given = parser.parse_args()
    keras.utils.set_random_seed(0)
    epochs = math.ceil(given.steps * BATCH / EPOCH)
    examples = given.steps * BATCH // epochs
    x = np.load(given.data / "train.npy")[:examples].astype("float32").reshape(-1, 28, 28, 1)
    model, seconds = make(given.model), []
    for _ in range(FITS if given.steps <= LONG else 1):
        started = time.perf_counter()
        history = model.fit(x, batch_size=BATCH, epochs=epochs, verbose=0).history
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"fit_seconds": seconds, "loss": history["loss"][-1]}))


def make(name):
    """The MLP 784-200-200-50 of the package or of the tutorial, compiled."""
    if name == "tutorial":
        model = tutorial.VAE(*tutorial.mlp(LATENT_DIM))
    else:
        shape = (28, 28, 1)
        model = keras_vae.VAE.from_architecture("mlp", shape, LATENT_DIM, "bernoulli", seed=0)
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE))
    return model


if __name__ == "__main__":
    main()
