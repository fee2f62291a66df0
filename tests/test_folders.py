"""A folder, and files that belong together: the old or the new, also if the process is killed."""

import contextlib
import os

import pytest

from keras_vae import folders
from keras_vae.commands.runs import DERIVED, STALE, Run
from keras_vae.folders import atomic_files, atomic_folder, finish


@pytest.fixture(params=["one step", "two steps"])
def steps(request, monkeypatch):
    """How two folders change places: as this system can, and as every system can."""
    if request.param == "two steps":
        monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    return request.param


def replace(path, **texts):
    with atomic_folder(path) as new:
        for name, text in texts.items():
            (new / name).write_text(text)


def texts(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.usefixtures("steps")
def test_a_folder_takes_the_place_of_another_whole(tmp_path):
    for wanted in ({"a": "1", "b": "1"}, {"a": "2", "c": "2"}, {}):
        replace(tmp_path / "bundle", **wanted)
        assert texts(tmp_path / "bundle") == wanted
        assert os.listdir(tmp_path) == ["bundle"]


def test_here_two_folders_change_places_in_one_step(tmp_path, monkeypatch):
    replace(tmp_path / "bundle", a="1")
    monkeypatch.setattr("pathlib.Path.rename", lambda *_: pytest.fail("took two steps"))
    replace(tmp_path / "bundle", a="2")
    assert texts(tmp_path / "bundle") == {"a": "2"}


@pytest.mark.usefixtures("steps")
def test_a_block_that_raises_leaves_the_old_folder(tmp_path):
    replace(tmp_path / "bundle", a="1")
    with pytest.raises(TypeError):
        replace(tmp_path / "bundle", a="half", b=None)
    assert texts(tmp_path / "bundle") == {"a": "1"}
    assert os.listdir(tmp_path) == ["bundle"]


def test_the_old_folder_returns_if_the_new_one_cannot_come(tmp_path, monkeypatch):
    replace(tmp_path / "bundle", a="1")
    rename = os.rename

    def refuse_new(path, target):
        if str(path).endswith("new"):
            raise OSError(5, "disk trouble")
        rename(path, target)

    monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    monkeypatch.setattr(os, "rename", refuse_new)
    with pytest.raises(OSError, match="disk trouble"):
        replace(tmp_path / "bundle", a="2")
    assert texts(tmp_path / "bundle") == {"a": "1"}
    assert os.listdir(tmp_path) == ["bundle"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "bundle").write_text("mine")
    with pytest.raises(FileExistsError, match="is not a folder"):
        replace(tmp_path / "bundle", a="1")
    assert texts(tmp_path) == {"bundle": "mine"}


def test_a_mount_point_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(tmp_path))
    with pytest.raises(ValueError, match=f"is a mount point.* such as {tmp_path}/new"):
        replace(tmp_path, a="new")
    replace(tmp_path / "new", a="new")
    assert texts(tmp_path / "new") == {"a": "new"}


def test_a_link_to_a_folder_stays(tmp_path):
    replace(tmp_path / "there", a="1")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    replace(tmp_path / "link", a="2")
    assert (tmp_path / "link").is_symlink()
    assert texts(tmp_path / "there") == {"a": "2"}


def test_the_longest_name_is_written(tmp_path):
    for text in ("1", "2"):
        replace(tmp_path / ("a" * 255), a=text)
    assert texts(tmp_path / ("a" * 255)) == {"a": "2"}


def test_two_at_once_are_told_apart(tmp_path):
    with atomic_folder(tmp_path / "bundle") as new:
        (new / "a").write_text("first")
        with pytest.raises(ValueError, match=r"another run is writing .*bundle: wait for it"):
            replace(tmp_path / "bundle", a="second")
    assert texts(tmp_path / "bundle") == {"a": "first"}


@pytest.fixture
def run(tmp_path):
    """An old run, with a report of it and what is the user's own."""
    folder = tmp_path / "run"
    (folder / "onnx").mkdir(parents=True)
    for name in ("model.keras", "metrics.json", "evaluation.json", "notes.txt"):
        (folder / name).write_text("old")
    return folder


def retrain(run, text="new"):
    with atomic_files(run, DERIVED) as new:
        for name in ("model.keras", "metrics.json", "history.csv"):
            (new / name).write_text(text)


NEW = {"model.keras": "new", "metrics.json": "new", "history.csv": "new", "notes.txt": "old"}


def files_of(run):
    return {path.name: path.read_text() for path in run.iterdir() if path.is_file()}


def test_files_are_replaced_with_what_tells_of_them_and_all_else_stays(run):
    retrain(run)
    assert files_of(run) == NEW
    assert sorted(os.listdir(run)) == sorted([*NEW, "onnx"])


def test_files_of_a_block_that_raises_replace_none(run):
    before = files_of(run)
    with pytest.raises(TypeError):
        retrain(run, text=None)
    assert files_of(run) == before
    assert not (run / ".writing").exists()


def test_a_folder_where_a_file_must_go_is_found_before_any_is_replaced(run):
    (run / "metrics.json").unlink()
    (run / "metrics.json").mkdir()
    before = files_of(run)
    with pytest.raises(FileExistsError):
        retrain(run)
    assert files_of(run) == before


@pytest.fixture
def half_moved(run, monkeypatch):
    """A run in which one file was moved, and then came a kill."""
    moved, replaced = [], os.replace

    def one(source, target):
        if moved:
            raise OSError(5, "disk trouble")
        moved.append(target)
        replaced(source, target)

    monkeypatch.setattr(os, "replace", one)
    with pytest.raises(OSError, match="disk trouble"):
        retrain(run)
    monkeypatch.undo()
    assert sorted(files_of(run).values()).count("new") == 1
    return run


@pytest.mark.parametrize("moves", range(5))
def test_what_is_stale_and_written_anew_outlives_a_kill_at_every_move(run, monkeypatch, moves):
    for name in ("samples.png", "reconstructions.png"):
        (run / name).write_text("old")
    moved, replaced = [], os.replace

    def some(source, target):
        if len(moved) == moves:
            raise OSError(5, "disk trouble")
        moved.append(target)
        replaced(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", some)
        with contextlib.suppress(OSError), atomic_files(run, STALE) as new:
            for name in ("model.keras", "metrics.json", "history.csv", "samples.png"):
                (new / name).write_text("new")
    assert len(moved) == min(moves, 4)
    Run(run)
    assert files_of(run) == {**NEW, "samples.png": "new"}


def test_whoever_opens_a_run_finishes_it(half_moved):
    assert Run(half_moved).model.read_text() == "new"
    assert files_of(half_moved) == NEW
    assert sorted(os.listdir(half_moved)) == sorted([*NEW, "onnx"])


def test_the_model_of_a_run_is_opened_as_the_run_is(half_moved):
    Run(half_moved / "model.keras")
    assert files_of(half_moved) == NEW


def test_a_run_that_cannot_be_finished_says_so(half_moved, monkeypatch):
    def refuse(*arguments):
        raise OSError(30, "Read-only file system", "model.keras")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ValueError, match=r"cannot read .*: a run was killed while .*Read-only"):
        Run(half_moved)
    monkeypatch.undo()
    Run(half_moved)
    assert files_of(half_moved) == NEW


def test_what_was_not_decided_is_not_moved(run):
    (run / ".writing/new").mkdir(parents=True)
    (run / ".writing/new/model.keras").write_text("half")
    finish(run)
    assert (run / "model.keras").read_text() == "old"
    retrain(run)
    assert files_of(run) == NEW
