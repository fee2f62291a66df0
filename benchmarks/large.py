"""Trains on a table of millions of rows by the command, and says in how much memory and how fast.

    python -m benchmarks.large [--rows 5000000] [--beside 100000] [--keep FOLDER]

It makes a `.csv` of 7 columns (numbers, a count, two categories, a date, gaps), trains on it for
one epoch, evaluates, and does the same with as many rows as `--beside` says.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from benchmarks.harness import MEBI

AT_ONCE = 500_000
COLUMNS = 7


class Cost(NamedTuple):
    """What one command took."""

    seconds: float
    """Of the clock."""
    cpu: float
    """Seconds of all cores."""
    peak: float
    """MiB of memory that it held at most."""
    epoch: float
    """Seconds of the first epoch; NaN where none was trained."""


def main():
    """Prints a table: a line for each number of rows and each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--beside", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="a folder for the tables and the runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = given.keep or Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        counts = dict.fromkeys((given.rows, given.beside))
        print(row(HEAD), row(["---:"] * len(HEAD)), sep="\n", flush=True)
        for rows in counts:
            for line in lines(folder, rows):
                print(row(line), flush=True)


HEAD = ("rows", "command", "s", "CPU s", "MiB", "MiB of x", "rows/s of the epoch")


def row(cells):
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def lines(folder, rows):
    """A line for each command on a table of so many rows."""
    path, run = folder / f"{rows}.csv", folder / f"{rows}.run"
    if not path.exists():
        write(path, rows)
    array = f"{4 * COLUMNS * rows / 2**20:,.0f}"
    train = cost("train", "--data", path, "--out", run, "--epochs", "1", "--overwrite")
    for name, c in (("train", train), ("evaluate", cost("evaluate", run))):
        rate = f"{0.72 * rows / c.epoch:,.0f}" if c.epoch == c.epoch else ""
        yield f"{rows:,}", name, f"{c.seconds:.1f}", f"{c.cpu:.1f}", f"{c.peak:,.0f}", array, rate


def cost(*arguments, first="pass"):
    """The `Cost` of a command of keras-vae, after the Python `first`; its status must be 0."""
    called = f"import sys; {first}; from keras_vae import cli; sys.exit(cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", called, *map(str, arguments)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}: {out}")
    epoch = re.search(r"^epoch +1/\S+ +(\S+) s", out, re.M)
    seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    return Cost(seconds, cpu, usage.ru_maxrss / MEBI, float(epoch[1]) if epoch else float("nan"))


def write(path, rows, seed=0):
    """A made-up table: an age, an income with gaps, a score, visits, a city, a plan, a day."""
    rng = np.random.default_rng(seed)
    with open(path, "wb") as file:
        for start in range(0, rows, AT_ONCE):
            part = frame(rng, min(AT_ONCE, rows - start))
            part.write_csv(file, include_header=start == 0)


def frame(rng, rows):
    """So many rows of it."""
    age = np.clip(rng.normal(45, 15, rows), 18, 99).round()
    income = np.exp(rng.normal(10 + age / 100, 0.5)).round(2)
    days = np.datetime64("2020-01-01") + rng.integers(0, 1500, rows).astype("timedelta64[D]")
    return pl.DataFrame(
        {
            "age": age.astype(int),
            "income": pl.Series(np.where(rng.random(rows) < 0.1, np.nan, income)).fill_nan(None),
            "score": rng.normal(0, 1, rows).round(3),
            "visits": rng.negative_binomial(2, 0.2, rows),
            "city": np.array([f"city {i}" for i in range(40)])[rng.integers(0, 40, rows)],
            "plan": np.array(["free", "basic", "full"])[np.digitize(age, (35, 60))],
            "since": days,
        }
    )


if __name__ == "__main__":
    main()
