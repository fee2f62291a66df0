"""The pictures of a folder put together: one array, or `Pictures` where memory cannot hold that."""

import hashlib
import math

import numpy as np

from keras_vae import memory
from keras_vae.datasets.dataset import white_of
from keras_vae.datasets.packed import Files, Pictures, Seen, as_levels

_BITS = {"uint8", "uint16"}


class Stack:
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
