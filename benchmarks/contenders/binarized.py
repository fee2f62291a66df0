"""Seconds of an epoch on binary images that stay as they are, that a step draws, or of the command.

KERAS_BACKEND=jax python -m benchmarks.contenders.binarized command --data FOLDER
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import keras_vae
from keras_vae import cli
from keras_vae.commands import training

BATCH, LATENT_DIM, GREY = 100, 50, 204


def main():
    """Trains the MLP 784-200-200-50 by one of three ways, and prints what an epoch took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("resident", "augment", "command"))
    parser.add_argument("--data", type=Path, required=True, help="folder of train.npy")
    parser.add_argument("--examples", type=int, default=60_000, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    binary = np.load(given.data / "train.npy")[: given.examples].reshape(-1, 28, 28, 1)
    grey, clock = binary * np.uint8(GREY), Epochs()
    if given.way == "command":
        command(grey, given.epochs, clock)
    else:
        x = binary if given.way == "resident" else grey / np.float32(255)
        fit(x.astype("float32"), "binarize" if given.way == "augment" else None, given, clock)
    steady = statistics.median(clock.seconds[1:] or clock.seconds)
    print(json.dumps({"epoch_seconds": steady, "loss": clock.loss}))


class Epochs(keras.callbacks.Callback):
    """Takes the time from the beginning of an epoch to that of the next, checkpoints included."""

    def __init__(self):
        super().__init__()
        self.seconds, self.started, self.loss = [], None, None

    def on_epoch_begin(self, epoch, logs=None):
        now = time.perf_counter()
        if self.started is not None:
            self.seconds.append(now - self.started)
        self.started = now

    def on_epoch_end(self, epoch, logs=None):
        self.loss = logs["loss"]


def fit(x, augment, given, clock):
    """As a user of the package trains."""
    shape = x.shape[1:]
    vae = keras_vae.VAE.from_architecture(
        "mlp", shape, LATENT_DIM, "bernoulli", seed=0, augment=augment
    )
    vae.compile("adam")
    vae.fit(x, batch_size=BATCH, epochs=given.epochs, callbacks=[clock], verbose=0)


def command(grey, epochs, clock):
    """`python -m keras_vae train` on a file, with the clock among its callbacks."""

    class Watch(training.Watch):
        """The callback of the command, which keeps the time too."""

        def on_epoch_begin(self, epoch, logs=None):
            clock.on_epoch_begin(epoch, logs)

        def on_epoch_end(self, epoch, logs=None):
            clock.on_epoch_end(epoch, logs)
            super().on_epoch_end(epoch, logs)

    training.Watch = Watch
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "grey.npz")
        np.savez(data, x_train=grey[..., 0], x_test=grey[:1000, ..., 0])
        flags = ["--binarize", "dynamic", "--batch-size", BATCH, "--latent-dim", LATENT_DIM]
        flags += ["--architecture", "mlp", "--schedule", "constant", "--validation", 0]
        arguments = ["train", "--data", data, *flags, "--epochs", epochs, "--out", f"{folder}/run"]
        with contextlib.redirect_stdout(sys.stderr):
            status = cli.main([str(argument) for argument in arguments])
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
