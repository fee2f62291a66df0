"""Anomalies in three real data sets: log p(x) of a VAE beside three detectors of scikit-learn.

    python -m benchmarks.anomaly --out docs/anomalies.md

Writes the tables into the page, between its marks, and prints them. Nothing is tuned: the VAE is
what `train` makes of the data, and the others have scikit-learn's defaults.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from sklearn import datasets as sets
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM

from benchmarks.tables import between
from keras_vae import anomaly, conformal, evaluation
from keras_vae.cli import BAD_INPUT, Parser, fail
from keras_vae.commands import recipe
from keras_vae.datasets.dataset import from_arrays
from keras_vae.files import atomic_write
from keras_vae.settings import Settings

RATE = 0.1
"""The rate of false alarms that is asked for."""
NUM_SAMPLES = 100
BEGIN, END = "<!-- the tables of benchmarks/anomaly.py begin -->", "<!-- and end -->"


class Problem(NamedTuple):
    """What is normal, and what is not."""

    row: str
    normal: np.ndarray
    strange: np.ndarray


class Parts(NamedTuple):
    """A problem, split at random."""

    train: np.ndarray
    calibration: np.ndarray
    normal: np.ndarray
    strange: np.ndarray


class Found(NamedTuple):
    """What a detector is worth on a split."""

    auc: float
    false_alarms: float
    detected: float


def problems(splits):
    """Each `Problem` with the seeds of its splits; those of one row are averaged."""
    tables = {"breast cancer": sets.load_breast_cancer(), "wine": sets.load_wine()}
    cancer, wine = ((s.data.astype("float32"), s.target) for s in tables.values())
    yield left_out("breast cancer, malignant", *cancer, 0), range(splits)
    for label in range(3):
        yield left_out(f"wine, cultivar {label + 1}", *wine, label), range(splits)
    digits = sets.load_digits()
    images = (digits.images / 16).astype("float32")[..., None]
    for label in range(10):
        yield left_out("digits, each in turn", images, digits.target, label), [label]


def left_out(row, x, y, label):
    """The problem whose anomalies are one class.

    Example:

    >>> left_out("b", np.array([5, 6, 7]), np.array([0, 1, 0]), 1).normal
    array([5, 7])
    """
    return Problem(row, x[y != label], x[y == label])


def split(problem, seed):
    """The `Parts`: of what is normal a half to train on, and a quarter each for the others.

    Example:

    >>> parts = split(Problem("", np.arange(8), np.arange(3)), seed=0)
    >>> [len(part) for part in parts]
    [4, 2, 2, 3]
    """
    x = np.random.default_rng(seed).permutation(problem.normal)
    train, calibration, normal = np.split(x, [len(x) // 2, 3 * len(x) // 4])
    return Parts(train, calibration, normal, problem.strange)


def vae(train, seed):
    """−log p(x) of the VAE that `train` makes, its best epoch by a tenth that is held out."""
    keras.utils.set_random_seed(seed)
    dataset = from_arrays("normal", train, train[:1])
    settings = recipe.resolved(Settings(seed=seed), dataset)
    data = recipe.split(settings, dataset)
    model = recipe.model(settings, dataset, data.x)
    model.compile(optimizer=recipe.optimizer(settings, len(data.x)))
    best = keras.callbacks.EarlyStopping(
        mode="min", patience=settings.epochs, restore_best_weights=True
    )
    asked = {"batch_size": settings.batch_size, "epochs": settings.epochs, "verbose": 0}
    model.fit(data.x, validation_data=data.validation, callbacks=[best], **asked)
    return lambda x: anomaly.scores(model, x, NUM_SAMPLES, seed)


def scaling(train):
    """What brings columns to one unit; pixels have one, and the VAE takes them as they are too."""
    return StandardScaler() if train.ndim == 2 else FunctionTransformer()


def pca(components):
    """The squared error of x from so many components, or from those that explain such a share."""

    def fitted(train, seed):
        scaler = scaling(train).fit(flat(train))
        found = PCA(components).fit(scaler.transform(flat(train)))

        def scores(x):
            x = scaler.transform(flat(x))
            return ((x - found.inverse_transform(found.transform(x))) ** 2).sum(axis=1)

        return scores

    return fitted


def forest(train, seed):
    """IsolationForest with its defaults."""
    found = IsolationForest(random_state=seed).fit(flat(train))
    return lambda x: -found.score_samples(flat(x))


def svm(train, seed):
    """OneClassSVM with its defaults, an RBF kernel."""
    found = make_pipeline(scaling(train), OneClassSVM()).fit(flat(train))
    return lambda x: -found.score_samples(flat(x))


METHODS = {
    "keras-vae": vae,
    "PCA, 95 %": pca(0.95),
    "PCA, 8": pca(8),  # as many as the VAE has latents
    "IsolationForest": forest,
    "OneClassSVM": svm,
}


def flat(x):
    """Examples as rows."""
    return x.reshape(len(x), -1)


def judged(scores, parts):
    """What a score of strangeness is worth: `Found`, by a conformal threshold for the alarms."""
    calibration, normal, strange = map(scores, parts[1:])
    is_strange = np.repeat([0, 1], [len(normal), len(strange)])
    every = np.minimum(np.concatenate([normal, strange], dtype="float64"), sys.float_info.max)
    above = conformal.threshold(calibration, RATE)
    auc = roc_auc_score(is_strange, every)
    return Found(auc, (normal > above).mean(), (strange > above).mean())


def measure(splits):
    """`{row: {method: [Found, ...]}}` of all problems, with a line of progress each."""
    results = {}
    for problem, seeds in problems(splits):
        for seed in seeds:
            parts, row = split(problem, seed), results.setdefault(problem.row, {})
            for name, method in METHODS.items():
                row.setdefault(name, []).append(judged(method(parts.train, seed), parts))
            found = ", ".join(f"{name} {row[name][-1].auc:.3f}" for name in METHODS)
            print(f"{problem.row}, split {seed}: {found}", file=sys.stderr, flush=True)
    return results


def table(results, value, best=None):
    """A row for each problem and a column for each method: mean ± standard error over the splits.

    Args:
        results: as `measure` returns them.
        value: the name of a field of `Found`.
        best: a function that chooses, of the means of a row, the one that is set in bold.

    Example:

    >>> one, two = [Found(0.9, 0, 1)] * 2, [Found(0.7, 0, 1), Found(0.8, 0, 1)]
    >>> print(table({"a": {"m": one, "n": two}}, "auc", max))
    | | m | n |
    |---|---:|---:|
    | a | **0.900 ± 0.000** | 0.750 ± 0.050 |
    """
    names = list(next(iter(results.values())))
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for row, methods in results.items():
        found = [[getattr(one, value) for one in methods[name]] for name in names]
        cells = ["{:.3f} ± {:.3f}".format(*evaluation.estimate(values)) for values in found]
        top = best and best(np.mean(values) for values in found)
        cells = [
            f"**{cell}**" if top == np.mean(values) else cell
            for cell, values in zip(cells, found, strict=True)
        ]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def markdown(results):
    """The three tables."""
    heads = {
        "auc": "ROC-AUC; 1 is perfect, 0.5 is chance; the best mean of a row in bold:",
        "false_alarms": f"False alarms among new normal examples, where {RATE} is asked for:",
        "detected": "Anomalies that are found by the same threshold:",
    }
    best = {"auc": max, "false_alarms": None, "detected": max}
    parts = [f"{head}\n\n{table(results, name, best[name])}" for name, head in heads.items()]
    return "\n\n".join(parts)


def main(arguments=None):
    """Measures, writes the tables into the page and returns the exit status."""
    parser = Parser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the page, with the marks")
    parser.add_argument("--splits", type=int, default=5, help="of a table, 2 at least")
    options, started = parser.parse_args(arguments), time.process_time()
    try:
        if options.splits < 2:
            raise ValueError(f"--splits must be at least 2, got {options.splits}")
        with_tables(options.out, "")  # before the work
        text = markdown(measure(options.splits))
        took = f"Took {(time.process_time() - started) / 60:.0f} minutes of a CPU."
        page = with_tables(options.out, f"{text}\n\n{took}")
        with atomic_write(options.out) as path:
            path.write_text(page)
    except (ValueError, OSError) as error:
        return fail(error, BAD_INPUT)
    print(text)
    return 0


def with_tables(path, text):
    """What stands at `path`, with `text` between the marks."""
    return between(path.read_text(), BEGIN, END, text)


if __name__ == "__main__":
    raise SystemExit(main())
