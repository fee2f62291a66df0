"""A file is written whole or not at all, by the library and by the runtime that works alone."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

import keras_vae.files
from export.runtime import files as runtime_files

ROOT = Path(__file__).parents[1]


@pytest.fixture(params=[keras_vae.files, runtime_files], ids=["library", "runtime"])
def files(request):
    return request.param


@pytest.mark.parametrize("name", ["files.py", "conditions.py", "tables/rows.py"])
def test_both_are_one_text(name):
    library, runtime = ROOT / "keras_vae" / name, ROOT / "export/runtime" / Path(name).name
    assert library.read_text() == runtime.read_text()


def test_the_block_writes_elsewhere_and_the_target_appears_at_the_end(files, tmp_path):
    target = tmp_path / "model.keras"
    with files.atomic_write(target) as temporary:
        assert temporary.suffix == ".keras"
        assert not temporary.exists()
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.keras"]


def write_half(files, target, stop):
    with files.atomic_write(target) as temporary:
        temporary.write_text("half")
        raise stop


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_block_that_raises_leaves_what_stood_there(files, tmp_path, stop):
    target = tmp_path / "model.keras"
    target.write_text("old")
    with pytest.raises(type(stop)) as caught:
        write_half(files, target, stop)
    assert caught.value is stop
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_a_block_that_writes_nothing_is_an_error(files, tmp_path):
    with pytest.raises(FileNotFoundError), files.atomic_write(tmp_path / "a.png"):
        pass
    assert os.listdir(tmp_path) == []


def write(files, target, text="new"):
    with files.atomic_write(target) as temporary:
        temporary.write_text(text)


def test_a_missing_folder_is_an_error(files, tmp_path):
    with pytest.raises(FileNotFoundError):
        write(files, tmp_path / "no" / "a.txt")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("target", ["folder", "pipe"])
def test_only_regular_files_are_replaced(files, tmp_path, target):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FileExistsError):
        write(files, tmp_path / target)
    assert sorted(os.listdir(tmp_path)) == before


def test_the_file_has_the_usual_permissions(files, tmp_path):
    (tmp_path / "usual").write_text("")
    write(files, tmp_path / "ours")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_it_is_on_the_disk_before_it_has_its_name(files, tmp_path, monkeypatch):
    target, synced, fsync = tmp_path / "a.txt", [], os.fsync

    def noted(descriptor):
        assert not target.exists()
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write(files, target)
    assert target.stat().st_ino in synced


def test_a_link_stays_and_what_it_leads_to_is_replaced(files, tmp_path):
    (tmp_path / "disk").mkdir()
    for name in ("there", "not yet there"):
        link, file = tmp_path / f"link to {name}", tmp_path / "disk" / name
        link.symlink_to(file)
        if name == "there":
            file.write_text("old")
        write(files, link)
        assert link.is_symlink()
        assert file.read_text() == "new"
    assert sorted(os.listdir(tmp_path / "disk")) == ["not yet there", "there"]


@pytest.mark.parametrize("name", ["a" * 246 + ".npy", "ü" * 125 + ".txt", "a." + "b" * 253])
def test_the_longest_names_are_written(files, tmp_path, name):
    write(files, tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_a_name_that_is_too_long_is_refused_before_the_block(files, tmp_path):
    target = tmp_path / ("a" * 256)
    with pytest.raises(OSError, match="File name too long"), files.atomic_write(target):
        pytest.fail("the block was run")


def test_what_a_killed_run_left_goes_with_the_next(files, tmp_path):
    stage = files.hidden(tmp_path / "a.txt", "writing")
    (stage / "new" / "deep").mkdir(parents=True)
    (stage / "new.txt").write_text("half")
    (stage / "lock").touch()
    write(files, tmp_path / "a.txt")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_second_run_at_once_is_refused_and_the_first_goes_on(files, tmp_path):
    target = tmp_path / "a.txt"
    with files.atomic_write(target) as temporary:
        temporary.write_text("first")
        with pytest.raises(ValueError, match=r"another run is writing .*a\.txt: wait for it"):
            write(files, target)
    assert target.read_text() == "first"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_system_without_locks_does_without(files, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    write(files, tmp_path / "a.txt")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_system_without_locks_does_without(files, tmp_path, monkeypatch):
    def unknown(*arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unknown)
    write(files, tmp_path / "a.txt")
    assert os.listdir(tmp_path) == ["a.txt"]


def in_the_way(place, kind, elsewhere):
    place.parent.mkdir(exist_ok=True)
    elsewhere.mkdir()
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(elsewhere if kind == "link" else elsewhere / "nothing")
    return place


IN_THE_WAY = [("", "file"), ("lock", "folder")]
IN_THE_WAY += [(name, kind) for name in ("", "lock") for kind in ("pipe", "link", "dangling link")]


@pytest.mark.parametrize(("name", "kind"), IN_THE_WAY)
def test_what_stands_in_the_way_is_named_and_kept(files, tmp_path, name, kind):
    stage = files.hidden(tmp_path / "a.txt", "writing")
    place = in_the_way(stage / name if name else stage, kind, tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"a.txt: {place} is in the way: remove it"):
        write(files, tmp_path / "a.txt")
    assert os.path.lexists(place)
    assert not os.listdir(tmp_path / "elsewhere")


def test_a_folder_of_another_user_is_not_written_into(files, tmp_path, monkeypatch):
    files.hidden(tmp_path / "a.txt", "writing").mkdir()
    monkeypatch.setattr(files, "_owner_of_new", lambda folder: 12345)
    with pytest.raises(ValueError, match="is of another user, whose run goes on or was"):
        write(files, tmp_path / "a.txt")


def test_where_all_files_are_given_to_one_user_a_killed_run_is_gone_on_with(
    files, tmp_path, monkeypatch
):
    files.hidden(tmp_path / "a.txt", "writing").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    write(files, tmp_path / "a.txt")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_nothing_is_left_where_an_open_file_keeps_its_folder(files, tmp_path, monkeypatch):
    """As on NFS, where what is removed while it is open has another name until it is closed."""
    rmdir, opened = Path.rmdir, []

    def as_on_nfs(folder):
        if len(opened) % 2 == 0:  # the first time, the lock is open
            opened.append(folder)
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        opened.append(folder)
        rmdir(folder)

    monkeypatch.setattr(Path, "rmdir", as_on_nfs)
    for _ in range(2):
        write(files, tmp_path / "a.txt")
        assert os.listdir(tmp_path) == ["a.txt"]
    assert len(opened) == 4
