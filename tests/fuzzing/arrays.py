"""Partial arrays, damaged: the array is finished as it should be, or refused in a line."""

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np

from export.runtime import resumable
from tests.fuzzing.campaign import campaign
from tests.fuzzing.damage import damaged_bytes, damaged_json

JSON = '{"version": 1, "request": {"seed": 0, "shape": [4, 2]}, "done": 4, "bytes": 160}'


def run(count, seed=0):
    """Interrupts, damages and continues so many arrays."""
    with mock.patch("os.fsync"), mock.patch.object(resumable, "INTERVAL"):  # no kill is real here
        return campaign("arrays", count, attempt, seed)


def attempt(rng):
    """Damages one partial array, goes on with it, and looks at what comes of it."""
    with tempfile.TemporaryDirectory() as folder:
        path, elsewhere = Path(folder, "x.npy"), Path(folder, "elsewhere")
        x = rng.standard_normal((rng.integers(1, 60), rng.integers(1, 40)), np.float32)
        elsewhere.mkdir()
        (elsewhere / "mine").write_bytes(rng.bytes(int(rng.integers(2000))))
        begin(path, x, rng)
        (elsewhere / "array.npy").write_bytes((resumable.partial(path) / "array.npy").read_bytes())
        for _ in range(rng.integers(1, 3)):
            DAMAGES[rng.integers(len(DAMAGES))](resumable.partial(path), elsewhere, rng)
        before = contents(elsewhere)
        try:
            finish(path, x, rng)
        finally:
            assert contents(elsewhere) == before, "wrote through a link"
            assert sorted(os.listdir(folder)) == ["elsewhere", "x.npy"]


def finish(path, x, rng):
    """Goes on with the array, and does what an error says, before it is raised again."""
    try:
        fill(path, x, rng)
    except ValueError as error:
        place = Path(re.search("(/.*) is in the way: remove it", str(error))[1].split(": ")[-1])
        shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
        with suppress(ValueError):
            finish(path, x, rng)
        raise
    finally:
        np.testing.assert_array_equal(np.load(path), x)


def fill(path, x, rng, until=None, snapshot=None):
    resumable.INTERVAL = rng.choice([0, 0, 1e-4, 1])
    with resumable.resumable(path, x.shape, {"seed": 0}) as rows:
        while rows.done < (len(x) if until is None else until):
            rows.append(x[rows.done : min(rows.done + rng.integers(1, 9), len(x))])
        if until is not None:
            if rng.random() < 0.5:  # a kill: what is in no file yet is lost
                shutil.copytree(resumable.partial(path), snapshot)
            raise KeyboardInterrupt


def begin(path, x, rng):
    """Leaves what an interrupted or killed run leaves."""
    folder, snapshot = resumable.partial(path), path.with_name("snapshot")
    with suppress(KeyboardInterrupt):
        fill(path, x, rng, int(rng.integers(1, len(x) + 1)), snapshot)
    if snapshot.exists():
        shutil.rmtree(folder)
        snapshot.rename(folder)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def change(name):
    """Damages the bytes of a file."""

    def damage(folder, elsewhere, rng):
        file = folder / name
        if file.is_file() and not file.is_symlink():
            file.write_bytes(damaged_bytes(rng, file.read_bytes()))

    return damage


def overwrite_rows(folder, elsewhere, rng):
    file = folder / "array.npy"
    if file.is_file() and not file.is_symlink():
        data = bytearray(file.read_bytes())
        start = int(rng.integers(max(1, len(data))))
        data[start : start + 4] = rng.bytes(len(data[start : start + 4]))
        file.write_bytes(data)


def record_of_json(folder, elsewhere, rng):
    file = folder / "record"
    if file.is_file() and not file.is_symlink():
        file.write_bytes(damaged_json(rng, JSON).encode("utf-8", "surrogateescape"))


def shuffle_lines(folder, elsewhere, rng):
    file = folder / "record"
    if file.is_file() and not file.is_symlink():
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(rng.permutation(lines)) if lines else b"")


def replace(name):
    """Puts something else in place of a file, or of the folder itself."""

    def damage(folder, elsewhere, rng):
        place = folder / name if name else folder
        if not folder.is_dir() or folder.is_symlink():
            return
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        (
            lambda: None,
            place.mkdir,
            place.touch,
            lambda: os.mkfifo(place),
            lambda: place.symlink_to(elsewhere),
            lambda: place.symlink_to(elsewhere / "mine"),
            lambda: place.symlink_to(elsewhere / "array.npy"),
            lambda: place.symlink_to(elsewhere / "nothing"),
        )[rng.integers(8)]()

    return damage


DAMAGES = (
    *(change("array.npy"), overwrite_rows, overwrite_rows),
    *(change("record"), record_of_json, shuffle_lines),
    *(replace(name) for name in ("", "lock", "array.npy", "record")),
)
