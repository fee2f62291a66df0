"""A folder of images: one array, or rows of it that become one batch by batch."""

import hashlib
import math
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_vae import memory
from keras_vae.datasets.dataset import from_arrays, from_packed, white_of
from keras_vae.datasets.packed import THREADS, Files, Pictures, Seen, as_levels
from keras_vae.datasets.pictures import read_picture
from keras_vae.models.ahead import ahead

AT_ONCE = 2**20
"""Numbers of the images that a thread reads together, unless one has more."""

_BITS = {"uint8", "uint16"}
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def read_folder(folder):
    """The data set in a folder of images, its subfolders included, in the order of their paths.

    The numbers are those that an `.npy` of the same pixels gives: see `read_picture`. Grey images
    give one channel; if any is in colour, all become RGB. If any has 16 bits, a level v of those of
    8 bits becomes 257 v, which is the same grey. Links to folders are followed, each folder once.
    A fifth becomes the test part.

    What would take more than half of the memory as float32 becomes `Pictures`, of the same order
    and the same numbers: they are held as they are stored, or, if that is too much too, read from
    their files whenever they are used. A note says so. All are read once here, to be checked.

    Raises:
        ValueError: in one line: no images, sizes or kinds of numbers that differ, an image that
            cannot be read.
    """
    folder = Path(folder)
    paths = _find(folder)
    if not paths:
        raise ValueError(f"{folder} must hold images ({', '.join(SUFFIXES)}), got none")
    stack = _Stack(folder, paths)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, at what is refused or read all the same
        for index, image in enumerate(_read(paths)):
            stack.put(index, image)
    found, name = stack.found(), folder.resolve().name
    make = from_packed if isinstance(found, Pictures) else from_arrays
    return replace(make(name, found, source=folder), sha256=stack.sha256(), notes=stack.notes())


def _read(paths):
    """The images, in order; threads read some ahead."""
    yield (first := read_picture(paths[0]))
    size = max(
        1, min(64, AT_ONCE // first.size)
    )  # a task for each would take as long as to read it
    parts = [paths[start : start + size] for start in range(1, len(paths), size)]
    for part in ahead(lambda part: [*map(read_picture, part)], parts, 2 * THREADS, THREADS):
        yield from part


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

    It is made for the first image, and made wider for the first in colour or of 16 bits; where it
    would take more than half of the memory, there is none.

    Args:
        folder, paths: of all N images, for the messages too.
    """

    def __init__(self, folder, paths):
        self.folder, self.paths = folder, paths
        self.x, self.seen, self.digest = None, Seen(), hashlib.sha256()

    def put(self, index, image):
        """Makes `image`, (H, W, 1) or (H, W, 3), number `index`; 0 comes first."""
        if index == 0:
            self.size, self.kind = image.shape[:2], image.dtype
            self._widen(0, image.shape[2], image.dtype)
        self._check(index, image)
        channels = max(self.channels, image.shape[2])
        dtype = np.promote_types(self.dtype, image.dtype)
        if (channels, dtype) != (self.channels, self.dtype):
            self._widen(index, channels, dtype)
        if self.x is not None:
            self.x[index] = as_levels(image, dtype)
        self.seen.add(image)
        self.digest.update(f"{image.dtype} {image.shape}".encode() + image.tobytes())

    @property
    def shape(self):
        """(N, H, W, C)."""
        return len(self.paths), *self.size, self.channels

    def found(self):
        """The array, or `Pictures` if that would be too large as float32."""
        if self._fits_as_float32:
            return self.x
        levels = self.seen.numbers(self.dtype)
        white = white_of(self.dtype, levels[0], levels[-1])
        numbers = (
            levels.astype(np.float32)
            if white is None
            else np.divide(levels, white, dtype=np.float32)
        )
        held = (
            Files(self.paths, self.shape[1:], self.dtype) if self.x is None else self.x.__getitem__
        )
        return Pictures(held, np.arange(len(self.paths)), numbers, self.shape[1:], white)

    def notes(self):
        """Lines for who reads the folder: where it is no array."""
        if self._fits_as_float32:
            return ()
        how = "read from their files" if self.x is None else f"held as {self.dtype}"
        taken, there = 4e-9 * math.prod(self.shape), memory.memory() / 1e9
        return (
            f"{self.folder}: {self.shape[0]:,} images take {taken:,.3g} GB as float32, too much "
            f"for {there:,.3g} GB of memory: they are {how}, batch by batch",
        )

    def sha256(self):
        """Of the numbers of all images, as they are stored."""
        return self.digest.hexdigest()

    @property
    def _fits_as_float32(self):
        # While it becomes float32, and examples are held out, it is there in part thrice.
        return self.x is not None and memory.holds(self.shape, self.dtype.itemsize + 8)

    def _widen(self, count, channels, dtype):
        """Makes room for images of so many channels; the first `count` stay in it."""
        self.channels, self.dtype, old = channels, dtype, self.x
        fits = memory.holds(self.shape, dtype.itemsize) and (count == 0 or old is not None)
        self.x = np.empty(self.shape, dtype) if fits else None
        for done in range(count if fits else 0):
            self.x[done] = as_levels(old[done], dtype)

    def _check(self, index, image):
        first, path = self.paths[0], self.paths[index]
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise ValueError(f"{path} must hold finite float32 numbers, got NaN or infinite values")
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


def _text(shape):
    return f"{shape[1]}x{shape[0]}"
