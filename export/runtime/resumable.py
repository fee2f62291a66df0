"""A .npy file that is filled from its start, and goes on where a killed run stopped.

While it is filled, the folder `.NAME.partial` beside it holds the array, a record of how far it
is, and a lock. A record is written after the rows that it tells of, and in one step: a kill at
any moment loses what was done since the last record, and nothing else.
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
except ImportError:  # on such a system two runs at once are not told apart
    fcntl = None

RECORD_VERSION = 1
INTERVAL = 1.0  # seconds from one record to the next


@contextmanager
def resumable(path, shape, request):
    """Yield the `Rows` of a float32 array that takes its place at `path` once they are filled.

    If the block is interrupted, what is done stays beside `path`, and the same call goes on with
    it; so it does if the process is killed. After a ValueError nothing stays.

    Args:
        path: the file, with a name that ends in .npy; what stands there is replaced at the end.
        shape: of the whole array.
        request: all that determines the numbers, as JSON; another one starts afresh.

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
            with suppress(OSError):  # the record before this one still holds
                rows.close()
            if isinstance(error, ValueError) or not rows.record.exists():
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def partial(path):
    """The hidden folder that holds an array until it is whole."""
    return path.with_name(f".{path.name}.partial")


class Rows:
    """The rows of an array in a file, filled from the first to the last.

    Attributes:
        done: how many are filled.
    """

    def __init__(self, folder, shape, request):
        self.file, self.record = folder / "array.npy", folder / "record.json"
        self.done = 0
        self._shape, self._request = shape, {**request, "shape": list(shape)}
        self._stream, self._saved = None, time.monotonic()

    def open(self):
        """Go on with the rows that a record tells of, or start with none."""
        self.done = self._recorded()
        if not self.done:
            self._fresh()
        self._stream = self.file.open("r+b")
        self._stream.seek(-self._size(self._shape[0] - self.done), os.SEEK_END)

    def append(self, rows):
        """Fill the next rows."""
        self._stream.write(np.ascontiguousarray(rows, np.float32))  # a memory map would grow
        self.done += len(rows)
        if time.monotonic() - self._saved >= INTERVAL:
            self.save()

    def save(self):
        """Put the rows on the disk, and then the record of how many they are."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        new = self.record.with_suffix(".new")
        new.write_text(json.dumps(self._about(self.done)))
        os.replace(new, self.record)
        self._saved = time.monotonic()

    def close(self):
        """Save what is done, and let go of the file."""
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
        except (OSError, ValueError, TypeError, KeyError):  # none, or a damaged one
            return 0
        return record["done"] if whole else 0

    def _about(self, done):
        record = {"version": RECORD_VERSION, "request": self._request, "done": done}
        record["bytes"] = self.file.stat().st_size
        return {**record, "sha256": hashlib.sha256(json.dumps(record).encode()).hexdigest()}

    def _fresh(self):
        self.record.unlink(missing_ok=True)  # first of all: it tells of what is lost from here on
        self.file.unlink(missing_ok=True)
        size, free = self._size(self._shape[0]), shutil.disk_usage(self.file.parent).free
        if size > free:
            message = f"{size / 1e6:,.0f} MB are needed, and {free / 1e6:,.0f} MB are free"
            raise OSError(errno.ENOSPC, message)
        np.lib.format.open_memmap(self.file, "w+", np.float32, self._shape)
        if hasattr(os, "posix_fallocate"):  # a disk that fills up is known at once
            with self.file.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, self.file.stat().st_size)


@contextmanager
def _locked(folder, path):
    """Yield the folder, made if missing, with a lock on it that dies with this process."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if fcntl is not None:
            try:
                file = stack.enter_context((folder / "lock").open("ab"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.path.samestat(os.fstat(file.fileno()), (folder / "lock").stat()):
                    raise FileNotFoundError  # it went with the folder of a run that just ended
            except (BlockingIOError, FileNotFoundError) as error:
                message = f"another run is writing {path}: wait for it, or choose another name"
                raise ValueError(message) from error
        yield folder
