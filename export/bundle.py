"""The folder: ONNX files, a manifest, a model card and a picture, written whole or not at all."""

import hashlib
import json
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from export import card, convert, runtime, sampler, scorer, validate
from export import manifest as manifests

GRAPHS = {
    "encoder.onnx": lambda parts: parts.encoder,
    "decoder.onnx": lambda parts: parts.decoder,
    "sampler.onnx": sampler.sampler,
    "scorer.onnx": scorer.scorer,
}
GENERATED = {"manifest.json", "README.md", "samples.png"}


def write(vae, path, tolerance=validate.TOLERANCE, metrics=None, say=lambda message: None):
    """Export a VAE into the folder `path`, once it is proved to agree with Keras.

    Everything is written into a temporary folder beside `path` and checked there; then the two
    change places. If anything fails, what stood at `path` before still stands there.

    Args:
        vae: a `keras_vae.VAE`; one trained in mixed precision is exported in float32.
        path: the folder; it may be missing, empty, or an earlier bundle, which is replaced.
        tolerance: the largest difference from Keras allowed.
        metrics: what is known of the model, for the manifest: `data`, its name, and `test`, with
            `elbo` and `standard_error` in nats per example.
        say: called with a line of progress now and then.

    Raises:
        ValidationError: a file differs from the Keras model.
        ValueError: `path` holds something else than a bundle, or the model cannot be exported.
        OSError: the folder cannot be written, or the disk is full.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2)
    >>> folder = Path(tempfile.mkdtemp()) / "bundle"
    >>> write(vae, folder)
    >>> sorted(file.name for file in folder.iterdir())
    ['README.md', 'decoder.onnx', 'encoder.onnx', 'manifest.json', 'sampler.onnx', 'samples.png',
     'scorer.onnx']
    """
    path = Path(path).resolve()
    _check_target(path)
    with _replacing(path) as folder:
        _fill(folder, convert.float32(vae), tolerance, metrics, say)


def _fill(folder, vae, tolerance, metrics, say):
    about = manifests.about(vae, metrics)
    say("converting the model to ONNX")
    parts = convert.parts(vae)
    files = {name: _save(make(parts), folder / name, about) for name, make in GRAPHS.items()}
    say("comparing with Keras, on batches of 1 to 257 and on extreme latents")
    gaps = validate.check(vae, folder, tolerance)
    manifest = {**about, "files": files, "validation": manifests.validation(gaps, tolerance)}
    _write_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    say("sampling")
    runtime.write(runtime.OnnxVAE(folder).sample(64), folder / "samples.png")
    _write_text(folder / "README.md", card.text(manifest))


def _save(model, path, about):
    entry = model.metadata_props.add()
    entry.key, entry.value = runtime.METADATA, json.dumps(about)
    data = model.SerializeToString(deterministic=True)
    path.write_bytes(data)
    return {
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
    """Refuse a target that holds anything that an earlier export did not write."""
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


@contextmanager
def _replacing(path):
    """Yield a temporary folder beside `path` that takes its place if all goes well."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
            new, old = Path(temporary, "new"), Path(temporary, "old")
            new.mkdir()  # by the umask; the temporary folder itself is private
            yield new
            _swap(new, path, old)
    except BaseException:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def _swap(new, path, old):
    try:
        if path.exists():
            path.rename(old)
        new.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
