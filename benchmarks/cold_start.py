"""From process start to the first sample, beside the time that importing TensorFlow takes.

    python benchmarks/cold_start.py runs/digits/onnx

Each contender runs in a fresh process; the contenders take turns, so that a busy machine slows
all of them. Prints medians, the spread, and the ratio within each round.
"""

import argparse
import statistics
import subprocess
import sys
import time

CONTENDERS = {
    "first sample (export.runtime)": "from export.runtime import OnnxVAE; OnnxVAE({!r}).sample(1)",
    "import tensorflow": "import tensorflow",
    "import keras_vae": "import keras_vae",
}


def seconds(code):
    """Runs `code` in a fresh Python and returns how long the process took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main():
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", help="a folder that python -m export wrote")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    codes = {name: code.format(options.bundle) for name, code in CONTENDERS.items()}
    for code in codes.values():
        seconds(code)  # the files are in the cache from here on
    rounds = [{name: seconds(code) for name, code in codes.items()} for _ in range(options.rounds)]
    first = next(iter(codes))
    print(f"{'':<32}{'median':>9}{'least':>9}{'most':>9}{'ratio':>9}")
    for name in codes:
        times = [times[name] for times in rounds]
        ratio = statistics.median(times[name] / times[first] for times in rounds)
        print(
            f"{name:<32}{statistics.median(times):>7.2f} s{min(times):>7.2f} s"
            f"{max(times):>7.2f} s{ratio:>9.1f}"
        )


if __name__ == "__main__":
    main()
