"""`.npz` and `.npy` files. Nothing is ever unpickled."""

import math
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from keras_vae.datasets import sparse
from keras_vae.datasets.dataset import from_arrays
from keras_vae.memory import TooLargeError, check_fits

_PARTS = ("x_train", "x_test", "y_train", "y_test")
_HEADER = 10_000  # bytes, as for NumPy


def read_npz(path, name=None):
    """The data set in an `.npz`: `x_train`, and if they are there `x_test`, `y_train`, `y_test`.

    A file with a single array, whatever its name, is taken as `x_train`. Other arrays are left
    unread. Without `x_test`, `from_arrays` splits a test part off. A file of
    `scipy.sparse.save_npz` becomes sparse rows: see `sparse.from_sparse`.
    """
    path = Path(path)
    _check_signature(path, (b"PK\x03\x04", b"PK\x05\x06"))
    with _one_line_errors(path), np.load(path, allow_pickle=False) as archive:
        of_scipy = {*archive.files} >= sparse.SAVED
        wanted = {key: key for key in archive.files} if of_scipy else _parts(archive.files)
        taken = 0
        for key in wanted.values():
            taken = check_member(archive.zip, key, taken)
        if of_scipy:
            return sparse.from_sparse(name or path.stem, sparse.read(path), source=path)
        parts = {part: archive[key] for part, key in wanted.items()}
    if "x_train" not in parts:
        raise ValueError(
            f"{path} must hold an array named x_train (and, if wanted, x_test, y_train, y_test), "
            f"or a single array, got {_listed(archive.files)}"
        )
    return from_arrays(name or path.stem, **parts, source=path)


def read_npy(path):
    """The data set in an `.npy`, a single array; `from_arrays` splits a test part off."""
    path = Path(path)
    _check_signature(path, (b"\x93NUMPY",))
    with _one_line_errors(path):
        with open(path, "rb") as file:
            _check_size(file, path.stat().st_size, path)
        x = np.load(path, allow_pickle=False)
    return from_arrays(path.stem, x, source=path)


def reason_of(error):
    """What an error says, on one line; what a damaged file holds may stand in it."""
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= 300 else f"{line[:300]}…"


def check_readable(path):
    """Raises a ValueError unless `path` is a file that holds something; returns its first bytes."""
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device might never end
        raise ValueError(f"{path} must be a regular file, got a folder, a pipe or a device")
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from error
    if not start:
        raise ValueError(f"{path} is empty")
    return start


def check_member(archive, key, beside=0):
    """Refuses a bad array of an `.npz`, by its header.

    Args:
        archive: the open `zipfile.ZipFile`.
        key: the name of the array.
        beside: bytes of memory that the arrays before it take.

    Returns:
        The bytes of memory that all of them take.
    """
    member = archive.getinfo(key if key in archive.namelist() else f"{key}.npy")
    with archive.open(member) as file:
        return _check_size(file, member.file_size, archive.filename, beside)


def _check_size(file, size, path, beside=0):
    """Refuses an array that says it is larger than its file of `size` bytes, or than the memory."""
    first = np.lib.format.read_magic(file) == (1, 0)
    _check_header(file, 2 if first else 4)
    header = "read_array_header_1_0" if first else "read_array_header_2_0"
    shape, _, dtype = getattr(np.lib.format, header)(file)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"its header tells of shape {shape}, and it has {size} bytes")
    return check_fits(path, shape, dtype.itemsize, beside)


def _check_header(file, count):
    """Refuses a long header before it is read: NumPy unpacks all of it, up to 4 GB, first."""
    start = file.tell()
    length = int.from_bytes(file.read(count), "little")
    file.seek(start)
    if length > _HEADER:
        raise ValueError(f"its header must have {_HEADER:,} bytes at most, got {length:,}")


def _check_signature(path, signatures):
    if not check_readable(path).startswith(signatures):
        raise ValueError(f"{path} is no {path.suffix} file, whatever its name says")


def _parts(names):
    if "x_train" not in names and len(names) == 1:
        return {"x_train": names[0]}
    return {part: part for part in _PARTS if part in names}


def _listed(names):
    return "no array" if not names else "the arrays " + ", ".join(sorted(names)[:8])


@contextmanager
def _one_line_errors(path):
    try:
        yield
    except TooLargeError:
        raise
    except Exception as error:  # NumPy and zipfile have errors of many kinds
        reason = reason_of(error)
        if "allow_pickle" in reason or "Python objects" in reason:
            reason = "it holds pickled Python objects, which are never loaded; save plain numbers"
        raise ValueError(f"{path} cannot be read, it may be cut short ({reason})") from error
