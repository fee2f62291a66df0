"""Seconds of training, sampling, scoring and export as one size grows and the others stay.

    KERAS_BACKEND=tensorflow python -m benchmarks.contenders.growing batch

The MLP 784-200-200-50, but for the size of the image, along which the conv model grows.
"""

import gc
import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cache

import keras
import numpy as np

import keras_vae
from benchmarks.contenders.sample_clock import median_seconds
from export.runtime import OnnxVAE

EPOCHS = 4  # of training, of which the first compiles


@dataclass(frozen=True)
class Size:
    """Everything that can grow."""

    architecture: str = "mlp"
    side: int = 28
    latent_dim: int = 50
    batch: int = 100
    num_samples: int = 10
    count: int = 1024

    @property
    def shape(self):
        """Of an image."""
        return self.side, self.side, 1

    @property
    def steps(self):
        """Of an epoch of training; four epochs are enough for `fit` to compile the MLP."""
        return 128 if self.architecture == "conv" else max(128, 32_000 // self.batch)


def training(size):
    """Seconds of a step of `fit`, in the median epoch after the first."""
    clock, x = Epochs(), images(size, size.steps * size.batch)
    vae = model(size)
    vae.compile("adam")
    vae.fit(x, batch_size=size.batch, epochs=EPOCHS, callbacks=[clock], verbose=0)
    return float(np.median(clock.seconds[1:])) / size.steps


def sampling(size):
    """Seconds of `OnnxVAE.sample`."""
    return median_seconds(bundle(size)[1].sample, size.count)


def scoring(size):
    """Seconds of `OnnxVAE.score`, of a batch with that many draws each."""
    x = images(size, size.batch)
    return median_seconds(bundle(size)[1].score, x, size.num_samples)


def exporting(size):
    """Seconds of `export`, validation included, of a process that has exported before."""
    exported(Size(side=4, latent_dim=1))
    gc.collect()  # of models that were trained: it may take longer than the export
    return bundle(size)[0]


def bundle(size):
    """The seconds of the export, and the bundle; once for all sizes that are one model's."""
    return exported(replace(size, batch=1, num_samples=1, count=1))


@cache
def exported(size):
    """As `bundle`."""
    folder, vae = tempfile.TemporaryDirectory(), model(size)
    with folder:
        started = time.perf_counter()
        vae.export(f"{folder.name}/onnx", format="onnx")
        seconds = time.perf_counter() - started
        runtime = OnnxVAE(f"{folder.name}/onnx")
        runtime.sample(1)  # loads the two files that are used, before they are gone
        runtime.score(images(size, 1), 1)
    return seconds, runtime


def model(size):
    """Untrained."""
    return keras_vae.VAE.from_architecture(
        size.architecture, size.shape, size.latent_dim, "bernoulli", seed=0
    )


def images(size, count):
    """Binary noise, `(count, side, side, 1)`."""
    uniform = np.random.default_rng(0).random((count, *size.shape), "float32")
    return (uniform < 0.13).astype("float32")


class Epochs(keras.callbacks.Callback):
    """The seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        float(logs["loss"])  # a device that is still computing is waited for
        self.seconds.append(time.perf_counter() - self.started)


CONV = Size("conv", latent_dim=16, batch=32, count=256)
ALL = (training, exporting, sampling, scoring)  # a bundle is exported once: by `exporting`
AXES = {
    "batch": ({n: Size(batch=n) for n in (16, 64, 256, 1024)}, (training, scoring)),
    "num_samples": ({n: Size(batch=4, num_samples=n) for n in (5, 50, 500, 5000)}, (scoring,)),
    "latent_dim": ({n: Size(latent_dim=n) for n in (2, 16, 128, 1024)}, ALL),
    "pixels": ({n * n: replace(CONV, side=n) for n in (8, 16, 32, 64)}, ALL),
    "count": ({n: Size(count=n) for n in (1, 8, 64, 512, 4096, 32_768)}, (sampling,)),
}


def main():
    """Prints `{"training": {"16": 0.001, ...}, ...}` along one axis."""
    sizes, works = AXES[sys.argv[1]]
    limit = 2 if "--quick" in sys.argv else None
    sizes = dict(list(sizes.items())[:limit])
    result = {w.__name__: {n: w(size) for n, size in sizes.items()} for w in works}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
