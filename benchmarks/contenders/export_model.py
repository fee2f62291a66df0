"""`python -m export MODEL.keras --out FOLDER`; without a folder, what it imports and no more."""

import json
import sys
from pathlib import Path

from export.cli import main as export


def main():
    """Prints the bytes of each file."""
    model, *out = sys.argv[1:]
    if not out:
        from export import bundle, validate  # noqa: F401
        from keras_vae.models import load_model  # noqa: F401
    elif status := export([model, "--out", *out]):
        raise RuntimeError(f"python -m export {model} returned {status}")
    folders = [Path(folder) for folder in out]
    sizes = {file.name: file.stat().st_size for folder in folders for file in folder.iterdir()}
    print(json.dumps({"bytes": {Path(model).name: Path(model).stat().st_size, **sizes}}))


if __name__ == "__main__":
    main()
