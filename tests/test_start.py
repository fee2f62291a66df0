"""docs/start/ is walked block by block, in an empty folder; what it says is there then is there.

Word for word, but that a training takes one epoch, and that pictures are smaller.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import export.cli
import export.runtime.cli
import keras_vae.cli
from tests.pages import ROOT, steps
from tests.pictures import drawn

COMMANDS = {"keras_vae": keras_vae.cli, "export": export.cli, "export.runtime": export.runtime.cli}
STARTS = sorted((ROOT / "docs" / "start").glob("*.md"))
LOOK = re.compile(r"^\| in `(\S+)` \|.*\n\|.*\n((?:\|.*\n)+)", re.MULTILINE)


def take_photographs(rng):
    """What a reader has: pictures of several sizes, of several cameras."""
    folder = Path("photographs")
    folder.mkdir()
    for index, suffix in enumerate(["jpg", "JPG", "jpeg", "png"] * 5):
        shape = (20 + index, 30, 3)
        picture = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        picture.save(folder / f"DSC {index:03}.{suffix}")


def do(command):
    """Runs a command of a page; `make` and the shell's own are not of the library."""
    if command.startswith("python -m "):
        _, _, module, *arguments = shlex.split(command)
        hurried = ["--epochs", "1"] if arguments[0] == "train" else []
        assert COMMANDS[module].main([*arguments, *hurried]) == 0, command


@pytest.mark.parametrize("page", STARTS, ids=lambda page: page.stem)
def test_a_start_leads_to_what_it_says(page, tmp_path, monkeypatch, rng, exported_once):
    monkeypatch.chdir(tmp_path)
    take_photographs(rng)
    names = {}
    with drawn():
        for language, text in steps(page):
            if language == "python":
                exec(text.replace("(32, 32)", "(8, 8)"), names)
            for command in [] if language else text.splitlines():
                do(command)
    for folder, rows in LOOK.findall(page.read_text(encoding="utf-8")):
        for name in re.findall(r"^\| `([\w.]+)` \|", rows, re.MULTILINE):
            assert (tmp_path / folder / name).stat().st_size > 0, name
    for made in re.findall(r"--out ([\w/]+(?:\.\w+)?)", page.read_text(encoding="utf-8")):
        assert (tmp_path / made).exists(), made
