"""The programs of docs/examples/ run, with less training, and leave what their texts show."""

import re

import pytest

from tests.pages import ROOT
from tests.pictures import drawn

EXAMPLES = ROOT / "docs" / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
HURRIED = {"EPOCHS = ": "1", "range(0, photograph.shape[0] - 16, ": "160)"}
"""What a test changes: a line up to its number, and that number."""


@pytest.mark.only_on("tensorflow")
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_runs_and_draws_its_picture(path, tmp_path, monkeypatch, exported_once):
    monkeypatch.chdir(tmp_path)
    program = path.read_text(encoding="utf-8")
    for line, number in HURRIED.items():
        program = re.sub(rf"({re.escape(line)})\d+\)?", rf"\g<1>{number}", program)
    with drawn():
        exec(compile(program, path, "exec"), {"__name__": "__main__"})
    for picture in re.findall(r"!\[.*\]\((\S+)\)", program):
        assert (tmp_path / picture).stat().st_size > 0


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_what_an_example_links_is_there(path):
    for target in re.findall(r"\]\(([^)\s#]+)", path.read_text(encoding="utf-8")):
        assert (EXAMPLES / target).exists(), target
