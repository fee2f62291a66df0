"""One dialect, that of Keras: docstrings in the third person, errors that say what must be."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    str(path.relative_to(ROOT))
    for package in ("keras_vae", "export", "benchmarks")
    for path in sorted((ROOT / package).rglob("*.py"))
]
KINDS = (ast.ClassDef, ast.FunctionDef)
BARE = {"Check", "Compare", "Compute", "Convert", "Draw", "Export", "Fill", "Give", "Go", "Keep"}
BARE |= {"Load", "Make", "Measure", "Print", "Raise", "Read", "Refuse", "Replace", "Return", "Run"}
BARE |= {"Save", "Show", "Start", "Store", "Train", "Write", "Yield"}


@pytest.mark.parametrize("file", FILES)
def test_a_docstring_says_what_a_function_does(file):
    """It begins "Returns x", not "Return x"."""
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    texts = [ast.get_docstring(node) or "-" for node in nodes if isinstance(node, KINDS)]
    assert {text.split()[0] for text in texts} & BARE == set()


@pytest.mark.parametrize("file", FILES)
def test_an_error_says_what_must_be_and_what_it_got(file):
    assert re.findall(r"(?:: expected |received (?:shape|z) ).*", (ROOT / file).read_text()) == []
