"""tests/golden/check.py: the noise in plain Python, for those who implement it anew."""

import hashlib
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from keras_vae import noise

GOLDEN = Path(__file__).parent / "golden"
TABLE = Path(noise.__file__).with_name("normal_table.npy")
VECTORS = json.loads((GOLDEN / "noise.json").read_text())


def run(script, *arguments):
    """Without what is installed: neither NumPy nor keras_vae is to be found."""
    command = [sys.executable, "-I", "-S", GOLDEN / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(GOLDEN / "check.py"))["main"]


def test_it_agrees_with_every_value_by_the_standard_library_alone():
    checked = run("check.py", TABLE, GOLDEN / "noise.json")
    assert (checked.returncode, checked.stderr) == (0, "")
    counts = json.loads(checked.stdout)
    assert counts["words"] == counts["normal"] == 2 * len(VECTORS["vectors"])
    assert set(counts) == {*VECTORS, "words", "uniform", "normal"} - {"vectors"}


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("known", "words"),
        ("vectors", "words"),
        ("vectors", "uniform"),
        ("vectors", "normal"),
        ("latent", "epsilon"),
        ("components", "u"),
        ("events", "u"),
        ("draws", "epsilon"),
        ("fillings", "u"),
    ],
)
def test_one_wrong_bit_is_found(tmp_path, capsys, main, section, key):
    vectors = {k: v[:1] if isinstance(v, list) else v for k, v in VECTORS.items()}
    entry = VECTORS[section][-1]
    wrong = [*entry[key][:-1], f"{int(entry[key][-1], 16) ^ 1:08x}"]
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps({**vectors, section: [{**entry, key: wrong}]}))
    assert main(TABLE, file) == 1
    said = capsys.readouterr().err
    assert said.startswith(key if section == "vectors" else section)
    assert len(said.splitlines()) == 1


def test_one_wrong_bit_of_the_table_is_found(tmp_path, capsys, main):
    wrong = bytearray(TABLE.read_bytes())
    wrong[128 + 4 * 5000] ^= 1
    file = tmp_path / "table.npy"
    file.write_bytes(wrong)
    assert main(file, GOLDEN / "noise.json") == 1
    assert capsys.readouterr().err.startswith("table_sha256")


def test_the_page_names_the_checksums_the_positions_and_the_constants():
    page = (Path(__file__).parents[1] / "docs" / "noise.md").read_text(encoding="utf-8")
    upper = hashlib.sha256(TABLE.read_bytes()[128:]).hexdigest()
    for said in (VECTORS["table_sha256"], upper, f"0x{noise.PARITY:X}"):
        assert page.count(said) == 1
    assert f"R = {', '.join(map(str, sum(noise.ROTATIONS, ())))}" in page
    assert f"0x{noise.SQRT_HALF.view('uint32'):X}" in page
    for position in (noise.COMPONENT, noise.EVENT, noise.EXAMPLE):
        assert re.search(rf"\b{position} \(2\^", page)
    assert set(re.findall(r"`(\w+)`", page.split("| section | holds |")[1])) >= set(VECTORS)


def test_the_table_is_computed_to_the_bit_by_the_standard_library_alone():
    computed = run("table.py", TABLE)
    assert (computed.returncode, computed.stdout) == (0, "the same to the bit\n")
