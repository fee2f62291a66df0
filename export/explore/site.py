"""The files of the explorer: those of the page, of a bundle, and of onnxruntime-web."""

import shutil
from pathlib import Path

from export.runtime import manifest, sessions
from keras_vae.folders import new_folder

PAGE = Path(__file__).with_name("page")
STEMS = ("encoder", "decoder", "sampler", "generator", "scorer")
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
INSTALLED = Path("node_modules", "onnxruntime-web", "dist")


def files(bundle, runtime=None):
    """Returns the files of the explorer: `{place below its address: pathlib.Path}`.

    Args:
        bundle: the folder that `python -m export` wrote.
        runtime: the folder of onnxruntime-web's files; see `runtime_folder`.

    Raises:
        ValueError: the bundle is none, or damaged; onnxruntime-web is not there.
    """
    held = [f"{stem}.onnx" for stem in STEMS]
    entries = manifest.read(bundle)["files"]
    for name in ("encoder.onnx", "decoder.onnx", "sampler.onnx"):
        if name not in entries:
            raise ValueError(f"{bundle} holds no {name}: export the model again")
    found = {page.name: page for page in PAGE.iterdir() if page.is_file()}
    found["bundle/manifest.json"] = bundle / "manifest.json"
    for name in held:
        if name in entries:
            sessions.read(bundle / name, entries[name])
            found[f"bundle/{name}"] = bundle / name
    folder = runtime_folder(runtime)
    return found | {f"runtime/{name}": folder / name for name in RUNTIME}


def runtime_folder(given=None):
    """Returns the folder that holds onnxruntime-web, which `npm install onnxruntime-web` brings.

    It is never looked for in a bundle: a stranger's would bring JavaScript of its own.

    Args:
        given: the folder, or one in which npm installed it. None: the current folder.

    Raises:
        ValueError: it is not there.

    Example:

    >>> runtime_folder(Path("nowhere"))
    Traceback (most recent call last):
    ValueError: nowhere holds no onnxruntime-web (ort.wasm.bundle.min.mjs): give --runtime
    node_modules/onnxruntime-web/dist, after npm install onnxruntime-web
    """
    for folder in [INSTALLED] if given is None else [given, given / INSTALLED]:
        if all((folder / name).is_file() for name in RUNTIME):
            return folder
    if given is None:
        raise ValueError(
            "the page needs onnxruntime-web, which is not in ./node_modules: run npm install "
            "onnxruntime-web, or give --runtime DIR, the folder that holds its files"
        )
    raise ValueError(
        f"{given} holds no onnxruntime-web ({RUNTIME[0]}): give --runtime {INSTALLED}, after "
        "npm install onnxruntime-web"
    )


def write(found, out):
    """Writes the explorer into a folder, whole or not at all.

    Args:
        found: what `files` returns.
        out: a `pathlib.Path`, which is missing or empty.

    Raises:
        ValueError: the folder holds something, or cannot be written.
        OSError: the disk is full.
    """
    with new_folder(out) as folder:
        for place, file in found.items():
            (folder / place).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, folder / place)
