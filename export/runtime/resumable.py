"""A .npy file that is filled from its first row to its last, and survives a kill in between.

While it is being filled, the folder `.NAME.partial` beside it holds the array, a record of how many
rows are done, and a lock. The record is written after its rows, in one step. So a kill at any
moment loses the rows since the last record, and nothing else; the next run continues there.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

try:
    import fcntl
except ImportError:  # such a system cannot tell two runs at once apart
    fcntl = None

RECORD_VERSION = 1
INTERVAL = 1.0  # seconds from one record to the next


@contextmanager
def resumable(path, shape, request):
    """Yields the `Rows` of a float32 array that takes its place at `path` once they are filled.

    If the block is interrupted or the process is killed, the finished rows stay beside `path`, and
    the same call continues after them. After a ValueError nothing stays.

    Args:
        path: the file, with a name that ends in .npy; what stands there is replaced at the end.
        shape: the shape of the whole array.
        request: everything that determines the numbers, as JSON; with another request the array
            starts again.

    Raises:
        ValueError: another process is writing `path`, or `path` is no file.
        OSError: the folder is missing, cannot be written, or has too little space.

    Example:

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "squares.npy"
    >>> with resumable(target, (3,), {"power": 2}) as rows:
    ...     for i in range(rows.done, 3):
    ...         rows.append(np.array([i**2]))
    >>> np.load(target)
    array([0., 1., 4.], dtype=float32)
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"cannot write {path}: it is there and is no file")
    with _locked(partial(path), path) as folder:
        rows = Rows(folder, shape, request)
        try:
            rows.open()
            yield rows
            rows.close()
            os.replace(rows.file, path)
        except BaseException as error:
            with suppress(OSError):  # the last record is still valid
                rows.close()
            if isinstance(error, ValueError) or not rows.record.exists():
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def partial(path):
    """The hidden folder that holds an array until it is whole."""
    return path.with_name(f".{path.name}.partial")


class Rows:
    """The rows of an array in a file, which are filled from the first to the last.

    Attributes:
        done: how many rows are filled.
    """

    def __init__(self, folder, shape, request):
        self.file, self.record = folder / "array.npy", folder / "record.json"
        self.done = 0
        self._shape, self._request = shape, {**request, "shape": list(shape)}
        self._stream, self._saved = None, time.monotonic()

    def open(self):
        """Continues after the rows that a record tells of, or starts with none."""
        self.done = self._recorded()
        if not self.done:
            self._fresh()
        self._stream = self.file.open("r+b")
        self._stream.seek(-self._size(self._shape[0] - self.done), os.SEEK_END)

    def append(self, rows):
        """Fills the next rows."""
        self._stream.write(
            np.ascontiguousarray(rows, np.float32)
        )  # a memory map would take memory for all of it
        self.done += len(rows)
        if time.monotonic() - self._saved >= INTERVAL:
            self.save()

    def save(self):
        """Writes the rows to the disk, and then the record of how many they are."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        new = self.record.with_suffix(".new")
        new.write_text(json.dumps(self._about(self.done)))
        os.replace(new, self.record)
        self._saved = time.monotonic()

    def close(self):
        """Saves what is done, and closes the file."""
        if self._stream is None:
            return
        with self._stream:
            if self.done:
                self.save()
        self._stream = None

    def _size(self, rows):
        """Bytes of so many rows."""
        return 4 * rows * math.prod(self._shape[1:])

    def _recorded(self):
        try:
            record = json.loads(self.record.read_bytes())
            whole = record == self._about(record["done"])
        except (OSError, ValueError, TypeError, KeyError):  # there is none, or it is damaged
            return 0
        return record["done"] if whole else 0

    def _about(self, done):
        record = {"version": RECORD_VERSION, "request": self._request, "done": done}
        record["bytes"] = self.file.stat().st_size
        return {**record, "sha256": hashlib.sha256(json.dumps(record).encode()).hexdigest()}

    def _fresh(self):
        self.record.unlink(missing_ok=True)  # first, since its rows are lost in the next line
        self.file.unlink(missing_ok=True)
        size, free = self._size(self._shape[0]), shutil.disk_usage(self.file.parent).free
        if size > free:
            message = f"{size / 1e6:,.0f} MB are needed, and {free / 1e6:,.0f} MB are free"
            raise OSError(errno.ENOSPC, message)
        np.lib.format.open_memmap(self.file, "w+", np.float32, self._shape)
        if hasattr(os, "posix_fallocate"):  # a full disk is noticed now, not in the middle
            with self.file.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, self.file.stat().st_size)


@contextmanager
def _locked(folder, path):
    """Makes and yields the folder, with a lock on it that ends when this process does."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if fcntl is not None:
            try:
                file = stack.enter_context((folder / "lock").open("ab"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.path.samestat(os.fstat(file.fileno()), (folder / "lock").stat()):
                    raise FileNotFoundError  # a run that just ended removed the folder
            except (BlockingIOError, FileNotFoundError) as error:
                message = f"another run is writing {path}: wait for it, or choose another name"
                raise ValueError(message) from error
        yield folder
