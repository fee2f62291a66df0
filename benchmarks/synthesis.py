"""Synthetic rows of real tables, ours and those of TVAE: how like the real ones they are.

    python -m benchmarks.synthesis --ctgan build/bench/ctgan/bin/python --out docs/synthesis.md

Each table is split at random, 4/5 to train on, several times. A model makes as many rows as it was
trained on. The real rows that were held out are measured in the same way, which says what a model
that knew everything would get.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors

from benchmarks.tables import between

TARGETS = {
    "anes96": lambda rows: rows["vote"] > 0.5,
    "fair": lambda rows: rows["affairs"] > 0,
    "star98": lambda rows: rows["NABOVE"] > rows["NBELOW"],
}
"""What a classifier is to tell, from the columns that it is not made of."""

OF_TARGET = {"anes96": ["vote"], "fair": ["affairs"], "star98": ["NABOVE", "NBELOW"]}
BEGIN = "<!-- the table of benchmarks/synthesis.py begins -->"
END = "<!-- and ends -->"
BINS = 5
"""For the dependence of two columns: quintiles of the real rows."""


def ours(train, count, seed, folder):
    """Rows by the commands that a person types, with what they take where nothing is said."""
    run, bundle, out = folder / "run", folder / "onnx", folder / "ours.csv"
    begun = time.perf_counter()
    command(
        "-m", "keras_vae", "train", "--data", train, "--seed", seed, "--out", run, "--overwrite"
    )
    trained = time.perf_counter()
    command("-m", "export", run, "--out", bundle)
    begun_to_sample = time.perf_counter()
    command("-m", "export.runtime", bundle, "--count", count, "--seed", seed, "--out", out)
    sampled = time.perf_counter()
    return out, {"training": trained - begun, "sampling": sampled - begun_to_sample}


def command(*words):
    """Runs a command of ours, which is to print nothing but errors."""
    subprocess.run([sys.executable, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def tvae(python):
    """As `ours`, of TVAE by that interpreter."""

    def rows(train, count, seed, folder):
        script = Path(__file__).parent / "contenders" / "tvae.py"
        words = [python, script, train, count, seed, folder / "tvae.csv"]
        done = subprocess.run([*map(str, words)], check=True, capture_output=True, text=True)
        return folder / "tvae.csv", json.loads(done.stdout.splitlines()[-1])

    return rows


def measured(name, train, test, made):
    """What is measured of the rows `made`, all of them data frames of numbers."""
    return {
        "classifier": classifier(name, made, test),
        "detection": detection(pd.concat([train, test]), made),
        "marginals": marginals(train, made),
        "pairs": pairs(train, made),
        "nearest": nearest(train, made) / nearest(train, test),
        "copies": pd.merge(made, train.drop_duplicates(), how="inner").shape[0] / len(made),
    }


def classifier(name, rows, test):
    """ROC-AUC on real rows of a classifier that was trained on `rows`."""
    y, left = TARGETS[name], OF_TARGET[name]
    if y(rows).nunique() < 2:
        return 0.5
    model = HistGradientBoostingClassifier(random_state=0).fit(rows.drop(columns=left), y(rows))
    return roc_auc_score(y(test), model.predict_proba(test.drop(columns=left))[:, 1])


def detection(real, made):
    """ROC-AUC of a classifier that tells real from made, in 5 folds; 0.5 is best."""
    made = made.sample(min(len(made), len(real)), random_state=0)
    x = pd.concat([real, made])
    y = np.repeat([1, 0], [len(real), len(made)])
    model = HistGradientBoostingClassifier(random_state=0)
    folds = np.random.default_rng(0).permutation(len(y))
    p = cross_val_predict(model, x.iloc[folds], y[folds], cv=5, method="predict_proba")[:, 1]
    return roc_auc_score(y[folds], p)


def marginals(real, made):
    """The mean over the columns of the largest difference of the distribution functions."""
    gaps = []
    for name in real:
        points = np.sort(real[name].unique())
        ends = [np.searchsorted(np.sort(f[name]), points, "right") / len(f) for f in (real, made)]
        gaps.append(np.abs(ends[0] - ends[1]).max())
    return float(np.mean(gaps))


def pairs(real, made):
    """The mean over pairs of columns of the total variation of their joint quintiles."""
    edges = {n: np.unique(np.quantile(real[n], np.linspace(0, 1, BINS + 1)[1:-1])) for n in real}
    binned = [{n: np.searchsorted(edges[n], f[n], "left") for n in f} for f in (real, made)]
    names, found = list(real), []
    for i, a in enumerate(names):
        for b in names[:i]:
            shares = [joint(of[a], of[b]) for of in binned]
            found.append(0.5 * np.abs(shares[0] - shares[1]).sum())
    return float(np.mean(found))


def joint(a, b):
    """The shares of pairs of bins."""
    return np.bincount(a * (BINS + 1) + b, minlength=(BINS + 1) ** 2) / len(a)


def nearest(train, rows):
    """The median distance to the nearest row of `train`, in deviations of it."""
    mean, deviation = train.mean(), train.std().replace(0, 1)
    found = NearestNeighbors(n_neighbors=1).fit((train - mean) / deviation)
    return float(np.median(found.kneighbors((rows - mean) / deviation)[0])) + 1e-9


def main():
    """Prints the table, or writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ctgan", help="an interpreter that has ctgan and statsmodels")
    parser.add_argument("--data", type=Path, default=Path("build/bench/tables"))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(TARGETS))
    parser.add_argument("--out", type=Path, help="the page, with the marks; else it is printed")
    given = parser.parse_args()
    if given.ctgan and not (given.data / "fair.csv").exists():
        script = Path(__file__).parent / "contenders" / "tables_of_statsmodels.py"
        subprocess.run([given.ctgan, script, given.data], check=True)
    makers = {"keras-vae": ours, **({"TVAE": tvae(given.ctgan)} if given.ctgan else {})}
    results = {}
    for name in given.only:
        for split in range(given.splits):
            for maker, result in one(given.data, name, split, makers):
                print(name, split, maker, {k: round(v, 3) for k, v in result.items()}, flush=True)
                results.setdefault((name, maker), []).append(result)
    text = table(results)
    print(text)
    if given.out:
        page = between(given.out.read_text(encoding="utf-8"), BEGIN, END, text)
        given.out.write_text(page, encoding="utf-8")


