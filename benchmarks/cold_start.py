"""Time from a cold start to the first sample, beside the time that TensorFlow takes to load.

python benchmarks/cold_start.py BUNDLE
"""

import subprocess
import sys
import time

SAMPLE = "import sys; from export.runtime import OnnxVAE; OnnxVAE(sys.argv[1]).sample(1)"
PROGRAMS = {
    "first sample, onnxruntime": SAMPLE,
    "import onnxruntime, numpy": "import numpy, onnxruntime",
    "import tensorflow": "import tensorflow",
}


def seconds(program, bundle, repeats=5):
    """The median time of a whole process, start to end."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        command = [sys.executable, "-c", program, bundle]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return sorted(times)[repeats // 2]


if __name__ == "__main__":
    for name, program in PROGRAMS.items():
        print(f"{name:<28} {seconds(program, sys.argv[1]):6.2f} s")
