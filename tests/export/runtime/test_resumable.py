"""An array that a kill interrupts goes on, and becomes the one it would have been."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from export.runtime import record
from export.runtime import resumable as module
from export.runtime.resumable import partial, resumable
from export.runtime.sessions import NotComputedError

ROOT = Path(__file__).parents[3]
KILLED_AT_EVERY_LINE = """
import os, sys, threading
from pathlib import Path
import numpy as np
from export.runtime import record, resumable as module

module.INTERVAL = 0
path = Path(sys.argv[1])

def fill():
    with module.resumable(path, (5, 2), {"a": 1}) as rows:
        for i in range(rows.done, 5):
            rows.append(np.full((1, 2), i + 1))

def run_until(line):
    left = [line]
    def trace(frame, event, argument):
        if frame.f_code.co_filename not in (m.__file__ for m in (module, module.files, record)):
            return None
        left[0] -= event == "line"
        if not left[0]:
            os._exit(9)
        return trace
    sys.settrace(trace)
    fill()
    os._exit(0)

line, status = 0, 9
while status:
    line += 1
    pid = os.fork()
    if not pid:
        run_until(line)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 9)
    fill()
    assert np.load(path).tolist() == [[i, i] for i in range(1, 6)], line
    assert os.listdir(path.parent) == [path.name], line
    path.unlink()