def one(data, name, split, makers):
    """Of each maker what is measured, and of the rows that are held out."""
    rows = pd.read_csv(data / f"{name}.csv")
    order = np.random.default_rng(split).permutation(len(rows))
    cut = len(rows) * 4 // 5
    train, test = rows.iloc[order[:cut]], rows.iloc[order[cut:]]
    folder = data / f"{name}-{split}"
    folder.mkdir(parents=True, exist_ok=True)
    train.to_csv(folder / "train.csv", index=False)
    real = measured(name, train, test, test)
    best = {"classifier": classifier(name, train, test), "detection": detection(train, test)}
    yield "real rows", real | best
    for maker, make in makers.items():
        path, times = make(folder / "train.csv", len(train), split, folder)
        made = pd.read_csv(path)[list(rows)]
        rate = len(train) / times["sampling"]
        yield maker, measured(name, train, test, made) | times | {"rate": rate}


def table(results):
    """The table in Markdown: means, and standard errors over the splits."""
    keys = (
        "classifier",
        "detection",
        "marginals",
        "pairs",
        "nearest",
        "copies",
        "training",
        "rate",
    )
    lines = [["table", "rows of", *keys], ["---"] * (2 + len(keys))]
    for (name, maker), found in results.items():
        cells = [cell([result[key] for result in found if key in result]) for key in keys]
        lines.append([name, maker, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(values):
    """A mean with its standard error.

    >>> cell([0.5, 0.7])
    '0.600 ± 0.100'
    """
    if not values:
        return "–"
    mean, digits = np.mean(values), 3 if abs(np.mean(values)) < 10 else 0
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{mean:,.{digits}f} ± {error:,.{digits}f}"


if __name__ == "__main__":
    main()
