"""Samples a second by threads, workers and chunk, and how long a small request takes.

    python benchmarks/sampling.py runs/mnist/onnx runs/digits/onnx

A session computes with its own threads ("threads"), and several Python threads may run it at the
same time, each on a chunk of its own ("workers"). `export.runtime` takes the fastest way as its
default. The contenders take turns, so that a busy machine slows all of them; those for a small
request each in a process of its own, since a session's threads disturb the others even when idle.
Each ratio is the median over the rounds of a contender's speed by that of the default.
"""

import argparse
import itertools
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from export.runtime import OnnxVAE
from export.runtime.pool import cores, in_order
from export.runtime.sampler import draw
from export.runtime.sessions import Session, onnxruntime

THREADS, WORKERS, CHUNKS = (1, 2), (1, 2, 3, 4), (32, 64, 128, 256, 512)
SMALL = (1, 64)
SECONDS = 0.3
REST = 0.02  # seconds before each run: onnxruntime's own threads spin on after theirs
REQUESTS = 40


def main():
    """Measures and prints a table of samples a second and one of latencies for each bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", help="folders that python -m export wrote")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    for bundle in options.bundles:
        vae = OnnxVAE(bundle)
        print(f"{bundle}, examples of {vae.input_shape}, {cores()} cores, {options.rounds} rounds")
        throughput(vae, options.rounds)
        latency(vae, options.rounds)


def throughput(vae, rounds):
    """Prints samples a second of each combination, the fastest first."""
    sessions = {threads: session(vae.path, threads) for threads in THREADS}
    default = (1, cores(), vae.chunk)
    count = max(CHUNKS) * max(WORKERS) * max(1, round(SECONDS * speed(vae) / 2048))
    combinations = {default, *itertools.product(THREADS, WORKERS, CHUNKS)}

    def sampling(threads, workers, chunk):
        starts = range(0, count, chunk)

        def sample(first):
            return draw(sessions[threads], 0, first, min(chunk, count - first), 1.0)

        return lambda: sum(len(x_hat) for _, x_hat in in_order(sample, starts, workers))

    names = {c: "{:>8}{:>9}{:>7}".format(*c) for c in combinations}
    times = by_turns({names[c]: sampling(*c) for c in combinations}, rounds)
    report(f"{'threads':>8}{'workers':>9}{'chunk':>7}", times, names[default], per=count)


def latency(vae, rounds):
    """Prints the time of a small request, beside that of one run with onnxruntime's threads."""
    for count in SMALL:
        contenders = {f"sample({count})": sampling_time, "  onnxruntime's own threads": run_time}
        times = {name: [] for name in contenders}
        for _, name in itertools.product(range(rounds), contenders):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                times[name].append(pool.submit(contenders[name], vae.path, count).result())
        report("milliseconds", times, f"sample({count})", per=None)


def sampling_time(path, count):
    """The time of one `sample`, of several in a row the median."""
    vae = OnnxVAE(path)
    return median_time(lambda: vae.sample(count))


def run_time(path, count):
    """The time of one run of a session that has as many threads as onnxruntime likes."""
    own = session(path, threads=0)
    return median_time(lambda: draw(own, 0, 0, count, 1.0))


def median_time(function):
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def by_turns(contenders, rounds):
    """Times every contender once a round, in a random order; a list of seconds for each."""
    times = {name: [] for name in contenders}
    for round_ in range(rounds + 1):
        for name in random.sample(list(contenders), len(contenders)):
            time.sleep(REST)
            started = time.perf_counter()
            contenders[name]()
            if round_:  # the first one warms up
                times[name].append(time.perf_counter() - started)
    return times


def report(title, times, default, per):
    """Prints median, least and most: rates, if `per` samples were drawn, or milliseconds."""
    width = max(len(title), *map(len, times))
    print(f"{title:<{width}}{'median':>12}{'least':>12}{'most':>12}{'ratio':>8}")
    for name in sorted(times, key=lambda name: statistics.median(times[name])):
        values = [per / t if per else 1000 * t for t in times[name]]
        pairs = zip(times[default], times[name], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        form = "12,.0f" if per else "12.3f"
        figures = "".join(
            f"{value:{form}}" for value in (statistics.median(values), min(values), max(values))
        )
        print(f"{name:<{width}}{figures}{ratio:>8.2f}{'  default' if name == default else ''}")
    print()


def session(path, threads):
    """The sampler with this many threads of its own; 0 leaves the number to onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model, providers = str(path / "sampler.onnx"), ["CPUExecutionProvider"]
    opened = onnxruntime.InferenceSession(model, options, providers=providers)
    shapes = {value.name: tuple(value.shape[1:]) for value in opened.get_outputs()}
    return Session(path, opened, shapes)


def speed(vae):
    """Samples a second, roughly."""
    vae.sample(1)
    started = time.perf_counter()
    vae.sample(2048)
    return 2048 / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
