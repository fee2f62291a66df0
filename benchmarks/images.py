"""How fast a folder of small images loads and trains, and in how much memory.

    python -m benchmarks.images [--count 200000] [--keep FOLDER]

It makes grey PNGs of 28x28 pixels, and trains on them for one epoch by the command: held as an
array of float32, held as bytes, and read from their files. The last two are what a folder gets
that takes more than half of the memory as float32, and as bytes; here they are asked for.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.large import cost, row

SIZE = 28
BYTES = {"float32": 9, "bytes": 1, "files": 0}
"""Of a pixel, what may be held in each of these ways."""

HEAD = ("held as", "s", "CPU s", "MiB", "MiB of float32", "images/s of the epoch")


def main():
    """Prints a line for each way, and one for loading alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--keep", type=Path, help="a folder for the images and the runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = given.keep or Path(folder)
        images = folder / f"{given.count}"
        if not images.exists():
            write(images, given.count)
        print(row(HEAD), row(["---:"] * len(HEAD)), sep="\n", flush=True)
        for how in BYTES:
            print(row(measured(images, folder / how, how, given.count)), flush=True)


def measured(images, run, how, count):
    """What one epoch of the MLP takes."""
    flags = ("--architecture", "mlp", "--batch-size", "100", "--epochs", "1", "--overwrite")
    limit = "from keras_vae import memory; "
    limit += f"memory.holds = lambda shape, itemsize: itemsize <= {BYTES[how]}"
    c = cost("train", "--data", images, "--out", run, *flags, first=limit)
    array = f"{4 * count * SIZE**2 / 2**20:,.0f}"
    rate = f"{0.72 * count / c.epoch:,.0f}"
    return how, f"{c.seconds:.1f}", f"{c.cpu:.1f}", f"{c.peak:,.0f}", array, rate


def write(folder, count):
    """Smooth images, 1000 in a folder."""
    rng = np.random.default_rng(0)
    for i in range(count):
        place = folder / f"{i // 1000:04d}"
        place.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (7, 7), dtype=np.uint8))
        small.resize((SIZE, SIZE)).save(place / f"{i:07d}.png", compress_level=1)


if __name__ == "__main__":
    main()
