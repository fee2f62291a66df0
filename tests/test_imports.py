"""Imports run downward only, and the runtime needs numpy and onnxruntime alone."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import keras_vae

ROOT = Path(__file__).parents[1]
FORBIDDEN = ["tensorflow", "keras", "torch", "jax", "onnx", "tf2onnx", "keras_vae"]


def run_python(code, *arguments):
    """Runs `code` in a process of its own and returns what it printed."""
    return printed("-c", code, *arguments)


def printed(*arguments, folder=ROOT):
    """What a Python process in `folder` prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def imported_at_the_top(path):
    """The packages that a module imports as soon as it is read, whatever the circumstances."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def test_no_test_module_imports_a_backend_at_its_top():
    """So the tests run on each of Keras' backends where the others are not installed."""
    for path in (ROOT / "tests").rglob("*.py"):
        found = set(imported_at_the_top(path)) & {"tensorflow", "jax", "torch"}
        assert not found, path


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


@pytest.mark.parametrize("module", ["keras_vae", "keras_vae.cli", "export.cli", "export.hub"])
def test_what_reads_arguments_or_downloads_loads_no_training_library(module):
    code = f"import sys, {module}\nprint(*(name for name in sys.argv[1:] if name in sys.modules))"
    libraries = set(FORBIDDEN) - {"keras_vae"}
    assert run_python(code, *libraries, "matplotlib", "sklearn", "scipy") == ""


FETCHES = {"benchmarks/contenders/first_image.py"}  # the harness sets what export would set


def test_onnxruntime_is_imported_after_export_alone():
    """It phones home, unless a variable that `export` sets says otherwise before."""
    for path in (ROOT / "benchmarks").rglob("*.py"):
        held = "import onnxruntime" in path.read_text().replace("sessions import onnxruntime", "")
        assert held == (path.relative_to(ROOT).as_posix() in FETCHES), path


def test_nothing_is_left_in_the_home(tmp_path, monkeypatch):
    """onnxruntime's telemetry writes an id and a data base there, and looks for a host."""
    bundle, home = tmp_path / "bundle", tmp_path / "home"
    keras_vae.VAE.from_architecture("mlp", (4,), 2, hidden=()).export(bundle)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    code = "import sys\nfrom export.runtime import OnnxVAE\nOnnxVAE(sys.argv[1]).sample(3)"
    run_python(code, str(bundle))
    assert not list(home.rglob("*"))


@pytest.mark.parametrize("given", ["0", "1"])
def test_who_allows_telemetry_is_obeyed(monkeypatch, given):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", given)
    code = "import os, export\nprint(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert run_python(code) == given


def test_every_public_name_is_there_in_the_commands_of_other_packages_too(tmp_path):
    (tmp_path / "keras_vae_demo").mkdir()
    (tmp_path / "keras_vae_demo" / "__init__.py").write_text("import keras_vae\n")
    main = "from keras_vae import *\nprint(*dir())\n"
    (tmp_path / "keras_vae_demo" / "__main__.py").write_text(main)
    found = printed("-m", "keras_vae_demo", folder=tmp_path).split()
    assert set(keras_vae.__all__) <= set(found)
    assert set(keras_vae.__all__) <= set(dir(keras_vae))
    with pytest.raises(AttributeError, match="has no attribute 'VEA'"):
        _ = keras_vae.VEA


@pytest.mark.parametrize(
    "imports", ["keras, keras_vae", "keras_vae, keras", "keras_vae, tensorflow, keras"]
)
def test_keras_loads_a_saved_model_after_a_bare_import(imports, tmp_path):
    vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), 2, "poisson", "vamp", "iwae", hidden=())
    vae.save(tmp_path / "m.keras")
    code = f"import sys, {imports}\nprint(keras.saving.load_model(sys.argv[1]).latent_dim)"
    assert run_python(code, str(tmp_path / "m.keras")) == "2"


def test_keras_vae_does_not_load_export():
    code = "import sys, keras_vae\nprint(*(m for m in sys.modules if m.split('.')[0] == 'export'))"
    assert run_python(code) == ""
