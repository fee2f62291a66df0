"""How long a first, a second and a third `fit` of so many steps take, beside Keras' tutorial."""

import dataclasses
import statistics

from benchmarks.speed.common import contender, images

TITLE = "Calls of fit, short and long"
STEPS = (20, 100, 200, 400, 800, 2400, 10_000)
ROUNDS = 5  # at least: these are the noisiest times of all


def measure(options):
    """Both models at every number of steps, by turns."""
    data, steps = images(options), STEPS[:2] if options.quick else STEPS
    rounds = options.rounds if options.quick else max(ROUNDS, options.rounds)
    options = dataclasses.replace(options, rounds=rounds)
    results = {}
    for n in steps:
        results[str(n)] = options.run(
            [
                contender(name, "short_fits", name, n, "--data", data)
                for name in ("keras_vae", "tutorial")
            ]
        )
    return results, "\n\n".join([NOTE, curve(results)])


def curve(results):
    """A row for each number of steps: the speeds of the fits by those of the tutorial.

    Example:

    >>> ours, theirs = {"fit_seconds": [1.0, 2.0, 1.0]}, {"fit_seconds": [2.0, 2.0, 3.0]}
    >>> print(curve({"20": {"keras_vae": [ours], "tutorial": [theirs]}}).splitlines()[-1])
    | 20 | 2.00 (2.00–2.00) | 1.00 (1.00–1.00) | 3.00 (3.00–3.00) | 1.00 | 2.00 |
    """
    lines = [
        "| steps | first `fit` | second | third | s, first, keras-vae | s, first, tutorial |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for steps, found in results.items():
        ours, theirs = (found[name] for name in ("keras_vae", "tutorial"))
        failed = [r["failed"] for r in (*ours, *theirs) if "failed" in r]
        if failed:
            lines.append(f"| {int(steps):,} | failed: {failed[0].replace('|', '/')} | | | | |")
            continue
        fits = len(ours[0]["fit_seconds"])
        ratios = [_ratios(ours, theirs, fit) if fit < fits else "–" for fit in range(3)]
        firsts = [statistics.median(r["fit_seconds"][0] for r in rs) for rs in (ours, theirs)]
        cells = [*ratios, *(f"{seconds:.2f}" for seconds in firsts)]
        lines.append(f"| {int(steps):,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratios(ours, theirs, fit):
    """The median of the rounds' ratios of one call, the least and the most."""
    ratios = [
        b["fit_seconds"][fit] / a["fit_seconds"][fit] for a, b in zip(ours, theirs, strict=True)
    ]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


NOTE = """\
The MLP 784-200-200-50 on TensorFlow, batches of 100, epochs of at most 20,000 examples, Adam: three
calls of `fit` of one model in a fresh process, or one if it is long. All that a call does is
included, imports are not. The numbers are how many times as fast as the model of Keras' tutorial
each call is, in the median of at least five rounds, with the least and the most. XLA compiles the
steps from the second call on, or in the first if it has many; that takes the second call of a few
steps a second."""
