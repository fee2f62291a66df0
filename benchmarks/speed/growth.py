"""How times grow with each size, and the memory of a million images streamed to the disk."""

import json
import math
import statistics
from pathlib import Path

from benchmarks.harness import Contender, run_once, table
from benchmarks.speed.common import BUILD, contender
from benchmarks.speed.models import written
from benchmarks.tables import number

TITLE = "Growth"
AXES = {
    "batch": "batch",
    "num_samples": "draws for an image, K",
    "latent_dim": "latent dimensions",
    "pixels": "pixels of the image",
    "count": "images drawn",
}
STREAMS = (10_000, 100_000, 1_000_000)
PLOTS = Path("benchmarks/growth")


def measure(options):
    """Every axis in a process each, and the streams."""
    flags = ("--quick",) if options.quick else ()
    growing = [contender(AXES[axis], "growing", axis, *flags) for axis in AXES]
    axes = options.run(growing)
    curves = {axis: least(axes[title]) for axis, title in AXES.items()}
    plots = draw(curves, BUILD / "growth" if options.quick else PLOTS)
    streamed, memory = stream(options)
    results = {"axes": axes, "streams": streamed}
    return results, "\n\n".join([NOTE, exponents(curves), plots, MEMORY, memory])


def draw(curves, folder):
    """Has the plots drawn from what succeeded; their Markdown, as the README shows it."""
    source, known = BUILD / "growth.json", {a: works(c) for a, c in curves.items()}
    BUILD.mkdir(parents=True, exist_ok=True)
    source.write_text(json.dumps({axis: kept for axis, kept in known.items() if kept}))
    drawn = run_once(Contender("plots", "benchmarks.speed.growth_plots", (source, folder)))
    if "failed" in drawn:
        return f"The plots could not be drawn: {drawn['failed']}"
    return "\n".join(f"![Seconds over {AXES[a]}](growth/{a}.png)" for a in drawn["drawn"])


def least(rounds):
    """The least time of all rounds, of each work and size; if the last one failed, that one.

    Example:

    >>> least([{"sampling": {"1": 0.3, "10": 0.4}}, {"sampling": {"1": 0.1, "10": 0.5}}])
    {'sampling': {1: 0.1, 10: 0.4}}
    """
    if "failed" in rounds[-1]:
        return rounds[-1]
    curves = [works(result) for result in rounds]
    return {
        name: {size: min(curve[name][size] for curve in curves) for size in seconds}
        for name, seconds in curves[0].items()
    }


def works(result):
    """`{work: {size: seconds}}` of what a process printed, sizes in their order."""
    return {
        name: {int(size): seconds for size, seconds in value.items()}
        for name, value in result.items()
        if isinstance(value, dict)
    }


def exponents(curves):
    """Rows of each work along each axis: seconds at both ends and how they grow.

    Example:

    >>> curves = {"count": {"sampling": {"1": 0.1, "10": 0.2, "100": 2.0}}}
    >>> print(exponents(curves).splitlines()[-1])
    | images drawn, 1 to 100 | sampling | 0.100 | 2.00 | 0.65 | 1.00 |
    """
    lines = [
        "| size | of | s at the least | s at the most | exponent | of the last two |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for axis, result in curves.items():
        if "failed" in result:
            lines.append(f"| {AXES[axis]} | failed: {result['failed'].replace('|', '/')} | | | | |")
        for name, seconds in works(result).items():
            sizes, times = list(seconds), list(seconds.values())
            fits = (exponent(seconds), exponent(dict(list(seconds.items())[-2:])))
            cells = [number(times[0]), number(times[-1]), *(number(e, digits=2) for e in fits)]
            title = f"{AXES[axis]}, {sizes[0]:,} to {sizes[-1]:,}"
            lines.append(f"| {title} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def exponent(seconds):
    """The slope of log(seconds) over log(size), by least squares.

    Example:

    >>> exponent({1: 3.0, 10: 300.0})
    2.0
    """
    logs = [[math.log10(x) for x in numbers] for numbers in (seconds, seconds.values())]
    return statistics.linear_regression(*logs).slope


def stream(options):
    """Streams images of the digits' model to the disk; the results, and their Markdown."""
    bundle = written("digits") / "digits" / "onnx"
    counts = STREAMS[:1] if options.quick else STREAMS
    contenders = [contender(f"{n:,} images", "streaming", bundle, n) for n in counts]
    results = options.run(contenders)
    columns = {"images a second": "images_per_second", "bytes": "bytes"}
    fewest = f"{STREAMS[0]:,} images"
    return results, table(
        results, "peak_megabytes", fewest, "MiB", higher_is_better=False, also=columns
    )


NOTE = """\
The MLP 784-200-200-50 with batches of 100, 10 draws, 1024 images drawn, unless that is what grows;
with K, batches of 4; with the pixels the conv model of 16 latents grows, with batches of 32 and 256
images drawn. Training is a step of `fit` on TensorFlow, in four epochs of 128 steps, or of 32,000
examples to the MLP if these are more; sampling and scoring are `OnnxVAE.sample` and `.score` of a
batch; exporting is `vae.export`, validation included, in a process that has exported before. One
process for each size that grows and each round; of the rounds the least, of medians of repeats, but
for export, which is timed once in a process. An exponent is the slope of a line through the
logarithms, of all points and of the last two: 1 is proportional, less tells of what does not grow.
Lines of slope 1 are grey."""

MEMORY = """\
Peak memory of `python -m export.runtime bundle --count N --out samples.npy`, 8×8 digits in float32,
256 bytes each; the file is removed after. Its pages that were written and not yet let go count:"""
