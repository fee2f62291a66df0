"""Writes the images that every contender reads: train.npy and test.npy, binary, uint8, (N, 784).

    python -m benchmarks.contenders.data --out build/bench --data-dir data/mnist

Without `--data-dir` they are simulated: independent pixels, as often 1 as those of MNIST are. How
fast a model trains does not depend on them.
"""

import argparse
import json
from pathlib import Path

import numpy as np

SIZES = {"train": 60_000, "test": 10_000}


def main():
    """Writes both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-dir", help="folder of mnist.npz")
    chosen = parser.parse_args()
    parts = mnist(chosen.data_dir) if chosen.data_dir else simulated()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, x in parts.items():
        np.save(chosen.out / f"{name}.npy", x.reshape(len(x), 784).astype("uint8"))
    print(json.dumps({name: len(x) for name, x in parts.items()}))


def mnist(data_dir):
    """MNIST, each pixel drawn once with its grey level as the probability of 1."""
    from keras_vae import datasets

    data = datasets.load("mnist", data_dir)
    return {"train": datasets.binarize(data.x_train, 0), "test": datasets.binarize(data.x_test, 1)}


def simulated(seed=0):
    """Binary noise of the shape of MNIST, 13% ones."""
    rng = np.random.default_rng(seed)
    return {name: rng.random((n, 784), "float32") < 0.13 for name, n in SIZES.items()}


if __name__ == "__main__":
    main()
