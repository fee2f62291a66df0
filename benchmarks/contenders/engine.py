"""Draws or scores so many rows into Parquet, by Ray Data or in one process, and prints the time.

    build/engines/bin/python -m benchmarks.contenders.engine samples runs/digits/onnx --workers 2

Loads no Keras: that is what a worker has. The rows are read back, and a checksum of them in the
order of their indices says whether two ways wrote the same bytes.
"""

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from export.runtime.ray import Sampler, Scorer

BATCH = 1024
ROOT = Path(__file__).parents[2]
RESULT = {"samples": "x", "scores": "log_likelihood"}


class Both:
    """Draws the rows of some indices and scores what it drew, as a Scorer has them of a file."""

    def __init__(self, bundle, draws):
        self.sampler, self.scorer = Sampler(bundle, 7), Scorer(bundle, draws)

    def __call__(self, batch):
        return self.scorer(self.sampler(batch))


def worker(options):
    """The class that makes columns of a batch, and its arguments."""
    if options.what == "samples":
        return Sampler, [options.bundle, 7]
    return Both, [options.bundle, options.draws]


def alone(options, out):
    """One `OnnxVAE` in this process, batch by batch."""
    kind, arguments = worker(options)
    work, writer = kind(*arguments), None
    begin = time.perf_counter()
    for first in range(0, options.count, BATCH):
        batch = work({"id": np.arange(first, min(first + BATCH, options.count))})
        table = pa.table({name: column(values) for name, values in batch.items()})
        writer = writer or pq.ParquetWriter(out / "all.parquet", table.schema)
        writer.write_table(table)
    writer.close()
    return time.perf_counter() - begin


def column(values):
    """An array as a column of Parquet, one row of numbers for each example."""
    return pa.array(values if values.ndim == 1 else [*values.reshape(len(values), -1)])


def by_ray(options, out):
    """Actors of Ray Data; the time does not hold the start of Ray, but that of the actors."""
    import ray

    ray.init(
        num_cpus=options.cores,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    kind, arguments = worker(options)
    begin = time.perf_counter()
    ray.data.range(options.count).map_batches(
        kind,
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(size=options.workers),
        batch_size=BATCH,
        num_cpus=0.1,  # for three actors on two cores, and for what writes
    ).write_parquet(str(out))
    seconds = time.perf_counter() - begin
    ray.shutdown()
    return seconds


def checksum(out, name):
    """SHA-256 of a column in the order of the indices, and how many rows there are."""
    files = sorted(out.glob("*.parquet"))
    ids = np.concatenate([pq.read_table(path, columns=["id"])["id"].to_numpy() for path in files])
    values = [flat(pq.read_table(path, columns=[name])[name]) for path in files]
    values = np.concatenate(values).reshape(len(ids), -1)[np.argsort(ids)]
    return hashlib.sha256(values.tobytes()).hexdigest(), len(ids)


def flat(column):
    """All numbers of a column, lists and tensors in one row."""
    parts = []
    for chunk in column.chunks:
        chunk = getattr(chunk, "storage", chunk)
        while isinstance(chunk.type, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
            chunk = chunk.flatten()
        parts.append(chunk.to_numpy(zero_copy_only=False))
    return np.concatenate(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=RESULT)
    parser.add_argument("bundle")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--draws", type=int, default=100, help="of z for a score")
    parser.add_argument("--workers", type=int, default=0, help="actors of Ray; 0: no Ray")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    options.bundle = str(Path(options.bundle).resolve())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        seconds = (by_ray if options.workers else alone)(options, out)
        sha256, rows = checksum(out, RESULT[options.what])
    assert rows == options.count
    rate = options.count / seconds
    print(json.dumps({"work_seconds": seconds, "rows_per_second": rate, "sha256": sha256}))


if __name__ == "__main__":
    main()
