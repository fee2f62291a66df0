"""python tests/engines/with_ray.py BUNDLE OUT: samples and scores by Ray Data, as an .npz.

An array for each way of dealing the rows out, in the order of their indices.
"""

import os
import sys
from pathlib import Path

import numpy as np
import ray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from export.runtime.ray import Sampler, Scorer  # noqa: E402

COUNT, SCORED = 2500, 120
NOTE = "KERAS_VAE_KILLED"


class Mortal(Sampler):
    """A sampler whose worker is killed once, amid its work."""

    def __call__(self, batch):
        note = Path(os.environ[NOTE])
        if batch["id"].max() > COUNT // 2 and not note.exists():
            note.touch()
            os.kill(os.getpid(), 9)
        return super().__call__(batch)


def mapped(data, worker, arguments, workers, batch_size):
    """What the workers make of the rows: columns, by the index."""
    data = data.map_batches(
        worker,
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(size=workers),
        batch_size=batch_size,
        num_cpus=0.1,
    )
    batches = list(data.iter_batches(batch_size=None))
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    order = np.argsort(columns.pop("id"))
    return {name: values[order] for name, values in columns.items()}


def rows(count, blocks, shuffled):
    data = ray.data.range(count, override_num_blocks=blocks)
    return data.random_shuffle(seed=1) if shuffled else data


def main(bundle, out):
    env = {"PYTHONPATH": str(ROOT), NOTE: str(Path(out).with_suffix(".killed"))}
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": env},
    )  # fmt: skip
    ray.data.DataContext.get_current().enable_progress_bars = False
    results = {}
    for name, worker, workers, batch_size, blocks, shuffled in (
        ("one", Sampler, 1, 1024, 1, False),
        ("two", Sampler, 2, 333, 7, False),
        ("three", Sampler, 3, 1000, 4, True),
        ("killed", Mortal, 2, 200, 9, False),
    ):
        data = rows(COUNT, blocks, shuffled)
        results[name] = mapped(data, worker, [bundle, 7], workers, batch_size)["x"]
    x = (results["one"][:SCORED] > 0.5).astype("float32")
    for name, workers, batch_size, shuffled in (
        ("scores of one", 1, 64, False),
        ("scores of three", 3, 33, True),
    ):
        data = ray.data.from_items([{"id": i, "x": row} for i, row in enumerate(x)])
        data = data.random_shuffle(seed=2) if shuffled else data
        results[name] = mapped(data, Scorer, [bundle, 9], workers, batch_size)["log_likelihood"]
    np.savez(out, killed_once=Path(env[NOTE]).exists(), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
