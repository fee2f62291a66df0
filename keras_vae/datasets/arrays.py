"""`.npz` and `.npy` files. Nothing is ever unpickled."""

import os
import tokenize
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from keras_vae.datasets.dataset import from_arrays

_PARTS = ("x_train", "x_test", "y_train", "y_test")
_UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_UNREADABLE += (RuntimeError, MemoryError, OverflowError, SyntaxError, TypeError)
_UNREADABLE += (tokenize.TokenError,)  # from the header of a damaged .npy


def read_npz(path, name=None):
    """The data set in an `.npz`: `x_train`, and if they are there `x_test`, `y_train`, `y_test`.

    A file with a single array, whatever its name, is taken as `x_train`. Other arrays are left
    unread. Without `x_test`, `from_arrays` splits a test part off.
    """
    path = Path(path)
    _check_signature(path, (b"PK\x03\x04", b"PK\x05\x06"))
    with _one_line_errors(path), np.load(path, allow_pickle=False) as archive:
        wanted = _parts(archive.files)
        parts = {part: archive[key] for part, key in wanted.items()}
    if "x_train" not in parts:
        raise ValueError(
            f"{path} must hold an array named x_train (and, if wanted, x_test, y_train, y_test), "
            f"or a single array, got {_listed(archive.files)}"
        )
    for part, array in parts.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(
                f"{path}: {wanted[part]} must be a NumPy array, as numpy.savez writes it, got "
                f"{len(array)} bytes of another kind"
            )
    return from_arrays(name or path.stem, **parts, source=path)


def read_npy(path):
    """The data set in an `.npy`, a single array; `from_arrays` splits a test part off."""
    path = Path(path)
    _check_signature(path, (b"\x93NUMPY",))
    with _one_line_errors(path):
        # A map is checked against the file's length before any memory is asked for.
        x = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    return from_arrays(path.stem, x, source=path)


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
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if "allow_pickle" in reason or "Python objects" in reason:
            reason = "it holds pickled Python objects, which are never loaded; save plain numbers"
        raise ValueError(f"{path} cannot be read, it may be cut short ({reason})") from error
