"""What the noise costs in sampler.onnx, beside decoder.onnx fed with z from memory.

    python benchmarks/noise_cost.py runs/mnist/onnx

The two take turns in one process, on one thread. Prints medians, the spread, and the median and the
quartiles of the differences within each round, as shares of the decoder's own time.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from export.runtime.sessions import onnxruntime


def session(path, threads):
    """A session of a few threads that says nothing."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options)


def seconds(run):
    """How long `run()` takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main():
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, help="a folder that python -m export wrote")
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=51)
    options = parser.parse_args()
    sampler = session(options.bundle / "sampler.onnx", options.threads)
    decoder = session(options.bundle / "decoder.onnx", options.threads)
    request = {"seed": 0, "first": 0, "count": options.count}
    feeds = {name: np.array(value, np.int64) for name, value in request.items()}
    feeds["temperature"] = np.array(1, np.float32)
    z = sampler.run(["z"], feeds)[0]
    runs = {
        "decoder.onnx": lambda: decoder.run(None, {"z": z}),
        "sampler.onnx": lambda: sampler.run(None, feeds),
    }
    for run in runs.values():
        seconds(run)
    rounds = [{name: seconds(run) for name, run in runs.items()} for _ in range(options.rounds)]
    print(f"count {options.count}, {options.threads} thread(s), {options.rounds} rounds")
    for name in runs:
        times = [1000 * times[name] for times in rounds]
        middle, least, most = statistics.median(times), min(times), max(times)
        print(f"{name:<16}{middle:>9.2f} ms   ({least:.2f} to {most:.2f})")
    decoder = statistics.median(times["decoder.onnx"] for times in rounds)
    cost = [times["sampler.onnx"] - times["decoder.onnx"] for times in rounds]
    low, middle, high = statistics.quantiles(cost, n=4)
    print(
        f"the noise: {1000 * middle:.2f} ms, {middle / decoder:.1%} of the decoder's time "
        f"(quartiles {low / decoder:.1%} to {high / decoder:.1%})"
    )


if __name__ == "__main__":
    main()
