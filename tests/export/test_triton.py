"""A model repository of Triton: each graph of a bundle, and what Triton must know of it."""

import json
import subprocess
from pathlib import Path

import onnxruntime
import pytest

from export import triton

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build" / "engines" / "bin" / "python"
TYPES = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64"}


def test_each_graph_is_a_model(exported, tmp_path, capsys):
    assert triton.main([str(exported), "--out", str(tmp_path / "models")]) == 0
    assert "sampler" in capsys.readouterr().out
    names = {path.stem for path in exported.glob("*.onnx")}
    assert {path.name for path in (tmp_path / "models").iterdir()} == names
    for name in names:
        copied = tmp_path / "models" / name / "1" / "model.onnx"
        assert copied.read_bytes() == (exported / f"{name}.onnx").read_bytes()


@pytest.mark.skipif(not PYTHON.exists(), reason="needs make build/engines/.locked")
def test_triton_reads_the_inputs_of_the_graphs(exported, tmp_path):
    """By Triton's own message, and by the rules of its onnxruntime backend for shapes."""
    triton.write(exported, tmp_path / "models")
    script = ROOT / "tests" / "engines" / "with_triton.py"
    done = subprocess.run([PYTHON, script, tmp_path / "models"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told.keys() == {path.stem for path in exported.glob("*.onnx")}
    for name, config in told.items():
        assert (config["backend"], config["max_batch_size"]) == ("onnxruntime", 0)
        session = onnxruntime.InferenceSession(exported / f"{name}.onnx")
        assert config["inputs"] == {v.name: of(v) for v in session.get_inputs()}
        assert config["outputs"] == {v.name: of(v) for v in session.get_outputs()}


def of(value):
    """Type and shape as Triton tells them: -1 of an open size, [1] of a scalar."""
    return [TYPES[value.type], [n if isinstance(n, int) else -1 for n in value.shape] or [1]]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("nothing", "is not a folder"),
        ("damaged", "cut short or changed"),
        ("occupied", "is there already"),
    ],
)
def test_what_cannot_be_written_is_one_line(what, says, bundle, tmp_path, capsys):
    out = tmp_path / "models"
    if what == "nothing":
        bundle = tmp_path / "nothing"
    elif what == "damaged":
        (bundle / "scorer.onnx").write_bytes((bundle / "scorer.onnx").read_bytes()[:-1])
    else:
        out.mkdir()
        (out / "mine.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    assert triton.main([str(bundle), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
