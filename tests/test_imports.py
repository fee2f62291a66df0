"""Imports run downward only, and the runtime needs numpy and onnxruntime alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = ["tensorflow", "keras", "torch", "jax", "onnx", "tf2onnx", "keras_vae"]


def run_python(code, *arguments):
    """Run `code` in a process of its own and return what it printed."""
    command = [sys.executable, "-c", code, *arguments]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def test_import_contracts_hold(monkeypatch):
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_runtime_imports_where_the_training_libraries_cannot_be():
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(sys.argv[1:]))\n"
        "from export.runtime import OnnxVAE\n"
        "print(OnnxVAE.__name__)"
    )
    assert run_python(code, *FORBIDDEN) == "OnnxVAE"


@pytest.mark.parametrize("module", ["export", "export.runtime"])
def test_import_loads_no_training_library(module):
    code = f"import sys, {module}\nprint(*(name for name in sys.argv[1:] if name in sys.modules))"
    assert run_python(code, *FORBIDDEN, "matplotlib", "sklearn", "scipy", "PIL") == ""


def test_keras_vae_does_not_load_export():
    code = "import sys, keras_vae\nprint(*(m for m in sys.modules if m.split('.')[0] == 'export'))"
    assert run_python(code) == ""
