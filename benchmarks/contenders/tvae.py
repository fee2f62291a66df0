"""TVAE of ctgan, with its own settings: trains on a .csv and writes rows. Prints a line of JSON.

build/bench/ctgan/bin/python benchmarks/contenders/tvae.py TRAIN.csv COUNT SEED OUT.csv
"""

import json
import sys
import time

import pandas as pd
import torch
from ctgan import TVAE

FEW = 12
"""Columns of so many values are named as discrete, as our own command takes them."""


def main(train, count, seed, out):
    """Trains, samples and writes."""
    torch.set_num_threads(2)
    torch.manual_seed(int(seed))
    frame = pd.read_csv(train)
    discrete = [c for c in frame if frame[c].nunique() <= FEW or frame[c].dtype == object]
    begun = time.perf_counter()
    model = TVAE(cuda=False)
    model.fit(frame, discrete)
    trained = time.perf_counter()
    rows = model.sample(int(count))
    sampled = time.perf_counter()
    rows.to_csv(out, index=False)
    print(json.dumps({"training": trained - begun, "sampling": sampled - trained}))


if __name__ == "__main__":
    main(*sys.argv[1:])