print(line)
"""


def fill(path, count=10, until=None, error=KeyboardInterrupt, **request):
    """Writes 1, 2, 3 ... row by row; how many rows were there before."""
    with resumable(path, (count, 2), {"a": 1, **request}) as rows:
        begin = rows.done
        for i in range(begin, count):
            if i == until:
                raise error
            rows.append(np.full((1, 2), i + 1))
    return begin


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.npy"


@pytest.fixture
def begun(path):
    """A file whose first four rows are written."""
    with pytest.raises(KeyboardInterrupt):
        fill(path, until=4)
    return path


def assert_whole(path):
    np.testing.assert_array_equal(np.load(path), np.repeat(np.arange(1, 11)[:, None], 2, axis=1))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_kill_at_any_line_changes_nothing_in_the_end(path):
    command = [sys.executable, "-c", KILLED_AT_EVERY_LINE, str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 50


def test_goes_on_where_it_stopped(begun):
    assert not begun.exists()
    assert fill(begun) == 4
    assert_whole(begun)


def test_is_the_file_that_numpy_writes(path):
    fill(path)
    assert_whole(path)
    np.save(path.with_name("y.npy"), np.load(path))
    assert path.read_bytes() == path.with_name("y.npy").read_bytes()


def test_array_of_no_rows_is_written(path):
    fill(path, count=0)
    assert np.load(path).shape == (0, 2)


@pytest.mark.parametrize("change", [{"a": 2}, {"count": 9}, {"b": 1}])
def test_another_request_starts_afresh(begun, change):
    assert fill(begun, **change) == 0


DAMAGED = [b"", b"{}", b'{"done": null}', b"[" * 100_000, b"-1 ", b"True ", b"1e9 ", b"9" * 5000]
DAMAGED += [b"4 " + b"0" * 64 + b"\n", b"\xff\n", b"\n"]


@pytest.mark.parametrize("lines", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_record_starts_afresh(begun, lines):
    (partial(begun) / "record").write_bytes(lines)
    assert fill(begun) == 0
    assert_whole(begun)


@pytest.fixture
def each_row(monkeypatch):
    """A line of the record for each row."""
    monkeypatch.setattr(module, "INTERVAL", 0)


def overwrite(file, place, value=b"\x55"):
    with file.open("r+b") as stream:
        stream.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
        stream.write(value)


@pytest.mark.parametrize("row", range(4))
@pytest.mark.usefixtures("each_row")
def test_goes_on_before_rows_that_were_overwritten(path, row):
    with pytest.raises(KeyboardInterrupt):
        fill(path, until=4)
    overwrite(partial(path) / "array.npy", 128 + 8 * row)
    with resumable(path, (10, 2), {"a": 1}) as rows:
        assert (rows.done, rows.damaged) == (row, True)
        rows.append(np.repeat(np.arange(row + 1, 11)[:, None], 2, axis=1))
    assert_whole(path)


@pytest.mark.usefixtures("each_row")
def test_goes_on_before_a_line_that_was_overwritten(path):
    with pytest.raises(KeyboardInterrupt):
        fill(path, until=4)
    lines = (partial(path) / "record").read_bytes().splitlines(keepends=True)
    for line in range(5):
        damaged = [*lines[:line], lines[line].replace(b" ", b"0"), *lines[line + 1 :]]
        (partial(path) / "record").write_bytes(b"".join(damaged))
        with pytest.raises(KeyboardInterrupt):  # the rows from there on are lost
            fill(path, until=4)
        assert (partial(path) / "record").read_bytes().startswith(b"".join(lines))
    assert fill(path) == 4
    assert_whole(path)


@pytest.mark.usefixtures("each_row")
def test_a_line_that_a_kill_cut_short_is_no_damage(path):
    with pytest.raises(KeyboardInterrupt):
        fill(path, until=4)
    file = partial(path) / "record"
    file.write_bytes(file.read_bytes() + b"5 0123")
    with resumable(path, (10, 2), {"a": 1}) as rows:
        assert (rows.done, rows.damaged) == (4, False)
        rows.append(np.repeat(np.arange(5, 11)[:, None], 2, axis=1))
    assert_whole(path)


def test_a_header_that_was_overwritten_is_written_again(begun):
    overwrite(partial(begun) / "array.npy", 0, b"\x00" * 128)
    assert fill(begun) == 4
    assert_whole(begun)


def test_a_record_grows_by_a_line_of_one_size(path, monkeypatch):
    monkeypatch.setattr(module, "INTERVAL", 0)
    with pytest.raises(KeyboardInterrupt):
        fill(path, count=3000, until=2000)
    lines = (partial(path) / "record").read_bytes().splitlines()
    assert len(lines) <= 2000 + 2
    assert max(map(len, lines)) <= record.LONGEST_LINE


@pytest.mark.parametrize("name", ["array.npy", "record", "lock"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_is_refused_and_never_written_through(begun, tmp_path_factory, name, dangling):
    there = tmp_path_factory.mktemp("elsewhere") / "mine"
    place = partial(begun) / name
    if not dangling:
        there.write_bytes(place.read_bytes())
    place.unlink()
    place.symlink_to(there)
    before = None if dangling else there.read_bytes()
    with pytest.raises(ValueError, match=f"cannot write .*: {place} is in the way: remove it"):
        fill(begun)
    assert place.is_symlink()
    assert (there.read_bytes() if there.exists() else None) == before
    place.unlink()
    fill(begun)
    assert_whole(begun)


@pytest.mark.parametrize("name", ["array.npy", "record", "lock"])
def test_a_folder_in_the_way_is_named(begun, name):
    place = partial(begun) / name
    place.unlink()
    place.mkdir()
    with pytest.raises(ValueError, match=f"{place} is in the way: remove it"):
        fill(begun)
    place.rmdir()
    fill(begun)
    assert_whole(begun)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_stands_in_place_of_the_folder_is_named(path, tmp_path_factory, kind):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    place = partial(path)
    place.write_text("mine") if kind == "file" else place.symlink_to(elsewhere)
    with pytest.raises(ValueError, match=f"{place} is in the way: remove it"):
        fill(path)
    assert os.path.lexists(place)
    assert not os.listdir(elsewhere)


def test_an_array_goes_where_a_link_leads(path, tmp_path_factory):
    there = tmp_path_factory.mktemp("disk") / "big.npy"
    path.symlink_to(there)
    with pytest.raises(KeyboardInterrupt):
        fill(path, until=4)
    assert partial(path) == there.with_name(".big.npy.partial")
    assert fill(path) == 4
    assert path.is_symlink()
    assert_whole(there)


def test_the_longest_name_is_written(path):
    path = path.with_name("a" * 251 + ".npy")
    with pytest.raises(KeyboardInterrupt):
        fill(path, until=4)
    assert fill(path) == 4
    assert os.listdir(path.parent) == [path.name]


def test_record_of_another_version_starts_afresh(begun, monkeypatch):
    monkeypatch.setattr(record, "VERSION", 3)
    assert fill(begun) == 0
    assert_whole(begun)


@pytest.mark.parametrize("size", [None, 0, 50, 150])
def test_array_that_was_cut_short_starts_afresh(begun, size):
    array = partial(begun) / "array.npy"
    array.unlink() if size is None else os.truncate(array, size)
    assert fill(begun) == 0
    assert_whole(begun)


def test_record_stands_only_for_rows_on_the_disk(begun):
    done = int((partial(begun) / "record").read_text().splitlines()[-1].split()[0])
    written = np.load(partial(begun) / "array.npy")
    assert done == 4
    assert written[:done, 0].tolist() == [1, 2, 3, 4]


def test_second_run_at_once_is_refused_and_the_first_goes_on(path):
    with resumable(path, (2, 2), {}) as rows:
        rows.append(np.ones((1, 2)))
        with pytest.raises(ValueError, match=r"another run is writing .*x\.npy: wait for it"):
            fill(path)
        rows.append(np.ones((1, 2)))
    assert np.load(path).tolist() == [[1, 1], [1, 1]]
    assert [file.name for file in path.parent.iterdir()] == ["x.npy"]


def test_system_without_locks_does_without(path, monkeypatch):
    monkeypatch.setattr(module.files, "fcntl", None)
    fill(path)
    assert_whole(path)


def test_failure_leaves_nothing(path):
    with pytest.raises(ValueError, match="bad"):
        fill(path, until=4, error=ValueError("bad"))
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    "error",
    [SystemExit(1), MemoryError(), OSError(5, "disk trouble"), NotComputedError("no memory")],
)
def test_what_is_done_outlives_an_error_that_may_pass(path, error):
    with pytest.raises(type(error)):
        fill(path, until=4, error=error)
    assert fill(path) == 4
    assert_whole(path)


def test_interruption_before_the_first_row_leaves_nothing(path):
    with pytest.raises(KeyboardInterrupt):
        fill(path, until=0)
    assert not list(path.parent.iterdir())


def test_what_stood_there_stays_until_the_end(begun):
    begun.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        fill(begun, until=7)
    assert begun.read_text() == "before"
    assert fill(begun) == 7
    assert_whole(begun)


def test_target_that_is_a_folder_is_refused(path):
    path.mkdir()
    with pytest.raises(FileExistsError, match=r"not a regular file: .*x\.npy"):
        fill(path)


def test_too_little_space_is_known_beforehand(path, monkeypatch):
    usage = shutil.disk_usage(path.parent)._replace(free=79)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="are needed, and"):
        fill(path)
    assert not list(path.parent.iterdir())
