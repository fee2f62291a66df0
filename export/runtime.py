"""Sample an exported VAE with numpy and onnxruntime, and nothing else.

This file imports nothing of its own project, so it can be copied beside a bundle and used alone.

    python -m export.runtime BUNDLE --count 64 --seed 0 --out samples.png
"""

import argparse
import hashlib
import json
import math
import numbers
import os
import sys
import time
import uuid
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

FORMAT = "keras-vae"
FORMAT_VERSION = 1
METADATA = "keras_vae"  # the key by which each ONNX file says what it is
CHUNK = 256  # examples at once; fewer if they are large
CHUNK_VALUES = 2**22
LOAD_ERRORS = tuple(
    error
    for error in vars(ort_errors).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


class OnnxVAE:
    """x_hat = E[p(x|z)], z from the prior: a trained VAE, without Keras.

    For serving and for sharing: it starts in a fraction of a second. Each ONNX file is loaded
    when it is first needed, after its checksum is compared with the manifest.

    Args:
        path: the bundle, a folder written by `vae.export(path)` or `python -m export`.
        providers: onnxruntime's execution providers; the CPU if not given.

    Raises:
        ValueError: the folder is missing, is no bundle, or holds a damaged or foreign file.

    Example:

    >>> import keras_vae, tempfile
    >>> folder = tempfile.mkdtemp() + "/bundle"
    >>> keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2).export(folder)
    >>> vae = OnnxVAE(folder)
    >>> vae.sample(3, seed=7).shape
    (3, 4, 4, 1)
    """

    def __init__(self, path, providers=None):
        self.path = Path(path)
        self.manifest = _read_manifest(self.path)
        self.input_shape = tuple(self.manifest["input_shape"])
        self.latent_dim = self.manifest["latent_dim"]
        self._providers = providers or ["CPUExecutionProvider"]

    def sample(self, count, seed=0, temperature=1.0, first=0):
        """Draw x_hat for `count` samples of the prior: (count, *input_shape), float32.

        Sample i of a seed is one and the same image, whatever `first` and `count` it is drawn by.

        Args:
            count: how many samples.
            seed: integer in [-2**63, 2**63).
            temperature: the standard deviation of z; less than 1 draws more typical samples.
            first: index of the first sample.

        Raises:
            ValueError: an argument is out of range.
        """
        _check_draw(count, seed, temperature, first)
        x_hat = np.empty((count, *self.input_shape), np.float32)
        for start in range(0, count, self._chunk):
            size = min(self._chunk, count - start)
            feeds = {"seed": seed, "first": first + start, "count": size}
            feeds = {name: np.array(value, np.int64) for name, value in feeds.items()}
            with np.errstate(over="ignore"):  # what is not finite is refused below
                feeds["temperature"] = np.array(temperature, np.float32)
            z, x_hat[start : start + size] = self._sampler.run(["z", "x_hat"], feeds)
            if not np.isfinite(z).all():
                raise ValueError(f"temperature {temperature} is more than float32 can hold")
        return x_hat

    def encode(self, x):
        """Return z_mean, z_log_var of q(z|x): (B, latent_dim) each, float32.

        Args:
            x: examples, (B, *input_shape), scaled as the training data was.

        Raises:
            ValueError: `x` has another shape, holds no numbers, or a NaN.
        """
        return self._run(self._encoder, _checked("x", x, self.input_shape))

    def decode(self, z):
        """Return x_hat, the mean of p(x|z): (B, *input_shape), float32.

        Args:
            z: latents, (B, latent_dim).

        Raises:
            ValueError: `z` has another shape, holds no numbers, or a NaN.
        """
        return self._run(self._decoder, _checked("z", z, (self.latent_dim,)))[0]

    @cached_property
    def _encoder(self):
        return self._session("encoder.onnx")

    @cached_property
    def _decoder(self):
        return self._session("decoder.onnx")

    @cached_property
    def _sampler(self):
        return self._session("sampler.onnx")

    @property
    def _chunk(self):
        return min(CHUNK, max(1, CHUNK_VALUES // math.prod(self.input_shape)))

    def _session(self, name):
        path = self.path / name
        data = _read(path)
        entry = self.manifest["files"].get(name, {})
        if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
            raise ValueError(
                f"{path} is not the file that the manifest describes ({len(data)} bytes, expected "
                f"{entry.get('bytes')}): it was cut short or changed; copy or export it again"
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(data, options, providers=self._providers)
        except LOAD_ERRORS as error:
            raise ValueError(f"{path} cannot be loaded: {_one_line(error)}") from error
        if METADATA not in session.get_modelmeta().custom_metadata_map:
            raise ValueError(f"{path} was not written by keras-vae: export the model again")
        value = session.get_outputs()[0] if name == "sampler.onnx" else session.get_inputs()[0]
        shape = self.input_shape if name == "encoder.onnx" else (self.latent_dim,)
        if tuple(value.shape[1:]) != shape:
            raise ValueError(f"{path} has {value.name} of {value.shape}, the manifest says {shape}")
        return session

    def _run(self, session, array):
        """Run a session over the rows of `array` in chunks, so that memory stays bounded."""
        name = session.get_inputs()[0].name
        outputs = session.get_outputs()
        results = [np.empty((len(array), *out.shape[1:]), np.float32) for out in outputs]
        for start in range(0, len(array), self._chunk):
            rows = slice(start, start + self._chunk)
            for result, value in zip(results, session.run(None, {name: array[rows]}), strict=True):
                result[rows] = value
        return tuple(results)


def grid(x):
    """Lay examples out as one uint8 picture, small ones enlarged.

    Images (N, H, W, C) in [0, 1] stand side by side, grey or RGB; of other channels the first is
    shown. Vectors (N, D) are the rows of a heat map from their least value to their greatest.

    Raises:
        ValueError: `x` holds no examples, or has another shape.

    Example:

    >>> grid(np.zeros((4, 32, 32, 1))).shape
    (134, 134)
    """
    if x.ndim not in (2, 3, 4) or not len(x):
        raise ValueError(
            f"cannot draw data of shape {x.shape} as a picture, expected images or vectors and "
            "count >= 1: write numbers instead, --out samples.npy"
        )
    if x.ndim == 2:
        x = ((x - x.min()) / (np.ptp(x) or 1))[None]
    if x.ndim == 3:
        x = x[..., None]
    if x.shape[-1] not in (1, 3):
        x = x[..., :1]
    zoom, gap = max(1, 64 // max(x.shape[1:3])), 2
    tiles = np.round(255 * np.clip(x, 0, 1)).astype(np.uint8)
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    tiles = np.pad(tiles, [(0, 0), (gap, 0), (gap, 0), (0, 0)], constant_values=128)
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    blank = np.full((rows * columns - len(tiles), *tiles.shape[1:]), 128, np.uint8)
    tiles = np.concatenate([tiles, blank]).reshape(rows, columns, *tiles.shape[1:])
    sheet = tiles.swapaxes(1, 2).reshape(rows * tiles.shape[2], columns * tiles.shape[3], -1)
    return np.pad(sheet, [(0, gap), (0, gap), (0, 0)], constant_values=128).squeeze()


def write(x, path):
    """Write samples as a picture (`.png`) or as an array (`.npy`), whole or not at all.

    Raises:
        ValueError: another suffix, or a picture of data that are no images.
        OSError: the folder is missing, cannot be written, or is full.
    """
    path = Path(path)
    _check_suffix(path)
    sheet = grid(x) if path.suffix.lower() == ".png" else None
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        with temporary.open("xb") as file:
            if sheet is None:
                np.save(file, x)
            else:
                _pillow().fromarray(sheet).save(file, format="PNG")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def main(arguments=None):
    """Run the command line; return its exit status: 0, or 2 after one line that says what is wrong.

    Example:

    >>> main(["nowhere", "--out", "samples.png"])
    2
    """
    started = time.perf_counter()
    options = _parser().parse_args(arguments)
    out = Path(options.out)
    try:
        _check_suffix(out)
        if not out.parent.is_dir():
            raise ValueError(f"cannot write {out}: there is no folder {out.parent}")
        vae = OnnxVAE(options.bundle)
        x = vae.sample(options.count, options.seed, options.temperature, options.first)
        write(x, out)
    except OSError as error:
        return _fail(f"cannot write {out}: {error.strerror or error}")
    except MemoryError:
        return _fail(f"{options.count} samples do not fit into memory: draw fewer, with --first")
    except ValueError as error:
        return _fail(error)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing is written", status=130)
    seconds = time.perf_counter() - started
    print(f"{options.count} samples of seed {options.seed} in {seconds:.2f} s: {out}")
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        sys.exit(_fail(message))


def _parser():
    parser = _Parser(prog="python -m export.runtime", description="Sample an exported VAE.")
    parser.add_argument("bundle", help="the folder that python -m export wrote")
    parser.add_argument("--count", type=int, default=64, help="how many samples (64)")
    parser.add_argument("--seed", type=int, default=0, help="which samples (0)")
    parser.add_argument("--temperature", type=float, default=1.0, help="spread of z (1.0)")
    parser.add_argument("--first", type=int, default=0, help="index of the first sample (0)")
    parser.add_argument("--out", required=True, help="samples.png or samples.npy")
    return parser


def _fail(message, status=2):
    print(f"error: {_one_line(message)}", file=sys.stderr)
    return status


def _one_line(message):
    return " ".join(str(message).split())


def _check_suffix(path):
    if path.suffix.lower() not in (".png", ".npy"):
        raise ValueError(f"cannot write {path}: expected a name that ends in .png or .npy")


def _pillow():
    try:
        from PIL import Image
    except ImportError as error:
        raise ValueError("a picture needs Pillow: install it, or use --out samples.npy") from error
    return Image


def _read_manifest(folder):
    path = folder / "manifest.json"
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give the folder that python -m export wrote")
    if not path.is_file():
        raise ValueError(f"{folder} is not a keras-vae bundle: it holds no manifest.json")
    try:
        manifest = json.loads(_read(path))
    except ValueError as error:
        raise ValueError(f"{path} was cut short or changed: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} does not describe a keras-vae bundle")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, and this program reads version "
            f"{FORMAT_VERSION}: use the keras-vae that wrote it, or a newer one"
        )
    for name, fits in FIELDS.items():
        if not fits(manifest.get(name)):
            raise ValueError(f"{path} was cut short or changed: {name} is {manifest.get(name)!r}")
    return manifest


def _is_size(value):
    return type(value) is int and value >= 1


FIELDS = {
    "input_shape": lambda value: isinstance(value, list) and value and all(map(_is_size, value)),
    "latent_dim": _is_size,
    "files": lambda value: (
        isinstance(value, dict) and all(isinstance(f, dict) for f in value.values())
    ),
}


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error


def _checked(name, array, shape):
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}: use float32")
    if array.shape[1:] != shape or not array.ndim:
        want = ", ".join(map(str, shape))
        raise ValueError(f"{name} must have shape (batch, {want}), got {array.shape}")
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are NaN or infinite")
    return array


def _check_draw(count, seed, temperature, first):
    for name, value in {"count": count, "first": first}.items():
        if not isinstance(value, numbers.Integral) or value < 0:
            raise ValueError(f"{name} must be a whole number >= 0, got {value!r}")
    if first + count > 2**44:
        raise ValueError(f"first + count must be at most 2**44, got {first + count}")
    if not isinstance(seed, numbers.Integral) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed must be a whole number from -2**63 to 2**63 - 1, got {seed!r}")
    if not isinstance(temperature, numbers.Real) or not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")


if __name__ == "__main__":
    sys.exit(main())
