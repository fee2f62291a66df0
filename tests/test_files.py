"""A file is written whole or not at all."""

import os

import pytest

from keras_vae.files import atomic_write


def test_the_block_writes_beside_the_target_and_the_target_appears_at_the_end(tmp_path):
    target = tmp_path / "model.keras"
    with atomic_write(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"
        assert not temporary.exists()
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.keras"]


def write_half(target, stop):
    with atomic_write(target) as temporary:
        temporary.write_text("half")
        raise stop


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_block_that_raises_leaves_what_stood_there(tmp_path, stop):
    target = tmp_path / "model.keras"
    target.write_text("old")
    with pytest.raises(type(stop)) as caught:
        write_half(target, stop)
    assert caught.value is stop
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.png"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_an_error(tmp_path):
    with (
        pytest.raises(FileNotFoundError),
        atomic_write(tmp_path / "no" / "a.txt") as temporary,
    ):
        temporary.write_text("new")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("target", ["folder", "pipe"])
def test_only_regular_files_are_replaced(tmp_path, target):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FileExistsError), atomic_write(tmp_path / target) as temporary:
        temporary.write_text("new")
    assert sorted(os.listdir(tmp_path)) == before


def test_the_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_text("")
    with atomic_write(tmp_path / "ours") as temporary:
        temporary.write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
