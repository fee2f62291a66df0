"""Draws a plot for each axis of `contenders.growing`, in a process that may load matplotlib.

    python -m benchmarks.speed.growth_plots build/bench/growth.json benchmarks/growth

The first file holds `{axis: {work: {size: seconds}}}`.
"""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure


def main():
    """Writes the pictures."""
    source, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    axes = json.loads(source.read_text())
    for axis, curves in axes.items():
        plot(axis, curves).savefig(out / f"{axis}.png", metadata={"Software": None})
    print(json.dumps({"drawn": list(axes)}))


def plot(axis, curves):
    """Seconds over a size, both axes logarithmic."""
    figure = Figure(figsize=(5, 3.5), dpi=90, layout="constrained")
    axes = figure.subplots()
    for name, seconds in curves.items():
        axes.loglog([int(size) for size in seconds], list(seconds.values()), "o-", label=name)
    draw_slopes(axes)
    axes.set(xlabel=axis, ylabel="seconds")
    figure.legend(loc="outside upper center", ncols=len(curves), frameon=False)
    return figure


def draw_slopes(axes):
    """Faint lines of slope 1, which is proportional growth, over all that is seen."""
    (left, right), (bottom, top) = limits = axes.get_xlim(), axes.get_ylim()
    start = bottom * left / right
    while start < top:
        axes.loglog((left, right), (start, start * right / left), color="0.9", zorder=0)
        start *= 10
    axes.set(xlim=limits[0], ylim=limits[1])


if __name__ == "__main__":
    main()
