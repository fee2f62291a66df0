"""Files written whole or not at all, and the folders for them."""

import errno
import os
import tempfile
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_write(path):
    """Yields a temporary path beside `path` that takes its place if the block succeeds.

    If the block raises, the temporary file is removed, the file that stood at `path` stays as it
    was, and the exception goes on unchanged.

    Args:
        path: the file to write. The temporary one has the same suffix and folder, so the last
            step is a rename inside one file system. It does not exist yet: the block creates it.

    Raises:
        FileExistsError: `path` is there and is no regular file (a folder, a device).
        OSError: the folder is missing, cannot be written, or is full.

    Example:

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "loss.txt"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("112.5")
    >>> target.read_text()
    '112.5'
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "Exists and is not a regular file", str(path))
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def output_folder(path):
    """Makes the folder, and takes it away again if nothing was written into it.

    Fails before the work begins if the folder cannot be written.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise ValueError(f"cannot write into {path}: {error.strerror}") from error
        yield
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
