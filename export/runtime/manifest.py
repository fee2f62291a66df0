"""manifest.json: what a bundle says of itself."""

import json
import math
import os
import reprlib
import stat
from pathlib import Path
from typing import Any

from . import conditions, schema

Manifest = dict[str, Any]
"""What manifest.json holds, checked by manifest.schema.json."""

FORMAT = "keras-vae"
FORMAT_VERSION = 2
METADATA = "keras_vae"  # the key by which each ONNX file says what it is
BYTES, VALUES = 2**24, 2**26  # at most: of a manifest, and in one example
SCHEMA = json.loads(Path(__file__).with_name("manifest.schema.json").read_bytes())


def read(folder: Path) -> Manifest:
    """Returns what the manifest of the bundle `folder` holds; manifest.schema.json describes it.

    Raises:
        ValueError: the folder is missing, is no bundle, or its manifest is damaged or of another
            format version.

    Example:

    >>> read(Path("nowhere"))
    Traceback (most recent call last):
    ValueError: nowhere is not a folder: give the folder that python -m export wrote
    """
    path = folder / "manifest.json"
    if not os.path.isdir(folder):  # nor is what has too long a name
        raise ValueError(f"{folder} is not a folder: give the folder that python -m export wrote")
    if not path.is_file():
        raise ValueError(f"{folder} is not a keras-vae bundle: it holds no manifest.json")
    manifest = about(path, read_bytes(path, BYTES))
    try:
        schema.check(manifest, SCHEMA)
        if math.prod(manifest["input_shape"]) > VALUES:
            raise ValueError(f"input_shape is {manifest['input_shape']}, of more than 2^26 values")
        _check_columns(manifest)
    except ValueError as error:
        raise ValueError(f"{path} was cut short or changed: {error}") from error
    return manifest


def _check_columns(manifest):
    """Refuses columns that do not say what they must, or are not those of x."""
    given = manifest.get("covariates", [])
    for column in [*manifest.get("columns", ()), *given]:
        needs = {"category": ("categories",), "date": ("format", "origin")}.get(column["kind"], ())
        if (column in given or column.get("label")) and column["kind"] != "category":
            needs += ("mean", "scale")
        for key in needs:
            if key not in column:
                raise ValueError(f"the {column['kind']} {column['name']!r} has no {key}")
        if column.get("scale") == 0:
            raise ValueError(f"the scale of {column['name']!r} is 0")
    covariates(manifest)
    if "columns" not in manifest:
        return
    entries = [column for column in manifest["columns"] if not column.get("label")]
    if [len(entries)] != manifest["input_shape"]:
        raise ValueError(f"{len(entries)} columns are not x of {manifest['input_shape']}")


def covariates(manifest: Manifest) -> list[dict[str, Any]]:
    """Returns what the label of a conditional model holds, dictionaries; of others, nothing.

    Raises:
        ValueError: what the manifest says of it does not fit together.

    Example:

    >>> covariates({"num_classes": 2})
    [{'name': 'label', 'kind': 'category', 'categories': range(0, 2)}]
    """
    num_classes = manifest.get("num_classes")
    told = manifest.get("covariates", [c for c in manifest.get("columns", []) if c.get("label")])
    if conditions.is_label(told) and num_classes is None:  # a column that the model is not given
        return []
    told = told or ([] if num_classes is None else conditions.label_of(num_classes))
    if num_classes is not None and [num_classes] != [len(c.get("categories", ())) for c in told]:
        raise ValueError(f"num_classes is {num_classes}, and the label is not one such category")
    if len({column["name"] for column in told}) < len(told):
        raise ValueError("covariates of a model must differ in name")
    return told


def about(path: Path, data: str | bytes) -> Manifest:
    """Returns what a file says of itself, after a look at its format and its version.

    Args:
        path: the file, for the message.
        data: JSON: a manifest, or the metadata of an ONNX file.

    Raises:
        ValueError: it is no JSON, or of another format or version.
    """
    try:
        told = schema.parsed(data)
    except ValueError as error:
        raise ValueError(f"{path} was cut short or changed: {error}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f"{path} does not describe a keras-vae bundle")
    version = told.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {reprlib.repr(version)}, and this program reads version "
            f"{FORMAT_VERSION}: use the keras-vae that wrote it, or a newer one"
        )
    return told


def file_name(manifest: Manifest, stem: str, precision: str) -> str:
    """Returns the name of a file of the bundle, such as `sampler.onnx`, in a precision.

    Bundles of version 0.1.0 have a point in the place of the underscore.

    Raises:
        ValueError: the bundle holds no files of that precision.

    Example:

    >>> file_name({"precisions": {"int8": {}}}, "sampler", "int8")
    'sampler_int8.onnx'
    >>> earlier = {"precisions": {"int8": {}}, "files": {"sampler.int8.onnx": {}}}
    >>> file_name(earlier, "sampler", "int8")
    'sampler.int8.onnx'
    """
    held = ["float32", *manifest.get("precisions", {})]
    if precision not in held:
        raise ValueError(
            f"the bundle holds files of precision {', '.join(held)}, not {precision!r}: export it "
            f"with --precision {precision}"
        )
    if precision == "float32":
        return f"{stem}.onnx"
    earlier = f"{stem}.{precision}.onnx"
    return earlier if earlier in manifest.get("files", {}) else f"{stem}_{precision}.onnx"


def anomaly(manifest: Manifest, path: Path, precision: str) -> dict[str, Any]:
    """Returns the threshold of anomalies, with what the scores that it is one of are made by.

    Raises:
        ValueError: the bundle holds none, or it is not one of scores in this precision.

    Example:

    >>> anomaly({"anomaly": {"threshold": 4.5}}, "bundle", "float32")
    {'threshold': 4.5}
    """
    if "anomaly" not in manifest:
        raise ValueError(
            f"{path} holds no threshold of anomalies: run python -m keras_vae calibrate on the run "
            "of its model, and export again"
        )
    if precision != "float32":
        raise ValueError(
            f"the threshold of {path} is one of float32 scores, and it was opened with precision "
            f"{precision!r}: open it without"
        )
    return manifest["anomaly"]


def read_bytes(path: Path, most: int) -> bytes:
    """Returns the bytes of a file, of a longer one `most` + 1.

    Raises:
        ValueError: it cannot be read, or is a folder, or a pipe, which might never end.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ValueError(f"{path} is not a file: copy or export it again")
        with path.open("rb") as file:
            return file.read(min(most, about.st_size) + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
