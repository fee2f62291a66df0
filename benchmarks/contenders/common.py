"""What every contender shares: its command line, the images, the clock, the line that it prints."""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

LATENT_DIM = {"mlp": 50, "conv": 16}
LEARNING_RATE = 1e-3


def options(*flags):
    """What the contender is to do; `flags` are those of its own, such as `"--compile"`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=list(LATENT_DIM))
    parser.add_argument("--data", type=Path, required=True, help="folder of train.npy, test.npy")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--examples", type=int, default=60_000, help="of an epoch, or to score")
    parser.add_argument("--goal", type=float, help="stop at this test ELBO, in nats")
    parser.add_argument("--num-samples", type=int, default=5000, help="draws for an example, K")
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    chosen = parser.parse_args()
    chosen.latent_dim = LATENT_DIM[chosen.case]
    return chosen


def images(options, part="train"):
    """Binary images, `(N, 784)`, float32."""
    return np.load(options.data / f"{part}.npy")[: options.examples].astype("float32")


def since_start():
    """Seconds since the harness started this process; None if it did not."""
    started = os.environ.get("CONTENDER_STARTED")
    return time.time() - float(started) if started else None


class Clock:
    """Seconds of each epoch, all work included; with a goal, stops for the test ELBO after each.

    Args:
        options: as `options` returns them.
        weights: a function without arguments: `[(kernel, bias), ...]` of the MLP's seven layers,
            `(inputs, outputs)` and `(outputs,)`, in the order of `elbo`. Needed for a goal.
    """

    def __init__(self, options, weights=None):
        self.options, self.weights = options, weights
        self.epochs, self.losses, self.elbos = [], [], []
        self.test = None if options.goal is None else images(options, "test")
        self.startup = since_start()
        self.last = time.perf_counter()

    def epoch(self, loss):
        """Ends an epoch of that mean loss; whether the training may stop."""
        self.losses.append(float(loss))  # a device that is still computing is waited for
        self.epochs.append(time.perf_counter() - self.last)
        if self.test is not None:
            self.elbos.append(elbo(self.weights(), self.test))
        self.last = time.perf_counter()
        return self.reached or len(self.epochs) == self.options.epochs

    @property
    def reached(self):
        """Whether the goal is."""
        return bool(self.elbos) and self.elbos[-1] >= self.options.goal

    def report(self, **more):
        """Prints the result."""
        steady = statistics.median(self.epochs[1:] or self.epochs)
        result = {
            "startup_seconds": self.startup,
            "compile_seconds": max(self.epochs[0] - steady, 0.0),
            "epoch_seconds": self.epochs,
            "examples_per_second": self.options.examples / steady,
            "loss": self.losses[-1],
            "elbos": self.elbos,
            "seconds_to_goal": sum(self.epochs) if self.reached else None,
        }
        print(json.dumps(result | more))


def elbo(layers, x, seed=0):
    """Mean ELBO of the MLP in nats, by NumPy and with the same noise for every contender.

    Args:
        layers: `[(kernel, bias), ...]`: encoder, encoder, z_mean, z_log_var, decoder, decoder,
            x_logits.
        x: `(N, 784)`, binary.
    """
    first, second, mean, log_var, third, fourth, logits = layers
    hidden = relu(relu(x, first), second)
    z_mean, z_log_var = affine(hidden, mean), affine(hidden, log_var)
    epsilon = np.random.default_rng(seed).standard_normal(z_mean.shape, "float32")
    z = z_mean + np.exp(z_log_var / 2) * epsilon
    x_logits = affine(relu(relu(z, third), fourth), logits)
    log_px_z = (x * x_logits - np.logaddexp(0, x_logits)).sum(axis=1)
    kl = (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(axis=1) / 2
    return float(np.mean(log_px_z - kl))


def affine(x, layer):
    """x W + b."""
    return x @ layer[0] + layer[1]


def relu(x, layer):
    """max(x W + b, 0)."""
    return np.maximum(affine(x, layer), 0)


def pairs(weights):
    """`[kernel, bias, kernel, bias, ...]` → `[(kernel, bias), ...]`, in NumPy."""
    weights = [np.asarray(w) for w in weights]
    return list(zip(weights[::2], weights[1::2], strict=True))


def time_score(score, x, num_samples):
    """Times `score(x)`, `(N,)` log-likelihoods, and prints the result.

    It is called twice, and the second time counts; the first may compile.
    """
    times = []
    startup = since_start()
    for _ in range(2):
        started = time.perf_counter()
        log_likelihood = float(np.mean(score(x)))
        times.append(time.perf_counter() - started)
    result = {
        "startup_seconds": startup,
        "compile_seconds": max(times[0] - times[1], 0.0),
        "draws_per_second": len(x) * num_samples / times[1],
        "log_likelihood": log_likelihood,
    }
    print(json.dumps(result))


def layers(path):
    """The weights that `contenders.models` saved, as `elbo` takes them."""
    return pairs(np.load(path).values())
