"""Files written whole or not at all, also if the process is killed.

What is not whole yet stands in a hidden folder beside its place, with a lock that ends when its
process does. So the next run tells what a killed one left from what a living one is writing.

`keras_vae/files.py` and `export/runtime/files.py` are one text: the runtime works alone.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # such a system cannot tell two runs at once apart
    fcntl = None

LONGEST = 255  # bytes of a name
TRIES = 3
"""How often a lock is tried whose folder another run, that just ended, removes."""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path that takes the place of `path` if the block succeeds.

    If the block raises or the process is killed, what stood at `path` stays as it was.

    Args:
        path: the file to write; where it is a link, the file that it leads to. The temporary one
            has the same suffix and file system. It does not exist yet: the block creates it.

    Raises:
        FileExistsError: `path` is there and is no regular file (a folder, a device).
        ValueError: another run is writing `path`, or what stands in the way is not ours.
        OSError: the folder is missing, cannot be written, or is full, or the name is too long.

    Example:

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "loss.txt"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("112.5")
    >>> target.read_text()
    '112.5'
    """
    path = checked(path)
    with staged(hidden(path, "writing"), path) as stage:
        new = stage / f"new{path.suffix[:50]}"
        yield new
        sync(new)
        os.replace(new, path)


def checked(path: str | os.PathLike[str]) -> Path:
    """Returns the place that `path` leads to, once it is known that a file can stand there.

    Raises:
        FileExistsError: `path` is there and is no regular file.
        OSError: the name is too long.
    """
    path = Path(os.path.realpath(path))
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileExistsError(errno.EEXIST, "Exists and is not a regular file", str(path))
    return path


def hidden(path: str | os.PathLike[str], ending: str) -> Path:
    """The hidden folder beside the place that `path` leads to, for what is not whole yet."""
    path = Path(os.path.realpath(path))
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > LONGEST:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.{ending}"
    return path.with_name(name)


@contextmanager
def staged(
    stage: Path, path: Path, settle: Callable[[Path], None] = lambda stage: None
) -> Iterator[Path]:
    """Yields the empty hidden folder `stage`, which no other run uses, and removes it at the end.

    Args:
        stage: the folder; what a killed run left in it is removed first.
        path: what is being written, for messages.
        settle: called with `stage` before anything is removed from it: takes out what must stay.
    """
    with locked(stage, path):
        settle(stage)
        _empty(stage)
        try:
            yield stage
        finally:
            settle(stage)
            remove(stage)


@contextmanager
def locked(folder: Path, path: Path) -> Iterator[Path]:
    """Makes and yields a hidden folder, with a lock on it that ends when this process does.

    Raises:
        ValueError: another run has the lock, or what stands in the way is not ours.
    """
    busy = ValueError(f"another run is writing {path}: wait for it, or choose another name")
    opened, lock = _opened(folder, path)
    if opened is None:
        raise busy
    try:
        with opened as file:
            if file and not _take(file, lock):
                raise busy
            yield folder
    finally:
        with suppress(OSError):  # NFS has an open lock by another name until here: see `remove`
            folder.rmdir()


def _opened(folder, path):
    """The lock of a folder, open, and its path; None where other runs remove the folder."""
    for _ in range(TRIES):
        _make(folder, path)
        lock = regular(folder / "lock", path)
        with suppress(FileNotFoundError):
            return nullcontext() if fcntl is None else lock.open("ab"), lock
    return None, lock


def _take(file, lock):
    """Whether no other run has the lock; a file system without locks cannot tell."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # pyright: ignore
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat())


def _make(folder, path):
    try:
        folder.mkdir()
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise _in_the_way(folder, path) from None
        if _owner_of_new(folder.parent) != found.st_uid:
            raise ValueError(  # who could put links into it
                f"cannot write {path}: {folder} is of another user, whose run goes on or was "
                "killed: let them run it again, remove it, or choose another name"
            ) from None


def _owner_of_new(folder):
    """Whose a file is that is made there now: some file systems give all of them to one user."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_uid


def regular(file: Path, path: Path) -> Path:
    """Returns `file`, one inside a hidden folder, if it is regular or not there.

    Raises:
        ValueError: it is a link, a folder, or something else that no run puts there.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise _in_the_way(file, path)
    return file


def _in_the_way(place, path):
    return ValueError(f"cannot write {path}: {place} is in the way: remove it, and run this again")


def sync(file: Path) -> None:
    """Waits until a file is on the disk, so that it is whole wherever its name is."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())


def _empty(folder):
    for entry in os.scandir(folder):
        if entry.name != "lock":
            shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)


def remove(folder: Path) -> None:
    """Removes a folder that is locked, as far as it can; the lock last."""
    with suppress(OSError):
        _empty(folder)
        (folder / "lock").unlink(missing_ok=True)
        folder.rmdir()
