"""An epoch of images that are drawn binary in each step, and of the command, beside a plain one."""

import dataclasses
import statistics

from benchmarks.harness import Contender
from benchmarks.speed.common import BACKENDS, images

TITLE = "The command, and images drawn binary in each step"
WAYS = ("resident", "augment", "command")
ROUNDS = 5  # at least: the differences are small


def measure(options):
    """The three ways on every backend, by turns."""
    data, few = images(options), ("--examples", 1000, "--epochs", 2)
    rounds = options.rounds if options.quick else max(ROUNDS, options.rounds)
    options, results = dataclasses.replace(options, rounds=rounds), {}
    for title, backend in BACKENDS.items():
        module, env = "benchmarks.contenders.binarized", {"KERAS_BACKEND": backend}
        sizes = ("--data", data, *(few if options.quick else ()))
        results[title] = options.run([Contender(w, module, (w, *sizes), env) for w in WAYS])
    return results, "\n\n".join([NOTE, ratios(results)])


def ratios(results):
    """A row for each backend: the seconds of a plain epoch, and how many times as long others take.

    Example:

    >>> runs = {way: [{"epoch_seconds": s}] for way, s in zip(WAYS, (2.0, 2.2, 2.3))}
    >>> print(ratios({"JAX": runs}).splitlines()[-1])
    | JAX | 2.00 | 1.10 (1.10–1.10) | 1.15 (1.15–1.15) |
    """
    lines = [
        "| backend | s, binary images | drawn in each step | the command |",
        "|---|---:|---:|---:|",
    ]
    for backend, runs in results.items():
        failed = [r["failed"] for rounds in runs.values() for r in rounds if "failed" in r]
        if failed:
            lines.append(f"| {backend} | failed: {failed[0].replace('|', '/')} | | |")
            continue
        seconds = {way: [r["epoch_seconds"] for r in rounds] for way, rounds in runs.items()}
        plain = seconds["resident"]
        cells = [f"{statistics.median(plain):.2f}"]
        for way in WAYS[1:]:
            times = [b / a for a, b in zip(plain, seconds[way], strict=True)]
            cells.append(f"{statistics.median(times):.2f} ({min(times):.2f}–{max(times):.2f})")
        lines.append(f"| {backend} | {' | '.join(cells)} |")
    return "\n".join(lines)


NOTE = """\
The MLP 784-200-200-50, batches of 100, 60,000 images: seconds of an epoch of `fit` on binary ones;
how many times as long one takes on grey images with `augment="binarize"`, and one of the command
`train --binarize dynamic`, its checkpoints included, without validation. The median of the rounds,
the least and the most."""
