"""The wheel keras-vae-runtime: export/runtime by another name, typed."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.conformance.runtimes import NODE

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "export" / "runtime"
PYRIGHT = NODE / "node_modules" / ".bin" / "pyright"
USER = """
import numpy as np
from keras_vae_runtime import OnnxVAE, write

vae = OnnxVAE("bundle", precision="int8")
x_hat = vae.sample(64, seed=7, temperature=1.0)
z_mean, z_log_var = vae.encode(x_hat)
reveal_type(z_mean)
scores = vae.score(x_hat, num_samples=100, index=0)
means = [float(np.mean(score)) for score in scores.values()]
for part in vae.sample_stream(100_000, mean=False):
    part.mean()
write(vae.as_seen(x_hat), "samples.png")
vae.sample("64")
vae.sampel(64)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, ROOT / "wheels" / "runtime.py", out]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """The wheel, installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_it_is_the_runtime_whole_and_nothing_else(site):
    def held(folder):
        files = (path for path in folder.rglob("*") if path.is_file())
        kept = (path for path in files if "__pycache__" not in path.parts)
        return {str(path.relative_to(folder)): path.read_bytes() for path in kept}

    assert held(site / "keras_vae_runtime") == held(RUNTIME)
    assert {path.name.split("-")[0] for path in site.iterdir()} == {"keras_vae_runtime"}


def test_it_is_small_and_of_the_version_of_keras_vae(wheel, site):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert wheel.name == f"keras_vae_runtime-{version}-py3-none-any.whl"
    assert wheel.stat().st_size < 300_000
    (about,) = site.glob("*.dist-info/METADATA")
    needs = re.findall(r"^Requires-Dist: (\w+)[^;\n]*$", about.read_text(), re.MULTILINE)
    assert needs == ["numpy", "onnxruntime"]


def test_it_says_what_is_wrong_by_its_own_name(site, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(site)}

    def run(*arguments):
        command = [sys.executable, "-P", "-m", "keras_vae_runtime", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    assert run("--help").stdout.startswith("usage: python -m keras_vae_runtime ")
    failed = run("nowhere", "--out", "x.npy")
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)


def test_it_loads_numpy_and_onnxruntime_alone(site):
    code = "import keras_vae_runtime, sys; print(*{n.split('.')[0] for n in sys.modules})"
    command = [sys.executable, "-P", "-c", code]
    environment = os.environ | {"PYTHONPATH": str(site)}
    loaded = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    foreign = set(loaded.stdout.split()) - set(sys.stdlib_module_names)
    heavy = {"keras", "tensorflow", "jax", "torch", "onnx", "tf2onnx", "scipy", "PIL", "export"}
    assert {"keras_vae_runtime", "numpy", "onnxruntime"} <= foreign
    assert not heavy & foreign


@pytest.mark.parametrize("file", sorted(RUNTIME.glob("*.py")), ids=lambda path: path.name)
def test_every_public_signature_is_annotated(file):
    for node in ast.walk(ast.parse(file.read_text())):
        public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if public and node.col_offset in (0, 4) and node.name not in ("days", "submit"):
            given = [*node.args.args, *node.args.kwonlyargs]
            bare = [a.arg for a in given if a.annotation is None and a.arg != "self"]
            assert not bare, (node.name, bare)
            assert node.returns is not None, node.name


def test_pyright_is_content_and_finds_the_mistakes_of_a_user(site, tmp_path):
    if not PYRIGHT.is_file():
        pytest.skip("needs pyright, from npm: make conformance or make test-all installs it")
    (tmp_path / "user.py").write_text(USER)
    settings = {"extraPaths": [str(site)], "include": ["user.py", str(site / "keras_vae_runtime")]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [PYRIGHT, "--project", tmp_path, "--pythonpath", sys.executable, "--outputjson"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    told = {d["range"]["start"]["line"]: d["message"] for d in found["generalDiagnostics"]}
    lines = USER.splitlines()
    assert {lines[line] for line in told} == {
        "reveal_type(z_mean)",
        'vae.sample("64")',
        "vae.sampel(64)",
    }
    assert "dtype[floating[_32Bit]]" in told[lines.index("reveal_type(z_mean)")]
    assert all(Path(d["file"]).name == "user.py" for d in found["generalDiagnostics"])


def test_the_commands_are_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["scripts"]) == {"keras-vae", "keras-vae-export", "keras-vae-sample"}
    for place in project["scripts"].values():
        module, function = place.split(":")
        code = f"from {module} import {function}; raise SystemExit({function}(['--help']))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.startswith("usage: "), place
