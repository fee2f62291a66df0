"""Cuts the two photographs that scikit-learn carries into a colour data set, without a download.

    python benchmarks/photographs.py --out data/photographs.npz

Writes `x_train` and `x_test`: uint8 patches (N, size, size, 3). Blocks of each photograph, drawn
with the seed, are set aside for the test and cut without overlap; training patches overlap each
other and hold no pixel of those blocks. Prints baselines in bits per dimension of the test: a
histogram for each channel; PNG of each patch by itself, with its header; and PNG of the blocks side
by side, which sees beyond a patch.
"""

import argparse
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from keras_vae.cli import BAD_INPUT, Parser, fail
from keras_vae.files import atomic_write

BLOCK = 64  # pixels along the side of what is set aside as one piece


class Split(NamedTuple):
    """The corners (row, column) of one photograph's patches, and of its test blocks: (N, 2)."""

    train: np.ndarray
    test: np.ndarray
    blocks: np.ndarray


def grid(height, width, size, stride):
    """The corners of all squares of `size` that lie within, `stride` apart: (N, 2)."""
    rows, columns = (np.arange(0, n - size + 1, stride) for n in (height, width))
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def cut(image, corners, size):
    """The squares of `image` at `corners`: (N, size, size, 3)."""
    return np.stack([image[r : r + size, c : c + size] for r, c in corners])


def split(height, width, size, stride, rng, test_share=0.2):
    """Draws the test blocks of a photograph, and places the patches of both parts.

    Args:
        height, width: of the photograph, in pixels.
        size: of a patch; it divides `BLOCK`.
        stride: between training patches.
        rng: a NumPy generator.
        test_share: of the blocks.

    Returns:
        A `Split`. No training patch and test patch share a pixel, nor do two test patches.

    Example:

    >>> parts = split(128, 192, 16, 4, np.random.default_rng(0))
    >>> len(parts.blocks), len(parts.test)
    (1, 16)
    """
    blocks = grid(height, width, BLOCK, BLOCK)
    blocks = blocks[rng.permutation(len(blocks))[: max(1, round(test_share * len(blocks)))]]
    test = (blocks[:, None] + grid(BLOCK, BLOCK, size, size)).reshape(-1, 2)
    held_out = np.zeros((height, width), bool)
    for r, c in blocks:
        held_out[r : r + BLOCK, c : c + BLOCK] = True
    train = grid(height, width, size, stride)
    return Split(train[~cut(held_out, train, size).any(axis=(1, 2))], test, blocks)


def histogram_bits(x_train, x_test):
    """Bits per dimension of `x_test` by each channel's histogram in `x_train`, plus one a level.

    Example:

    >>> white = np.full((100, 16, 16, 3), 255, "uint8")
    >>> round(histogram_bits(white, white), 3)
    0.014
    """
    counts = [np.bincount(channel.ravel(), minlength=256) + 1 for channel in channels(x_train)]
    bits = [
        -np.log2(count / count.sum())[channel].mean()
        for count, channel in zip(counts, channels(x_test), strict=True)
    ]
    return float(np.mean(bits))


def channels(x):
    """The channels of images, one by one."""
    return np.moveaxis(x, -1, 0)


def png_bits(image):
    """Bits per dimension of an image (H, W, 3) as a PNG file, its header counted.

    Example:

    >>> png_bits(np.zeros((64, 64, 3), "uint8")) < 0.1
    True
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return 8 * len(file.getvalue()) / image.size


def make(size=16, stride=4, seed=0):
    """Makes the data set.

    Args:
        size: of a patch: a divisor of `BLOCK`.
        stride: between training patches.
        seed: of the test blocks, and of the order of the test patches.

    Returns:
        `x_train` and `x_test`, uint8 `(N, size, size, 3)`, and the test blocks side by side as
        one image.

    Raises:
        ValueError: `size` does not divide `BLOCK`, `stride` or `seed` is out of range.
    """
    if size < 1 or BLOCK % size:
        raise ValueError(f"--size must be a divisor of {BLOCK}, got {size}")
    if not 1 <= stride <= BLOCK:
        raise ValueError(f"--stride must be from 1 to {BLOCK}, got {stride}")
    if seed < 0:
        raise ValueError(f"--seed must be at least 0, got {seed}")
    images, rng = load_sample_images().images, np.random.default_rng(seed)
    parts = [split(*image.shape[:2], size, stride, rng) for image in images]
    pairs = list(zip(images, parts, strict=True))
    x_train = np.concatenate([cut(image, part.train, size) for image, part in pairs])
    x_test = np.concatenate([cut(image, part.test, size) for image, part in pairs])
    blocks = np.concatenate([cut(image, part.blocks, BLOCK) for image, part in pairs])
    return x_train, rng.permutation(x_test), np.concatenate(blocks, axis=1)


def write(out, **arrays):
    """Writes an .npz whole or not at all, and its folder if there is none."""
    if out.suffix != ".npz":
        raise ValueError(f"--out must end in .npz, got {out}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as path:
        np.savez(path, **arrays)


def main(arguments=None):
    """Writes the file, prints the line and returns the exit status."""
    parser = Parser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--size", type=int, default=16, help="of a patch, in pixels")
    parser.add_argument("--stride", type=int, default=4, help="between training patches")
    parser.add_argument("--seed", type=int, default=0, help="of the blocks set aside")
    options = parser.parse_args(arguments)
    try:
        x_train, x_test, strip = make(options.size, options.stride, options.seed)
        write(options.out, x_train=x_train, x_test=x_test)
    except (ValueError, OSError) as error:
        return fail(error, BAD_INPUT)
    print(
        f"wrote {options.out}: {len(x_train)} training and {len(x_test)} test patches "
        f"{x_test.shape[1:]}; bits per dimension of the test: histogram "
        f"{histogram_bits(x_train, x_test):.3f}, PNG of each patch "
        f"{np.mean([png_bits(patch) for patch in x_test]):.3f}, of the blocks {png_bits(strip):.3f}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
