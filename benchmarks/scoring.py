"""Test log-likelihood by onnxruntime and by Keras, with the same draws: agreement and speed.

    python benchmarks/scoring.py runs/mnist mnist --data-dir data/mnist --binarize

Prints both means with their standard errors, their difference in nats, and importance samples a
second. The test images are those of the data set, binarized with seed 0 as `evaluate` does.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from export.runtime import OnnxVAE
from keras_vae import datasets
from keras_vae.evaluation import estimate
from keras_vae.models import load_model


def main():
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a folder with model.keras and onnx/")
    parser.add_argument("data", help="as keras_vae train takes it")
    parser.add_argument("--data-dir", help="as keras_vae train takes it")
    parser.add_argument("--binarize", action="store_true", help="binarize the test images")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--num-samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    x = datasets.load(options.data, options.data_dir).x_test
    x = (datasets.binarize(x, 0) if options.binarize else x)[: options.examples]
    scores = {}
    for name, vae in {
        "scorer.onnx": OnnxVAE(options.run / "onnx"),
        "Keras": load_model(options.run / "model.keras"),
    }.items():
        started = time.perf_counter()
        scores[name] = vae.score(x, options.num_samples, options.seed)["log_likelihood"]
        rate = len(x) * options.num_samples / (time.perf_counter() - started)
        print(
            f"{name:<12} log_likelihood {estimate(scores[name])}, {rate:,.0f} draws a second",
            flush=True,
        )
    gap = np.subtract(*scores.values())
    print(f"difference of the means {gap.mean():.1e}, largest of one example {abs(gap).max():.1e}")


if __name__ == "__main__":
    main()
