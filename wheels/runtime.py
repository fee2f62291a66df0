"""python wheels/runtime.py DIR: builds the wheel keras-vae-runtime of export/runtime.

The folder imports nothing of its own project, so it is a package by any name. Here it is
`keras_vae_runtime`, of the version of keras-vae. Needs setuptools.
"""

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from setuptools import build_meta

WHEELS = Path(__file__).parent
ROOT = WHEELS.parent
NAME = "keras_vae_runtime"


def stage(folder):
    """Writes all that the wheel is built of into a folder."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    told = (WHEELS / "runtime.toml").read_text().replace("@version@", version)
    (folder / "pyproject.toml").write_text(told)
    shutil.copy(WHEELS / "README.md", folder)
    shutil.copy(ROOT / "LICENSE", folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "export" / "runtime", folder / NAME, ignore=ignored)


def build(out):
    """Builds the wheel into the folder `out`, and returns its name."""
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder))
        os.chdir(folder)
        name = build_meta.build_wheel(str(out))
        os.chdir(out)
    return name


if __name__ == "__main__":
    print(build(sys.argv[1]))
