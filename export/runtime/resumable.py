"""A .npy file that is filled from its first row to its last, and survives a kill in between.

While it is being filled, the folder `.NAME.partial` beside it holds the array, a record and a lock.
The record is a line for each second: how many rows are done, and a hash of the request and of all
these rows. A line is written after its rows. So a kill at any moment loses the rows since the last
line, and nothing else; and the next run goes on after the last line whose rows are as they were.
"""

from __future__ import annotations  # Rows stands below the function that is read first

import errno
import io
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import files
from .record import Record
from .sessions import NotComputedError

INTERVAL = 1.0  # seconds from one line of the record to the next


@contextmanager
def resumable(
    path: str | os.PathLike[str], shape: tuple[int, ...], request: dict[str, Any]
) -> Iterator[Rows]:
    """Yields the `Rows` of a float32 array that takes its place at `path` once they are filled.

    If the block is interrupted or the process is killed, the finished rows stay beside `path`, and
    the same call continues after them. After a ValueError nothing stays, but for a
    `sessions.NotComputedError`.

    Args:
        path: the file, with a name that ends in .npy; what stands there is replaced at the end.
        shape: the shape of the whole array.
        request: everything that determines the numbers, as JSON; with another request the array
            starts again.

    Raises:
        FileExistsError: `path` is there and is no regular file.
        ValueError: another process is writing `path`, or what stands in the way is not ours.
        OSError: the folder is missing, cannot be written, or has too little space.

    Example:

    >>> import pathlib, tempfile
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "squares.npy"
    >>> with resumable(target, (3,), {"power": 2}) as rows:
    ...     for i in range(rows.done, 3):
    ...         rows.append(np.array([i**2]))
    >>> np.load(target)
    array([0., 1., 4.], dtype=float32)
    """
    path = files.checked(path)
    with files.locked(partial(path), path) as folder:
        rows = Rows(folder, shape, request)
        for file in (rows.file, rows.record.file):
            files.regular(file, path)
        try:
            rows.open()
            yield rows
            rows.close()
            os.replace(rows.file, path)
        except BaseException as error:
            with suppress(OSError):  # the last line is still valid
                rows.close()
            bad = isinstance(error, ValueError) and not isinstance(error, NotComputedError)
            if bad or not rows.record.file.exists():
                files.remove(folder)
            raise
        files.remove(folder)


def partial(path: str | os.PathLike[str]) -> Path:
    """The hidden folder that holds an array until it is whole."""
    return files.hidden(path, "partial")


class Rows:
    """The rows of an array in a file, which are filled from the first to the last."""

    def __init__(self, folder: Path, shape: tuple[int, ...], request: dict[str, Any]) -> None:
        self.file, self._header = folder / "array.npy", _header(shape)
        self._count, self._row = shape[0], 4 * math.prod(shape[1:])  # the bytes of one
        request = {**request, "shape": list(shape)}
        self.record = Record(folder / "record", request, self._count, self._row)
        self._stream: Any = None  # a file once it is open
        self._saved = time.monotonic()

    @property
    def done(self) -> int:
        """How many rows are filled."""
        return self.record.done

    @property
    def damaged(self) -> bool:
        """Whether more was filled before, and is not as it was, and is filled again."""
        return self.record.damaged

    def open(self) -> None:
        """Continues after the rows that are as the record tells, or starts with none."""
        with suppress(FileNotFoundError), self.file.open("rb") as rows:
            rows.seek(len(self._header))
            self.record.check(rows)
        if not self.done:
            self.record.file.unlink(missing_ok=True)  # first: its rows are lost in the next line
            self._make()
        size = len(self._header) + self._row * self._count
        self._stream = self.file.open("r+b")
        self._stream.truncate(size)
        if hasattr(os, "posix_fallocate"):  # a full disk is noticed now, not in the middle
            os.posix_fallocate(self._stream.fileno(), 0, size)
        self._stream.write(self._header)
        self._stream.seek(self._row * self.done, os.SEEK_CUR)

    def append(self, rows: ArrayLike) -> None:
        """Fills the next rows."""
        rows = np.ascontiguousarray(rows, np.float32)
        self._stream.write(rows)  # a memory map would take memory for all of it
        self.record.add(rows)
        if time.monotonic() - self._saved >= INTERVAL:
            self.save()

    def save(self) -> None:
        """Writes the rows to the disk, and then the line that tells of them."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self.record.write()
        self._saved = time.monotonic()

    def close(self) -> None:
        """Saves what is done, and closes the file."""
        if self._stream is None:
            return
        with self._stream:
            if self.done:
                self.save()
        self._stream = None

    def _make(self):
        self.file.unlink(missing_ok=True)
        size, free = self._row * self._count, shutil.disk_usage(self.file.parent).free
        if size > free:
            message = f"{size / 1e6:,.0f} MB are needed, and {free / 1e6:,.0f} MB are free"
            raise OSError(errno.ENOSPC, message)
        self.file.touch()


def _header(shape):
    """The bytes before the rows, those of `np.save`."""
    stream, descr = io.BytesIO(), np.lib.format.dtype_to_descr(np.dtype(np.float32))
    about = {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(stream, about)
    return stream.getvalue()
