"""A folder of images as one array."""

import os
import warnings
from pathlib import Path

import numpy as np

from keras_vae.datasets.dataset import from_arrays
from keras_vae.datasets.memory import check_fits
from keras_vae.datasets.pictures import read_picture

_BITS = {"uint8", "uint16"}
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def read_folder(folder):
    """The data set in a folder of images, its subfolders included, in the order of their paths.

    The numbers are those that an `.npy` of the same pixels gives: see `read_picture`. Grey images
    give one channel; if any is in colour, all become RGB. If any has 16 bits, a level v of those of
    8 bits becomes 257 v, which is the same grey. Links to folders are followed, each folder once.
    `from_arrays` splits a test part off.

    Raises:
        ValueError: in one line: no images, sizes or kinds of numbers that differ, an image that
            cannot be read, or more than the memory holds.
    """
    folder = Path(folder)
    paths = _find(folder)
    if not paths:
        raise ValueError(f"{folder} must hold images ({', '.join(SUFFIXES)}), got none")
    stack = _Stack(folder, paths)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, at what is refused or read all the same
        for index, path in enumerate(paths):
            stack.put(index, read_picture(path))
    return from_arrays(folder.resolve().name, stack.x, source=folder)


def _find(folder):
    """The paths of all images, in order: a folder comes whole before the next."""
    found, seen = [], {os.path.realpath(folder)}
    for root, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        folders.sort(key=lambda name: (os.path.islink(os.path.join(root, name)), name))
        folders[:] = [name for name in folders if _is_new(os.path.join(root, name), seen)]
        found += [os.path.join(root, name) for name in names if _is_image(name)]
    # A link that leads nowhere is kept, to be refused; a pipe is no image.
    paths = (path for path in found if os.path.isfile(path) or os.path.islink(path))
    return sorted(paths, key=lambda path: path.replace(os.sep, "\0"))


def _is_image(name):
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _is_new(path, seen):
    """Whether a folder was not seen before by any name; now it was."""
    before = len(seen)
    seen.add(os.path.realpath(path))
    return len(seen) > before


def _refuse(error):
    raise ValueError(f"{error.filename} cannot be read ({error.strerror})") from error


class _Stack:
    """One array, (N, H, W, C), filled image by image, so that none is held twice.

    It is made for the first image, and made wider for the first in colour or of 16 bits.

    Args:
        folder, paths: of all N images, for the messages too.
    """

    def __init__(self, folder, paths):
        self.folder, self.paths = folder, paths

    def put(self, index, image):
        """Makes `image`, (H, W, 1) or (H, W, 3), number `index`; 0 comes first."""
        if index == 0:
            self.size, self.kind = image.shape[:2], image.dtype
            self.x = self._empty(image.shape[2], image.dtype)
        self._check(index, image)
        channels = max(self.x.shape[3], image.shape[2])
        dtype = np.promote_types(self.x.dtype, image.dtype)
        if (channels, dtype) != (self.x.shape[3], self.x.dtype):
            old, self.x = self.x, self._empty(channels, dtype)
            for done in range(index):
                self.x[done] = _as_levels(old[done], dtype)
        self.x[index] = _as_levels(image, dtype)

    def _empty(self, channels, dtype):
        shape = (len(self.paths), *self.size, channels)
        check_fits(self.folder, shape, dtype.itemsize)
        return np.empty(shape, dtype)

    def _check(self, index, image):
        first, path = self.paths[0], self.paths[index]
        if image.shape[:2] != self.size:
            raise ValueError(
                f"images must be of one size, got {_text(self.size)} ({first}) and "
                f"{_text(image.shape)} ({path}): resize them"
            )
        if image.dtype != self.kind and {image.dtype.name, self.kind.name} != _BITS:
            raise ValueError(
                f"images must hold one kind of numbers, or 8 and 16 bits, got {self.kind} "
                f"({first}) and {image.dtype} ({path}): save them alike"
            )


def _as_levels(image, dtype):
    """The same grey values as numbers of `dtype`: 255 of 8 bits is 65535 of 16."""
    return image if image.dtype == dtype else image.astype(dtype) * 257


def _text(shape):
    return f"{shape[1]}x{shape[0]}"
