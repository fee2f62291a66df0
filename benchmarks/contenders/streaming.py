"""Draws many images to the disk by the package's command, and removes them.

    python -m benchmarks.contenders.streaming build/bench/digits/onnx 1000000

The bundle is of the digits: 256 bytes an image.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from export.runtime.cli import main as command


def main():
    """Prints the bytes that were written and images a second."""
    bundle, count = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=Path(bundle).parent) as folder:  # no rows from before
        out, started = Path(folder, "stream.npy"), time.perf_counter()
        if status := command([bundle, "--count", count, "--out", str(out)]):
            raise RuntimeError(f"python -m export.runtime returned {status}")
        rate = int(count) / (time.perf_counter() - started)
        print(json.dumps({"bytes": out.stat().st_size, "images_per_second": rate}))


if __name__ == "__main__":
    main()
