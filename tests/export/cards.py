"""The programs of a model card, cut out of it and run as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.runtimes import NODE, PYTHON

ROOT = Path(__file__).parents[2]
MISSING = "needs what `make conformance` installs: "


def blocks(folder, language):
    """The programs of a language, in order."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def copied(folder, place):
    """A copy of the bundle, beside packages that npm installed."""
    shutil.copytree(folder, place)
    if (NODE / "node_modules").is_dir():
        (place / "node_modules").symlink_to(NODE / "node_modules")
    return place


def run_python(folder):
    """Runs all programs in Python one after another, as one; Keras is out of reach."""
    runtime = folder.parent / "site" / "keras_vae_runtime"
    if not runtime.exists():
        runtime.parent.mkdir()
        runtime.symlink_to(ROOT / "export" / "runtime")
    banned = (
        "import sys; sys.modules.update(dict.fromkeys(['keras', 'tensorflow', 'export', 'onnx']))"
    )
    program = "\n".join([banned, *blocks(folder, "python")])
    _run([sys.executable, "-c", program], folder, {"PYTHONPATH": str(runtime.parent)})


def run_node(folder):
    """Runs draw.mjs."""
    if shutil.which("node") is None or not (folder / "node_modules").is_dir():
        pytest.skip(f"{MISSING}node and onnxruntime-node")
    (folder / "draw.mjs").write_text(*blocks(folder, "js"))
    _run(["node", "draw.mjs"], folder, {})


def run_cpp(folder):
    """Compiles draw.cpp by the lines of the card, and runs it."""
    if shutil.which("g++") is None or not PYTHON.is_file():
        pytest.skip(f"{MISSING}g++ and OpenVINO")
    (folder / "draw.cpp").write_text(*blocks(folder, "cpp"))
    (lines,) = blocks(folder, "sh")
    assert lines.startswith("pip install openvino\n")
    path = f"{PYTHON.parent}:{os.environ['PATH']}"
    _run(
        ["sh", "-ec", lines.replace("pip install openvino\n", "") + "./draw"],
        folder,
        {"PATH": path},
    )


def _run(command, folder, environment):
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
