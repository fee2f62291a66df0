"""Samples of trained models beside test images: how like them they are, and the floor.

    python -m benchmarks.samples runs/mnist runs/mnist-flow --out docs/samples.md

Runs and bundles of any data; those of the same data share the features, the floor and the seeds,
and the first of them is what the others are compared with. Means of p(x|z) are compared with grey
images. What the decoder of the first makes of z from q(z|x), x of the training data, says what a
perfect prior would get. Writes the table of each data set into the page, between its marks, and
prints it.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.tables import between
from keras_vae import datasets
from keras_vae.cli import BAD_INPUT, Parser, fail
from keras_vae.commands import runs
from keras_vae.evaluation import SampleReference
from keras_vae.evaluation.quality import NAMES, shown
from keras_vae.files import atomic_write

BEGIN, END = "<!-- {}, by benchmarks/samples.py -->", "<!-- and no more of {} -->"
"""The marks in the page around what is said of a data set."""


class Posterior:
    """Samples as a perfect prior of a model would make them: z from q(z|x), x from the data."""

    def __init__(self, vae, x):
        self.vae, self.x = vae, x

    def sample(self, count, seed=0, mean=True):
        """Means of p(x|z), `(count, *shape)`."""
        rng = np.random.default_rng([seed, 2])
        z_mean, z_log_var = self.vae.encode(self.x[rng.permutation(len(self.x))[:count]])
        epsilon = rng.standard_normal(z_mean.shape, "float32")
        return self.vae.decode(z_mean + np.exp(z_log_var / 2) * epsilon)


def by_data(paths):
    """`{data: [(folder, its Source), ...]}` of runs and bundles."""
    found = {}
    for path in paths:
        folder = runs.find(path)
        source = folder.settings()
        if source is None:
            raise ValueError(f"nothing in {path} names its data: give a run of train")
        found.setdefault(source.data, []).append((folder, source))
    return found


def measured(options):
    """`{data: {model: SampleQuality}}`, with a line of progress each."""
    results = {}
    for data, members in by_data(options.run).items():
        dataset = datasets.load(data, options.data_dir or members[0][1].data_dir)
        asked = options.num_samples, options.seeds, options.seed
        reference = SampleReference(dataset.x_train, dataset.x_test, dataset.y_train, *asked)
        models = {str(folder.path): folder.open() for folder, _ in members}
        first = next(iter(models))
        if not models[first].covariates:
            models[f"{first}, z from q(z\\|x)"] = Posterior(models[first], dataset.x_train)
        for name, vae in models.items():
            found = reference.quality(vae, data=data)
            results.setdefault(data, {})[name] = found
            print(f"{name}\n{found}", file=sys.stderr, flush=True)
    return results


def table(results):
    """A row for each model and one for the floor: means ± standard errors over the seeds.

    The excess is the Fréchet distance minus the floor, and what part it is of the first model's.

    Args:
        results: `{model: SampleQuality}` of one data set.

    Example:

    >>> from keras_vae.evaluation import SampleQuality
    >>> a, b, floor = ({name: [d, d] for name in NAMES} for d in (3.0, 2.0, 1.0))
    >>> print(table({"a": SampleQuality({}, a, floor), "b": SampleQuality({}, b, floor)}))
    | | Fréchet distance, % | precision | recall | told apart | excess | ÷ a |
    |---|---:|---:|---:|---:|---:|---:|
    | a | 3.000 ± 0.000 | 3.000 ± 0.000 | 3.000 ± 0.000 | 3.000 ± 0.000 | 2.000 ± 0.000 | 1.00 |
    | b | 2.000 ± 0.000 | 2.000 ± 0.000 | 2.000 ± 0.000 | 2.000 ± 0.000 | 1.000 ± 0.000 | 0.50 |
    | floor | 1.000 ± 0.000 | 1.000 ± 0.000 | 1.000 ± 0.000 | 1.000 ± 0.000 | | |
    """
    first = next(iter(results))
    rows = [["", *NAMES.values(), "excess", f"÷ {first}"], ["---", *["---:"] * (len(NAMES) + 2)]]
    excess = {model: found.excess["frechet_distance"] for model, found in results.items()}
    for model, found in results.items():
        cells = [shown(found.estimates[name]) for name in NAMES]
        part = excess[model].mean / excess[first].mean
        rows.append([model, *cells, shown(excess[model]), f"{part:.2f}"])
    rows.append(["floor", *(shown(results[first].floors[name]) for name in NAMES), "", ""])
    lines = [f"| {' | '.join(row)} |".replace("  ", " ") for row in rows]
    return "\n".join([lines[0], lines[1].replace(" ", ""), *lines[2:]])


def markdown(results):
    """`{data: its table, under what was compared}`."""
    parts = {}
    for data, found in results.items():
        told = next(iter(found.values())).protocol
        named = ", ".join(f"{name} {value}" for name, value in told.items() if name != "data")
        parts[data] = f"{data}: {named}.\n\n{table(found)}"
    return parts


def main(arguments=None):
    """Measures, writes the tables into the page and returns the exit status."""
    parser = Parser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="+", metavar="DIR", help="a run, or a bundle")
    parser.add_argument("--data-dir", help="as in train")
    parser.add_argument("--num-samples", type=int, default=10_000, help="of each model, at most")
    parser.add_argument("--seeds", type=int, default=3, help="how often all is repeated")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--out", type=Path, help="the page, with the marks; else it is printed")
    given = sys.argv[1:] if arguments is None else arguments
    options, started = parser.parse_args(given), time.process_time()
    try:
        with_tables(options.out, dict.fromkeys(by_data(options.run), ""))  # before the work
        tables = markdown(measured(options))
        minutes = (time.process_time() - started) / 60
        took = f"`{command(given)}` took {minutes:.0f} minutes of a CPU."
        tables = {data: f"{text}\n\n{took}" for data, text in tables.items()}
        if options.out:
            page = with_tables(options.out, tables)
            with atomic_write(options.out) as path:
                path.write_text(page, encoding="utf-8")
    except (ValueError, OSError) as error:
        return fail(error, BAD_INPUT)
    print(*tables.values(), sep="\n\n")
    return 0


def command(given):
    """What was typed."""
    return shlex.join(["python", "-m", "benchmarks.samples", *map(str, given)])


def with_tables(path, tables):
    """What stands at `path`, with each text between its marks; nothing where there is no path.

    Args:
        path: a `pathlib.Path`, or None.
        tables: `{data: text}`.
    """
    page = path and path.read_text(encoding="utf-8")
    for data, text in tables.items() if path else ():
        page = between(page, BEGIN.format(data), END.format(data), text)
    return page


if __name__ == "__main__":
    raise SystemExit(main())
