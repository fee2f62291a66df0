"""manifest.json: what a bundle says of itself."""

import json

FORMAT = "keras-vae"
FORMAT_VERSION = 1
METADATA = "keras_vae"  # the key by which each ONNX file says what it is


def read(folder):
    """Returns what the manifest of the bundle `folder` holds.

    Raises:
        ValueError: the folder is missing, is no bundle, or its manifest is damaged or of another
            format version.

    Example:

    >>> from pathlib import Path
    >>> read(Path("nowhere"))
    Traceback (most recent call last):
    ValueError: nowhere is not a folder: give the folder that python -m export wrote
    """
    path = folder / "manifest.json"
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give the folder that python -m export wrote")
    if not path.is_file():
        raise ValueError(f"{folder} is not a keras-vae bundle: it holds no manifest.json")
    try:
        manifest = json.loads(read_bytes(path))
    except ValueError as error:
        raise ValueError(f"{path} was cut short or changed: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} does not describe a keras-vae bundle")
    check_version(path, manifest)
    for name, fits in FIELDS.items():
        if not fits(manifest.get(name)):
            raise ValueError(f"{path} was cut short or changed: {name} is {manifest.get(name)!r}")
    return manifest


def check_version(path, about):
    """Refuses a file that says that it has another format version."""
    version = about.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, and this program reads version "
            f"{FORMAT_VERSION}: use the keras-vae that wrote it, or a newer one"
        )


def file_name(manifest, stem, precision):
    """Returns the name of a file of the bundle, such as `sampler.onnx`, in a precision.

    Raises:
        ValueError: the bundle holds no files of that precision.

    Example:

    >>> file_name({"precisions": {"int8": {}}}, "sampler", "int8")
    'sampler.int8.onnx'
    """
    held = ["float32", *manifest.get("precisions", {})]
    if precision not in held:
        raise ValueError(
            f"the bundle holds files of precision {', '.join(held)}, not {precision!r}: export it "
            f"with --precision {precision}"
        )
    return f"{stem}.onnx" if precision == "float32" else f"{stem}.{precision}.onnx"


def read_bytes(path):
    """Returns the bytes of a file, or raises a ValueError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error


def _is_size(value):
    return type(value) is int and value >= 1


FIELDS = {
    "input_shape": lambda value: isinstance(value, list) and value and all(map(_is_size, value)),
    "latent_dim": _is_size,
    "num_classes": lambda value: value is None or _is_size(value),
    "files": lambda value: (
        isinstance(value, dict) and all(isinstance(f, dict) for f in value.values())
    ),
}
