"""The wheel holds both packages whole, nothing else, and works from another folder."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import export.cli
from keras_vae.names import BACKENDS, CONVERTERS, EXTRAS

ROOT = Path(__file__).parents[1]
PACKAGES = ["keras_vae", "export"]
HIDDEN = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name in MISSING else find(name, *more)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Builds in a copy, since setuptools leaves its build folder in the source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ["pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy(ROOT / name, source)
    for name in [*PACKAGES, "tests"]:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    code = "from setuptools import build_meta; build_meta.build_wheel('..')"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_every_file_of_both_packages_and_no_other(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    expected = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_imports_from_another_folder(wheel, package, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    command = [sys.executable, "-P", "-c", f"import {package}; print({package}.__file__)"]
    environment = os.environ | {"PYTHONPATH": str(site)}
    finished = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(finished.stdout.strip()) == site / package / "__init__.py"


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
LOCKS = {  # the tests run on TensorFlow
    "requirements.lock": PROJECT["project"]["dependencies"]
    + PROJECT["project"]["optional-dependencies"]["tensorflow"]
    + GROUPS["dev"],
    "tests/conformance/requirements.lock": GROUPS["conformance"],
    "tests/engines/requirements.lock": GROUPS["engines"],
    "docs/requirements.lock": GROUPS["site"],
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_dependency_by_hash_and_names_no_address(name):
    lock = (ROOT / name).read_text()
    pins = [line for line in lock.splitlines() if line[:1].isalnum()]
    asked = {need.split(">=")[0].split("[")[0] for need in LOCKS[name]}
    assert asked <= {re.split(r"==|\[", pin)[0] for pin in pins}
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock


def test_the_citation_is_of_the_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = (ROOT / "CITATION.cff").read_text().splitlines()
    assert {f"version: {project['version']}", f"license: {project['license']}"} <= {*cited}


def test_no_backend_is_installed_unless_it_is_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {re.split(r"\W", need)[0] for need in project["dependencies"]}
    assert not named & {*BACKENDS, *CONVERTERS}
    extras = project["optional-dependencies"]
    brought = {name: {re.split(r"\W", need)[0] for need in extra} for name, extra in extras.items()}
    assert all(backend in brought[backend] for backend in BACKENDS)
    for converter, extra in EXTRAS.items():
        assert brought[extra] == {converter, CONVERTERS[converter]}


def without(*missing, call, **env):
    """The exit status of a process where modules are missing, and what it prints as its error."""
    command = [sys.executable, "-c", f"MISSING = {missing!r}\n{HIDDEN}\n{call}"]
    env = os.environ | {"PYTHONPATH": str(ROOT)} | env
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        (
            ("tensorflow",),
            'pip install "keras-vae[tensorflow]", or set KERAS_BACKEND=jax, which is',
        ),
        (BACKENDS, 'pip install "keras-vae[tensorflow]", or set KERAS_BACKEND to another'),
    ],
    ids=["another is there", "none is there"],
)
def test_a_backend_that_is_missing_is_said_in_one_line_with_the_command(missing, advice):
    call = "from keras_vae.cli import main; sys.exit(main(['evaluate', 'nowhere']))"
    status, told = without(*missing, call=call, KERAS_BACKEND="tensorflow")
    assert (status, told.count("\n")) == (2, 1)
    assert told.rstrip().endswith(advice)
    status, told = without(*missing, call="import keras_vae; keras_vae.VAE")
    assert told.rstrip().endswith(advice)


@pytest.mark.parametrize("converter", CONVERTERS)
def test_a_converter_that_is_missing_is_said_before_anything_is_loaded(
    converter, monkeypatch, capsys
):
    monkeypatch.setattr(export.cli, "find_spec", lambda name: None)
    assert export.cli.main(["m.keras", "--out", "bundle", "--converter", converter]) == 2
    told = capsys.readouterr().err
    assert (
        told
        == f'error: {converter} is not installed: pip install "keras-vae[{EXTRAS[converter]}]"\n'
    )
