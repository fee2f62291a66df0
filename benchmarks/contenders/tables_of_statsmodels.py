"""Writes the tables that statsmodels carries as .csv. It needs the environment of ctgan.

build/bench/ctgan/bin/python benchmarks/contenders/tables_of_statsmodels.py FOLDER
"""

import sys
from pathlib import Path

from statsmodels import datasets

NAMES = ("anes96", "fair", "star98")


def main(folder):
    """Writes NAME.csv for each of `NAMES`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        frame = getattr(datasets, name).load_pandas().data
        whole = [c for c in frame if (frame[c] == frame[c].round()).all()]
        frame = frame.astype(dict.fromkeys(whole, "int64"))
        frame.to_csv(folder / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(sys.argv[1])
