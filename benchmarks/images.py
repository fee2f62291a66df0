"""How long a folder of small images takes to load, and in how much memory.

    python benchmarks/images.py [COUNT]

It makes COUNT grey PNGs of 28x28 pixels, 200,000 if not given, in a folder that it removes.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from keras_vae import datasets

SIZE = 28


def main(count=200_000):
    """Prints seconds, images a second of one core, and the peak of the memory beside its parts."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), count)
        before, wall, cpu = peak(), time.perf_counter(), time.process_time()
        datasets.load(Path(folder))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        taken, pixels = peak() - before, count * SIZE**2 / 2**20
        rate = f"{count / cpu:,.0f} a second"
        print(f"{count:,} images: {wall:.1f} s; of one core {cpu:.1f} s, {rate}")
        print(f"memory: {taken:,.0f} MiB; as uint8 {pixels:,.0f}, as float32 {4 * pixels:,.0f}")


def write(folder, count):
    """Smooth images, 1000 in a folder."""
    rng = np.random.default_rng(0)
    for i in range(count):
        place = folder / f"{i // 1000:04d}"
        place.mkdir(exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (7, 7), dtype=np.uint8))
        small.resize((SIZE, SIZE)).save(place / f"{i:07d}.png", compress_level=1)


def peak():
    """MiB of memory that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
