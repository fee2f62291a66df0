"""Pictures that are no array yet: they go where sparse rows go, and take next to no memory."""

import math
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_vae.datasets.pictures import read_picture

THREADS = min(4, os.cpu_count() or 1)
"""That read pictures at once."""


AT_ONCE = 2**22
"""How many numbers `standardizing` looks at together."""


class Pictures:
    """Pictures of a folder, each made float32 when it is used: `toarray` gives all of them.

    `fit`, `evaluate`, `score` and all else that takes sparse rows take it, batch by batch.

    Args:
        levels: a function of rows, (n,), to the numbers of these as they are stored, (n, H, W, C):
            of an array, or of `Files`.
        rows: which of them, (N,).
        numbers: float32, the numbers that stand in them: all of 8 and 16 bits; of others some,
            the least and the largest among them.
        shape: of one, (H, W, C).
        white: what they are divided by; None: nothing.

    Example:

    >>> stored = np.arange(24, dtype="uint8").reshape(6, 2, 2, 1)
    >>> x = Pictures(stored.__getitem__, np.arange(6), np.arange(24) / 255, (2, 2, 1), 255)
    >>> x[1:3].shape, x[1:3].toarray().dtype.name
    ((2, 2, 2, 1), 'float32')
    """

    def __init__(self, levels, rows, numbers, shape, white=None):
        self._levels, self.rows, self.white = levels, rows, white
        self.numbers, self.shape = numbers, (len(rows), *shape)

    dtype = np.dtype("float32")

    @property
    def ndim(self):
        """The number of axes."""
        return len(self.shape)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        if np.ndim(rows) == 0 and not isinstance(rows, slice):  # one picture, as of an array
            return self[[rows]].toarray()[0]
        return type(self)(self._levels, self.rows[rows], self.numbers, self.shape[1:], self.white)

    def toarray(self):
        """(N, H, W, C).

        Raises:
            ValueError: a picture is gone, or is another than it was; it names the file.
        """
        x = self._levels(self.rows)
        if self.white is None:
            return x.astype(np.float32)
        return np.divide(x, self.white, dtype=np.float32)

    def grey_levels(self):
        """The same as whole numbers from 0 to 255, if they are such ones by 255; else as it is."""
        if self.white != 255:
            return self
        numbers = np.rint(self.numbers * 255).astype(np.uint8)
        return GreyLevels(self._levels, self.rows, numbers, self.shape[1:], self.white)


class GreyLevels(Pictures):
    """Pictures as they are stored, in whole numbers from 0 to 255."""

    dtype = np.dtype("uint8")

    def toarray(self):
        """uint8, (N, H, W, C)."""
        return self._levels(self.rows).astype(np.uint8)


class Files:
    """Reads pictures of one size and kind from their files, some at a time, by a few threads.

    Args:
        paths: of all of them.
        shape: of one, (H, W, C).
        dtype: of their numbers. Pictures of 8 bits may stand among those of 16.

    Call arguments: rows, (n,). Output: (n, H, W, C).
    """

    def __init__(self, paths, shape, dtype):
        self.paths, self.shape, self.dtype = paths, shape, dtype
        # A filter for a while would be that of all threads: what is read is read again and again.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def __call__(self, rows):
        x = np.empty((len(rows), *self.shape), self.dtype)

        def put(first):
            for place in range(first, len(rows), THREADS):
                x[place] = self._read(self.paths[rows[place]])

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, range(THREADS)))
        return x

    def _read(self, path):
        image = read_picture(path)
        wider = np.can_cast(image.dtype, self.dtype) and image.shape[2] <= self.shape[2]
        if image.shape[:2] != self.shape[:2] or not wider:
            raise ValueError(
                f"{path} has changed since it was first read: {image.shape} of {image.dtype} in "
                f"place of {self.shape} of {self.dtype}"
            )
        return as_levels(image, self.dtype)


def standardizing(x):
    """Mean and variance of each channel of pictures: two float64 arrays (C,).

    Reference: Chan et al., Updating Formulae for Sample Variances, 1979, equation 2.1.
    """
    count, mean, squares = 0, 0.0, 0.0
    rows = max(1, AT_ONCE // math.prod(x.shape[1:]))
    for start in range(0, len(x), rows):
        part = x[start : start + rows].toarray().reshape(-1, x.shape[-1]).astype("float64")
        total, change = count + len(part), part.mean(axis=0) - mean
        squares += part.var(axis=0) * len(part) + change**2 * count * len(part) / total
        count, mean = total, mean + change * len(part) / total
    return mean, squares / count


def as_levels(image, dtype):
    """The same grey values as numbers of `dtype`: 255 of 8 bits is 65535 of 16."""
    return image if image.dtype == dtype else image.astype(dtype) * 257


SOME = 2**16
"""How many different numbers of more than 16 bits are kept."""


class Seen:
    """Which numbers stand in pictures.

    Example:

    >>> seen = Seen()
    >>> seen.add(np.uint8([[3, 1], [1, 1]]))
    >>> seen.numbers(np.dtype("uint16")).tolist()
    [257, 771]
    """

    def __init__(self):
        self.flags, self.some = {}, np.empty(0)

    def add(self, image):
        """Adds those of one picture."""
        if image.dtype in (np.uint8, np.uint16):
            shape = 2 ** (8 * image.dtype.itemsize)
            self.flags.setdefault(image.dtype, np.zeros(shape, bool))[image.ravel()] = True
        elif len(self.some) < SOME:
            self.some = np.unique(np.append(self.some, image))
        else:
            self.some[0] = min(self.some[0], image.min())
            self.some[-1] = max(self.some[-1], image.max())

    def numbers(self, dtype):
        """All that were seen, in order, as numbers of `dtype`, (n,)."""
        found = [as_levels(np.flatnonzero(f).astype(kind), dtype) for kind, f in self.flags.items()]
        return np.unique(np.concatenate([*found, self.some.astype(dtype)]))
