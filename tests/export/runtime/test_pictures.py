"""Samples as one picture, each at its place, written whole or not at all."""

import sys

import numpy as np
import pytest

from export.runtime import grid, memory, write


def test_grid_shows_each_image_at_its_place():
    x = np.arange(6).reshape(6, 1, 1, 1) / 6 * np.ones((6, 64, 64, 1))
    sheet = grid(x)
    assert sheet.shape == (2 + 2 * 66, 2 + 3 * 66)
    centres = sheet[34::66, 34::66].ravel()
    np.testing.assert_array_equal(centres, np.round(255 * x[:, 0, 0, 0]))


def test_grid_draws_colour_and_clips():
    x = np.full((1, 64, 64, 3), [-1, 0.2, 2])
    assert grid(x)[30, 30].tolist() == [0, 51, 255]


@pytest.mark.parametrize("shape", [(4,), (4, 7), (4, 5, 3), (1, 2, 3, 4, 1), (0, 8, 8, 1)])
def test_what_is_no_picture_is_refused_with_the_way_out(shape, tmp_path):
    with pytest.raises(ValueError, match=r"--out samples\.npy"):
        write(np.zeros(shape), tmp_path / "samples.png")
    assert not list(tmp_path.iterdir())


def test_picture_that_would_not_fit_is_refused(monkeypatch):
    x = np.zeros((100, 8, 8, 1), np.float32)
    monkeypatch.setattr(memory, "total", lambda: 10 * x.nbytes)  # each pixel grows to 8 x 8
    with pytest.raises(ValueError, match=r"100 samples take .* --out samples\.npy"):
        grid(x)
    monkeypatch.setattr(memory, "total", lambda: 100 * x.nbytes)
    assert grid(x).shape == (662, 662)


def test_picture_without_pillow_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match=r"needs Pillow: install it, or use --out samples\.npy"):
        write(np.zeros((1, 8, 8, 1)), tmp_path / "samples.png")
    assert not list(tmp_path.iterdir())
