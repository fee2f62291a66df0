"""The data sets that have a name: through Keras' loaders, or from a folder."""

import gzip
import math
import os
import zlib
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from keras_vae.datasets.arrays import check_readable, read_npz, reason_of
from keras_vae.datasets.dataset import from_arrays
from keras_vae.memory import TooLargeError, check_fits

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
    with _keras_errors(name):
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
    start = check_readable(path)
    opened = gzip.open if start.startswith(b"\x1f\x8b") else open
    try:
        with opened(path, "rb") as file:
            shape = _idx_shape(file, path)
            content = file.read(math.prod(shape) + 1)  # no more, however much is packed
    except TooLargeError:
        raise
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no IDX file of bytes, or is cut short ({error})") from error
    if len(content) != math.prod(shape):
        raise ValueError(
            f"{path} must hold the {math.prod(shape)} values that its header tells of, got "
            f"{'more' if len(content) > math.prod(shape) else len(content)}: is it cut short?"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _idx_shape(file, path):
    start = file.read(4)
    ndim = start[3] if start[:3] == b"\0\0\x08" and len(start) > 3 else 0
    sizes = file.read(4 * ndim)
    if ndim == 0 or len(sizes) < 4 * ndim:
        raise ValueError("its header is another's")
    shape = [int(n) for n in np.frombuffer(sizes, ">u4")]
    check_fits(path, shape)
    return shape


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


@contextmanager
def _keras_errors(name):
    """Says in one line what to do when Keras' loader finds no network or a broken cache."""
    try:
        yield
    except Exception as error:  # of any kind: a failed download is an Exception of no class
        raise ValueError(
            f"{name} could not be downloaded, nor read from Keras' cache ({reason_of(error)}): put "
            f"{_FILES[name]} into a folder and name it by data_dir (--data-dir FOLDER)"
        ) from error
