"""Folders, and files that belong together, written whole or not at all; by way of `files`."""

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from keras_vae.exchange import exchange
from keras_vae.files import checked, hidden, staged, sync

MODEL = "model.keras"
"""The file of a model, in the folder of a run and on the hub."""


@contextmanager
def atomic_folder(path):
    """Yields a new folder that takes the place of `path` if the block succeeds.

    If the block raises or the process is killed, what stood at `path` stays as it was. Where no
    two folders can change places in one step, a kill may leave it in the hidden folder: the next
    call puts it back first.

    Raises:
        FileExistsError: `path` is there and is no folder.
        ValueError, OSError: as for `files.atomic_write`.

    Example:

    >>> target = Path(tempfile.mkdtemp()) / "bundle"
    >>> with atomic_folder(target) as folder:
    ...     _ = (folder / "manifest.json").write_text("{}")
    >>> os.listdir(target)
    ['manifest.json']
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_dir():
        raise FileExistsError(errno.EEXIST, "Exists and is not a folder", str(path))
    if os.path.ismount(path):
        raise ValueError(
            f"cannot write {path}: it is a mount point, which no new folder can replace: give a "
            f"folder inside it, such as {path / 'new'}"
        )
    with staged(hidden(path, "writing"), path, partial(_put_back, path=path)) as stage:
        new = stage / "new"
        new.mkdir()
        yield new
        _sync(new)
        if not exchange(new, path):
            if path.exists():
                path.rename(stage / "old")
            new.rename(path)


def _put_back(stage, path):
    """The old folder returns if it went, and the new one did not come."""
    if (stage / "old").exists() and not path.exists():
        (stage / "old").rename(path)


@contextmanager
def atomic_files(folder, stale=()):
    """Yields a new folder whose files replace those in `folder`, all or none.

    One rename decides. If the process is killed after it, `finish` moves what was not moved.

    Args:
        folder: it must be there; what else it holds stays.
        stale: names of files that tell of the replaced ones, and are removed with them, but for
            those that are written anew beside others.

    Raises:
        FileExistsError: where a file must go, there is something else.
        ValueError, OSError: as for `files.atomic_write`.

    Example:

    >>> run = Path(tempfile.mkdtemp())
    >>> with atomic_files(run) as new:
    ...     _ = (new / "loss.txt").write_text("112.5")
    ...     _ = (new / "elbo.txt").write_text("-112.5")
    >>> sorted(os.listdir(run))
    ['elbo.txt', 'loss.txt']
    """
    with _journal(folder, stale) as stage:
        new = stage / "new"
        new.mkdir()
        yield new
        for file in new.iterdir():
            checked(folder / file.name)
        _sync(new)
        new.rename(_decided(stage))


def finish(folder, stale=()):
    """Moves the files that a killed `atomic_files` had decided to replace, if there are any.

    Raises:
        ValueError: the folder cannot be written, or another run is doing it.
    """
    if not _decided(_stage(folder)).is_dir():
        return
    try:
        with _journal(folder, stale):
            pass
    except OSError as error:
        raise ValueError(
            f"cannot read {folder}: a run was killed while it replaced the files there, and going "
            f"on with it failed ({error.strerror}: {error.filename}): mend that, and try again"
        ) from error


def _journal(folder, stale):
    return staged(_stage(folder), folder, partial(_move, folder=folder, stale=stale))


def _stage(folder):
    return Path(folder, ".writing")


def _decided(stage):
    return stage / "decided"


def _move(stage, folder, stale):
    decided = _decided(stage)
    if decided.is_dir():
        names = {file.name for file in decided.iterdir()}
        if names - set(stale):  # else a pass before this one had come to the last lines
            for name in set(stale) - names:
                if Path(folder, name).is_file():
                    Path(folder, name).unlink()
        for name in sorted(names, key=lambda name: name in stale):
            os.replace(decided / name, Path(folder, name))
        decided.rmdir()


def _sync(folder):
    for file in folder.rglob("*"):
        if file.is_file():
            sync(file)


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


@contextmanager
def new_folder(path):
    """Yields a folder that becomes `path`, written whole or not at all.

    Args:
        path: a `pathlib.Path`, which is missing or an empty folder.

    Raises:
        ValueError: something stands there already, or it cannot be written.

    Example:

    >>> target = Path(tempfile.mkdtemp()) / "page"
    >>> with new_folder(target) as folder:
    ...     _ = (folder / "index.html").write_text("")
    >>> os.listdir(target)
    ['index.html']
    """
    path = path.resolve()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(f"cannot write {path}: it is there already; choose another folder")
    with output_folder(path.parent), atomic_folder(path) as folder:
        yield folder
