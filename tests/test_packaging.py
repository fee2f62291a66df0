"""The wheel holds both packages whole, nothing else, and works from another folder."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["keras_vae", "export"]


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


def test_lock_pins_every_dependency_by_hash_and_names_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    pins = [line for line in lock.splitlines() if line[:1].isalnum()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    assert {name.split(">=")[0] for name in asked} <= {pin.split("==")[0] for pin in pins}
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock
