"""python tests/engines/with_beam.py BUNDLE OUT: samples and scores by Apache Beam, as an .npz.

An array for each number of workers of Beam's direct runner, in the order of the indices.
"""

import sys
import tempfile
from pathlib import Path

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import RunInference
from apache_beam.ml.inference.onnx_inference import OnnxModelHandlerNumpy

sys.path.insert(0, str(Path(__file__).parents[2]))

from export.runtime.beam import sampling, scoring

COUNT, SCORED = 500, 60


def computed(elements, graph, function, written, workers, most):
    """What the graph makes of the elements, a list of arrays."""
    handler = OnnxModelHandlerNumpy(
        str(graph), providers=["CPUExecutionProvider"], inference_fn=function, max_batch_size=most
    )
    options = beam.options.pipeline_options.PipelineOptions(
        [], runner="DirectRunner", direct_num_workers=workers, direct_running_mode="multi_threading"
    )
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | beam.Create(elements)
                | beam.Reshuffle()
                | RunInference(handler)
                | beam.Map(written, folder)
            )
        return [np.load(path) for path in sorted(Path(folder).glob("*.npy"))]


def sample(result, folder):
    np.save(f"{folder}/{int(result.example):06d}.npy", result.inference)


def score(result, folder):
    index = int(result.example["index"])
    np.save(f"{folder}/{index:06d}.npy", result.inference["log_likelihood"])


def main(bundle, out):
    bundle, results = Path(bundle), {}
    indices = [np.int64(i) for i in range(COUNT)]
    for workers, most in ((1, 64), (2, 33)):
        graph = bundle / "sampler.onnx"
        drawn = computed(indices, graph, sampling(seed=7), sample, workers, most)
        results[f"samples of {workers}"] = np.stack(drawn)
    x = (results["samples of 1"][:SCORED] > 0.5).astype("float32")
    fields = [("index", np.int64), ("x", np.float32, x.shape[1:])]
    records = np.array([(i, row) for i, row in enumerate(x)], dtype=fields)
    for workers, most in ((1, 16), (2, 7)):
        graph = bundle / "scorer.onnx"
        scored = computed([*records], graph, scoring(9), score, workers, most)
        results[f"scores of {workers}"] = np.stack(scored)
    np.savez(out, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
