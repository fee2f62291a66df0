"""The data sets that have a name: through Keras' loaders, or from a folder."""

import gzip
import http.client
import math
import os
import zlib
from pathlib import Path

import keras
import numpy as np

from keras_vae.datasets.arrays import check_readable, read_npz
from keras_vae.datasets.dataset import from_arrays

_IDX = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
_CIFAR_TRAIN = [f"data_batch_{i}.bin" for i in range(1, 6)]
_FILES = {
    "mnist": "mnist.npz or the four IDX files (train-images-idx3-ubyte.gz and the others)",
    "fashion_mnist": "the four IDX files (train-images-idx3-ubyte.gz and the others)",
    "cifar10": "the folder cifar-10-batches-bin (the binary version)",
}


def read_digits():
    """The 1797 handwritten digits that scikit-learn carries: 8x8, 17 grey levels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return from_arrays("digits", (digits.images / 16).astype(np.float32), y_train=digits.target)


def read_through_keras(name):
    """mnist, fashion_mnist or cifar10 from Keras' cache folder, downloaded if it is not there."""
    with _KerasErrors(name):
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    return from_arrays(name, x_train, x_test, y_train, y_test)


def read_from_folder(name, folder):
    """mnist, fashion_mnist or cifar10 from files in `folder`: NAME.npz, or the original ones."""
    folder = Path(os.path.expanduser(folder))
    if not os.path.isdir(folder):
        raise ValueError(f"{folder} must be a folder that holds {_FILES[name]}, got none")
    if (folder / f"{name}.npz").exists():
        return read_npz(folder / f"{name}.npz", name)
    parts = _cifar_parts(folder) if name == "cifar10" else _idx_parts(name, folder)
    return from_arrays(name, **parts, source=folder)


def _idx_parts(name, folder):
    return {part: _read_idx(_find(folder, stem, name)) for part, stem in _IDX.items()}


def _find(folder, stem, name):
    for path in (folder / f"{stem}.gz", folder / stem):
        if path.exists():
            return path
    raise ValueError(f"{folder} must hold {_FILES[name]}, got no {stem}.gz")


def _read_idx(path):
    """An IDX file of bytes: 0, 0, 8, ndim, each dimension as a big-endian uint32, the values."""
    content = _unzipped(path)
    ndim = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * ndim
    if ndim == 0 or len(content) < start:
        raise ValueError(f"{path} is no IDX file of bytes")
    shape = [int(n) for n in np.frombuffer(content, ">u4", count=ndim, offset=4)]
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{path} must hold the {math.prod(shape)} values that its header tells of, got "
            f"{len(content) - start}: is it cut short?"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unzipped(path):
    start = check_readable(path)
    opened = gzip.open if start.startswith(b"\x1f\x8b") else open
    try:
        with opened(path, "rb") as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no gzip file, or is cut short ({error})") from error


def _cifar_parts(folder):
    inner = folder / "cifar-10-batches-bin"
    folder = inner if inner.is_dir() else folder
    train = np.concatenate([_read_cifar(folder / file) for file in _CIFAR_TRAIN])
    test = _read_cifar(folder / "test_batch.bin")
    parts = {"train": train, "test": test}
    images = {f"x_{part}": _cifar_images(rows) for part, rows in parts.items()}
    return {**images, **{f"y_{part}": rows[:, 0] for part, rows in parts.items()}}


def _cifar_images(rows):
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _read_cifar(path):
    """Records of 3073 bytes: the label, then the red, the green and the blue 32x32 plane."""
    check_readable(path)
    values = np.fromfile(path, np.uint8)
    if values.size % 3073:
        raise ValueError(f"{path} must hold records of 3073 bytes each, got {values.size} bytes")
    return values.reshape(-1, 3073)


class _KerasErrors:
    """Says in one line what to do when Keras' loader finds no network or a broken cache."""

    reads = (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException)

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # Keras reports a failed download as an Exception of no particular class.
        if kind is Exception or isinstance(error, self.reads):
            reason = " ".join(str(error).split()) or kind.__name__
            raise ValueError(
                f"{self.name} could not be downloaded, nor read from Keras' cache ({reason}): put "
                f"{_FILES[self.name]} into a folder and name it by data_dir (--data-dir FOLDER)"
            ) from error
