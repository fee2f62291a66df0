"""The folder: ONNX files, a manifest, a card, perhaps a picture, written whole or not at all."""

import hashlib
import json
import math
from pathlib import Path

import onnx

from export import (
    card,
    convert,
    elements,
    imputer,
    pictures,
    quantize,
    runtime,
    sampler,
    scorer,
    validate,
    variants,
)
from export import manifest as manifests
from export.converters import converter
from keras_vae.folders import atomic_folder, output_folder

GRAPHS = {
    "encoder.onnx": lambda parts: parts.encoder,
    "decoder.onnx": lambda parts: parts.decoder,
    "sampler.onnx": sampler.sampler,
    "generator.onnx": sampler.generator,
    "scorer.onnx": scorer.scorer,
    "elements.onnx": elements.elements,
    "imputer.onnx": imputer.imputer,
}
GENERATED = {"manifest.json", "README.md", "samples.png"}
MOST = 2**31
"""Bytes of a message of Protocol Buffers, which an ONNX file is."""


def write(
    vae,
    path,
    tolerance=validate.TOLERANCE,
    metrics=None,
    precision=(),
    x=None,
    budget=variants.BUDGET,
    data=None,
    label=None,
    detector=None,
    say=lambda message: None,
):
    """Exports a VAE into the folder `path`, after checking that it agrees with Keras.

    Everything is written into a hidden folder beside `path` and checked there; then the two change
    places in one step. If anything fails, or the process is killed, what stood at `path` before
    still stands there.

    Args:
        vae: a `keras_vae.VAE`; one trained in mixed precision is exported in float32.
        path: the folder; it may be missing, empty, or an earlier bundle, which is replaced.
        tolerance: the largest difference from Keras allowed.
        metrics: what is known of the model, for the manifest: `data`, its name, and `test`, with
            `elbo` and `standard_error` in nats per example.
        precision: `"float16"`, `"int8"`, or both: variants to write beside the float32 files.
        x, budget, data, label: held-out examples to judge the variants by, what they may cost in
            nats per example, what the examples are called, and their labels if the model is
            conditional: see `variants.Trial`.
        detector: the `keras_vae.anomaly.Detector` of this model, for `OnnxVAE.is_anomaly`.
        say: called with a line of progress now and then.

    Raises:
        ValidationError: a file differs from the Keras model, or a variant costs too much.
        ValueError: `path` holds something else than a bundle, another run is writing it, it cannot
            be written, the model cannot be exported, or another argument is wrong.
        OSError: the disk is full.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2)
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "bundle"
    >>> write(vae, folder)
    >>> sorted(file.name for file in folder.iterdir())
    ['README.md', 'decoder.onnx', 'elements.onnx', 'encoder.onnx', 'generator.onnx',
     'manifest.json', 'sampler.onnx', 'samples.png', 'scorer.onnx']
    """
    converter()
    _check_size(vae)
    path = Path(path).resolve()
    _check_target(path)
    trial = variants.Trial(vae, precision, x, budget, data, label)
    exported = convert.float32(vae)
    told = {} if detector is None else {"anomaly": manifests.anomaly(vae, exported, detector)}
    with output_folder(path.parent), atomic_folder(path) as folder:
        _fill(folder, exported, tolerance, metrics, trial, told, say)
        _check_target(path)  # what came into it meanwhile


def _check_size(vae):
    """Refuses what no file can hold, before minutes and gigabytes are spent on it."""
    size = 4 * sum(math.prod(weight.shape) for weight in vae.weights)
    if size >= MOST:
        raise ValueError(
            f"an ONNX file holds at most {MOST / 1e9:.2f} GB, and the weights of this model take "
            f"{size / 1e9:.2f} GB in float32: make its layers smaller"
        )


def _fill(folder, vae, tolerance, metrics, trial, told, say):
    about = {**manifests.about(vae, metrics), **told}
    say("converting the model to ONNX")
    parts = convert.parts(vae)
    files = _save_all(parts, folder, about)
    say("comparing with Keras, on batches of 1 to 257 and on extreme latents")
    gaps = validate.check(vae, folder, tolerance)
    for name in trial.precisions:
        say(f"making the {name} files")
        variant = quantize.PRECISIONS[name](parts)
        files |= _save_all(variant, folder, {**about, "precision": name})
        validate.check_variant(vae, folder, name, tolerance)
    manifest = {
        **about,
        "files": files,
        "validation": manifests.validation(gaps, tolerance),
        "precisions": trial.judge(folder, say),
    }
    _write_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    say("sampling")
    pictured = pictures.write(runtime.OnnxVAE(folder), folder / "samples.png")
    _write_text(folder / "README.md", card.text(manifest, pictured))


def _save_all(parts, folder, about):
    """Writes the graphs that the parts make, and returns what the manifest says of them."""
    ending = f"_{about['precision']}.onnx" if "precision" in about else ".onnx"
    graphs = {name.replace(".onnx", ending): make(parts) for name, make in GRAPHS.items()}
    made = {name: model for name, model in graphs.items() if model is not None}
    return {name: _save(model, folder / name, about) for name, model in made.items()}


def _save(model, path, about):
    onnx.helper.set_model_props(model, {runtime.METADATA: json.dumps(about)})
    data = model.SerializeToString(deterministic=True)
    path.write_bytes(data)
    return {
        "precision": about.get("precision", "float32"),
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "inputs": {value.name: _shape(value) for value in model.graph.input},
        "outputs": {value.name: _shape(value) for value in model.graph.output},
    }


def _shape(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _write_text(path, text):
    path.write_text(text, encoding="utf-8")


def _check_target(path):
    """Refuses a target that holds anything that an earlier export did not write."""
    if path.is_dir():
        foreign = {file.name for file in path.iterdir()} - _own(path)
        if foreign:
            raise ValueError(
                f"cannot write the bundle {path}: the folder holds {min(foreign)}, "
                "which is not of a bundle; choose another folder"
            )
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(
                f"cannot write the bundle {path}: {place} is a file; choose another folder"
            )


def _own(path):
    """The files that an earlier export wrote into the folder."""
    if not (path / "manifest.json").exists():
        return set()
    try:
        files = {*runtime.OnnxVAE(path).manifest["files"], *GENERATED}
    except ValueError as error:
        raise ValueError(f"cannot replace what stands there: {error}") from error
    return {name for name in files if (path / name).is_file()}
