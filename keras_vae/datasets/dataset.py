"""Arrays are checked, and brought into the one form that training takes."""

import math
from dataclasses import dataclass, replace

import numpy as np

from keras_vae.datasets.binarization import binarize

_PIECE = 2**18  # numbers that are made ready at a time


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training part and a test part of one set of examples.

    Args:
        name: what was loaded.
        x_train, x_test: float32 images (N, H, W, C), vectors (N, D), or arrays of more axes; or
            sparse rows of vectors, a `scipy.sparse.csr_array`; or `packed.Pictures`, which are
            made float32 batch by batch.
        y_train, y_test: integer labels (N,), or None; of `covariates` float32 (N, C), or of one
            category (N,).
        columns: of a table, what each of its columns is: `Column`s; else None.
        classes: the names of the labels, in their order, or None if they have none.
        notes: lines for who reads it, about what was left out.
        covariates: what y holds, where columns were named as its label: `Column`s.
        sha256: of what was read, where whoever read it knows it.

    Example:

    >>> data = from_arrays("noise", np.zeros((10, 8, 8), "uint8"))
    >>> data.input_shape, len(data.x_train), len(data.x_test)
    ((8, 8, 1), 8, 2)
    """

    name: str
    x_train: np.ndarray
    x_test: np.ndarray
    y_train: np.ndarray | None = None
    y_test: np.ndarray | None = None
    columns: tuple | None = None
    classes: tuple | None = None
    notes: tuple = ()
    covariates: tuple = ()
    sha256: str | None = None

    @property
    def input_shape(self):
        """The shape of one example: (H, W, C), (D,), or of any number of axes."""
        return self.x_train.shape[1:]

    def binarized(self, seed=0):
        """The same set with both parts drawn once as binary images: see `binarize`.

        The test part is drawn with `seed`, the training part with `seed + 1`.
        """
        x_train, x_test = binarize(self.x_train, seed + 1), binarize(self.x_test, seed)
        return replace(self, x_train=x_train, x_test=x_test)


def from_arrays(name, x_train, x_test=None, y_train=None, y_test=None, source=None):
    """Checks, scales and shapes arrays into a `Dataset`.

    Integer images from 0 to 255 (uint16: to 65535) become grey values in [0, 1], unless no value
    is above 1: then they are binary already. So do voxels and video, (N, D, H, W, C). Every other
    number is taken as it is. Three axes are images (N, H, W), which get a channel axis. Without
    `x_test`, a fifth of the examples (at least one), drawn with seed 0, becomes the test part;
    both parts keep the order of the file.

    Args:
        name: the name of the set.
        x_train, x_test: numbers, (N, D), (N, H, W), (N, H, W, C) or of more axes; `x_test` may be
            None.
        y_train, y_test: integer labels, (N,) or (N, 1), or None.
        source: where the arrays come from, for the messages; `name` if not given.

    Raises:
        ValueError: no numbers, NaN or infinite values, no examples, shapes that do not fit.
    """
    source = source or name
    x = {"x_train": x_train} if x_test is None else {"x_train": x_train, "x_test": x_test}
    _check_parts(x, source)
    y_train = _labels(y_train, x_train, f"{source}: y_train")
    y_test = _labels(y_test, x_test, f"{source}: y_test")
    white = _white(x.values()) if x_train.ndim > 2 else None
    ready = {part: _Ready(array, white, f"{source}: {part}") for part, array in x.items()}
    if x_test is not None:
        return Dataset(name, ready["x_train"][:], ready["x_test"][:], y_train, y_test)
    train, test = _split(len(x_train), source)
    labels = (None, None) if y_train is None else (y_train[train], y_train[test])
    return Dataset(name, ready["x_train"][train], ready["x_train"][test], *labels)


def from_table(name, table, source):
    """The `Dataset` of a `tables.Table`: a fifth of its rows becomes the test part."""
    parts, labels = split(table.x, table.y, source), tuple(c for c in table.columns if c.label)
    return Dataset(name, *parts, columns=table.columns, notes=table.notes, covariates=labels)


def from_packed(name, x, y=None, classes=None, source=None, **about):
    """The `Dataset` of packed rows: a fifth of them becomes the test part."""
    return Dataset(name, *split(x, y, source or name), classes=classes, **about)


def _check_parts(x, source):
    for part, array in x.items():
        _check_examples(array, f"{source}: {part}")
    shapes = [array.shape for array in x.values()]
    if len({shape[1:] for shape in shapes}) > 1:
        raise ValueError(
            f"{source}: x_train and x_test must hold examples of one shape, got "
            f"{' and '.join(map(str, shapes))}"
        )


def _check_examples(x, where):
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{where} must hold real numbers (such as uint8), got dtype {x.dtype}")
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise ValueError(
            f"{where} must have shape (N, D), (N, H, W), (N, H, W, C) or more axes, got {x.shape}"
        )
    if len(x) == 0:
        raise ValueError(f"{where} must hold at least one example, got shape {x.shape}")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] > 4:
        raise ValueError(
            f"{where} must have shape (N, H, W, C), as x.transpose(0, 2, 3, 1) gives, got "
            f"{x.shape}, channels first"
        )


class _Ready:
    """Examples as training takes them, float32 and scaled, of any rows of `x`.

    They are made in pieces: beside `x` and what is returned, next to nothing is held.

    Args:
        x: (N, ...) numbers.
        white: what images are divided by, or None.
        where: what they are, for the message.
    """

    def __init__(self, x, white, where):
        self.x, self.white, self.where = x, white, where

    def __getitem__(self, rows):
        rows = np.arange(len(self.x))[rows]
        ready = np.empty((len(rows), *self.x.shape[1:]), np.float32)
        count = max(1, _PIECE // math.prod(self.x.shape[1:]))
        for start in range(0, len(rows), count):
            self._fill(ready[start : start + count], self.x[rows[start : start + count]])
        return ready[..., np.newaxis] if ready.ndim == 3 else ready

    def _fill(self, piece, x):
        with np.errstate(over="ignore"):
            if self.white is None:
                piece[...] = x
            else:
                np.divide(x, self.white, out=piece, dtype=np.float32)
        if not np.isfinite(piece).all():
            raise ValueError(
                f"{self.where} must hold finite float32 numbers, got NaN or infinite values"
            )


def _white(parts):
    """What images are divided by, whose parts share one scale; None: they are taken as they are."""
    least, largest = min(x.min() for x in parts), max(x.max() for x in parts)
    return white_of(np.result_type(*parts), least, largest)


def white_of(dtype, least, largest):
    """What images of such numbers are divided by; None: they are taken as they are.

    Example:

    >>> white_of(np.dtype("uint8"), 0, 200), white_of(np.dtype("uint8"), 0, 1)
    (255, None)
    """
    white = 65535 if dtype.kind == "u" and dtype.itemsize == 2 else 255
    grey = dtype.kind in "iu" and least >= 0 and 1 < largest <= white
    return white if grey else None


def _labels(y, x, where):
    if y is None:
        return None
    if x is None:
        raise ValueError(f"{where} stands without its x_test: add x_test, or leave y_test out")
    count = len(x)
    if y.dtype.kind not in "biu" or y.shape not in {(count,), (count, 1)}:
        raise ValueError(
            f"{where} must hold {count} integer labels, one for each example (or leave the labels "
            f"out), got dtype {y.dtype} and shape {y.shape}"
        )
    return y.reshape(count).astype(np.int64)


def split(x, y, source):
    """x and y without a fifth of the rows, and that fifth: `(x, x_test, y, y_test)`."""
    train, test = _split(x.shape[0], source)
    labels = (None, None) if y is None else (y[train], y[test])
    return x[train], x[test], *labels


def _split(count, source):
    """Which of `count` examples are for training, and which for the test."""
    if count < 2:
        raise ValueError(f"{source} must hold 2 examples or more, to train and to test, got 1")
    held_out = np.random.default_rng(0).permutation(count)[: max(1, round(count / 5))]
    test = np.isin(np.arange(count), held_out)
    return ~test, test
