"""What a table of times must say of the machine, the day and the software."""

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from keras_vae.commands.machine import processor

PACKAGES = ["keras", "tensorflow", "jax", "torch", "numpy", "onnxruntime", "openvino", "pythae"]
ASK = """
import importlib.metadata as metadata, json, sys
found = {d.metadata["Name"]: d.version for d in metadata.distributions()}
print(json.dumps({name: found[name] for name in sys.argv[1:] if name in found}))
"""


def header(*notes, pythons=(sys.executable,)):
    """The machine, the date and the versions of the packages, as lines of Markdown.

    Args:
        notes: further lines, such as where the data comes from.
        pythons: the interpreters whose packages are listed, each with its own.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    when = datetime.datetime.now(datetime.UTC)
    lines = [
        f"{when:%Y-%m-%d %H:%M} UTC",
        f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; "
        f"{platform.system()}, Python {platform.python_version()}",
        *(versions(python) for python in pythons if Path(python).exists()),
        *notes,
    ]
    return "\n".join(f"- {line}" for line in lines)


def versions(python):
    """The versions of the packages that an interpreter finds, as one line."""
    asked = subprocess.run(
        [str(python), "-c", ASK, *PACKAGES], capture_output=True, text=True, check=True
    )
    return ", ".join(f"{name} {version}" for name, version in json.loads(asked.stdout).items())
