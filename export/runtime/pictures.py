"""Samples as one picture."""

import math
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import files, memory

GAP = 2  # pixels between two examples
WHITES = (1, 255, 65535)


def grid(x: NDArray[Any]) -> NDArray[np.uint8]:
    """Lays examples out as one uint8 picture; small ones are enlarged.

    They stand side by side, in grey or RGB; with another number of channels the first one is shown.

    Args:
        x: images (N, H, W, C) in [0, 1].

    Raises:
        ValueError: `x` holds no examples, too many, or has another shape.

    Example:

    >>> grid(np.zeros((4, 32, 32, 1))).shape
    (134, 134)
    """
    check_picture(x.shape)
    if x.shape[-1] not in (1, 3):
        x = x[..., :1]
    zoom = _zoom(x.shape)
    tiles = np.round(255 * np.clip(x, 0, 1)).astype(np.uint8)
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    tiles = np.pad(tiles, [(0, 0), (GAP, 0), (GAP, 0), (0, 0)], constant_values=128)
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    blank = np.full((rows * columns - len(tiles), *tiles.shape[1:]), 128, np.uint8)
    tiles = np.concatenate([tiles, blank]).reshape(rows, columns, *tiles.shape[1:])
    sheet = tiles.swapaxes(1, 2).reshape(rows * tiles.shape[2], columns * tiles.shape[3], -1)
    return np.pad(sheet, [(0, GAP), (0, GAP), (0, 0)], constant_values=128).squeeze()


def white_of(location: ArrayLike, scale: ArrayLike) -> float:
    """The value of a white pixel in the unit of x, of which the model sees (x − location) / scale.

    Where that centres the pixels, it does not say what white is: location + scale is at most
    somewhat larger than it, and it is 1, 255 or 65535.

    Example:

    >>> white_of(127.5, 127.5), white_of(0.13, 0.31), white_of(33.3, 78.6)
    (255, 1, 255)
    """
    reach = float(np.max(np.add(location, np.abs(scale))))
    return next((white for white in WHITES if reach <= 1.25 * white), reach)


def check_picture(shape: tuple[int, ...]) -> None:
    """Refuses data that `grid` can make no picture of, before they are drawn.

    Raises:
        ValueError: the message says what to do instead.

    Example:

    >>> check_picture((64, 28, 28, 1))
    """
    if len(shape) != 4 or not shape[0]:
        raise ValueError(
            "a picture must be of images, (count, height, width, channels), with count >= 1, got "
            f"shape {shape}: write numbers instead, --out samples.npy"
        )
    floats = 4 * math.prod(shape)
    pixels = math.prod(shape) * _zoom(shape) ** 2
    memory.check_fits(shape[0], 3 * (floats + pixels))  # a stage of `grid` holds up to three copies


def write(x: NDArray[Any], path: str | os.PathLike[str]) -> None:
    """Writes samples as a picture, whole or not at all.

    Args:
        x: as for `grid`.
        path: a name that ends in .png.

    Raises:
        ValueError: the data are no images, Pillow is not installed, or another run is writing.
        OSError: the folder is missing, cannot be written, or is full.
    """
    picture = _pillow().fromarray(grid(x))
    with files.atomic_write(path) as temporary:
        picture.save(temporary, format="PNG")


def _zoom(shape):
    return max(1, 64 // max(shape[1:3]))


def _pillow():
    try:
        from PIL import Image
    except ImportError as error:
        raise ValueError("a picture needs Pillow: install it, or use --out samples.npy") from error
    return Image
