"""How long it takes to draw 1, 64 and 1024 images: the clock of those that sample."""

import argparse
import json
import statistics
import time
from pathlib import Path

LATENT_DIM = {"digits": 8, "conv": 16}
COUNTS = (1, 64, 1024)
SECONDS, LEAST = 0.2, 5  # of repeats at one count, and how many of them at least


def options(*flags):
    """What the contender is to do; `flags` are those of its own, such as `"--compile"`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of digits/ and conv/")
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def report(chosen, sampler):
    """Prints the median seconds of each model and count, as `{"conv 64": 0.01}`.

    Args:
        chosen: as `options` returns it.
        sampler: a function of a model's name and folder; returns a function of a count whose
            value is an array of that many images, in this process's memory.

    Raises:
        RuntimeError: another number of images is drawn.
    """
    result = {}
    for case in LATENT_DIM:
        sample = sampler(case, chosen.data / case)
        for count in COUNTS:
            if (drawn := len(sample(count))) != count:
                raise RuntimeError(f"{count} images were asked for, and {drawn} drawn")
            result[f"{case} {count}"] = median_seconds(sample, count)
    print(json.dumps(result))


def median_seconds(function, *arguments):
    """The median time of a call; two others come first, one to compile and one to warm up."""
    for _ in range(2):
        function(*arguments)
    times = []
    while len(times) < LEAST or sum(times) < SECONDS:
        started = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - started)
    return statistics.median(times)
