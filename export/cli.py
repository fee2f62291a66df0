"""python -m export MODEL.keras --out DIR: from a trained model to a validated bundle."""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import time
import zipfile
from pathlib import Path

from export import report, runtime


def main(arguments=None):
    """Run the command line and return its exit status.

    0: the bundle is written. 1: a file differs from the Keras model, and nothing is written.
    2: the model cannot be read or exported, or the folder cannot be written. For 1 and 2 one
    line on stderr says why, and what stood in the folder before still stands there.

    Example:

    >>> main(["missing.keras", "--out", "bundle"])
    2
    """
    started = time.perf_counter()
    options = _parser().parse_args(arguments)
    model, out = Path(options.model), Path(options.out)
    try:
        _check_archive(model)
        metrics = _metrics(model.with_name("metrics.json"))
        with _terminable():
            status = _export(model, out, options.tolerance, metrics)
        if status == 0:
            print(report.table(runtime.OnnxVAE(out).manifest, time.perf_counter() - started))
            print(out)
        return status
    except ValueError as error:
        return _fail(error)
    except OSError as error:
        return _fail(f"cannot write {out}: {error.strerror or error}")


def _export(model, out, tolerance, metrics):
    _say("loading TensorFlow")
    with _quiet():
        from export import bundle, validate
    try:
        _say(f"loading {model}")
        bundle.write(_load(model), out, tolerance=tolerance, metrics=metrics, say=_say)
    except validate.ValidationError as error:
        return _fail(f"{error}; nothing is written", status=1)
    return 0


def _load(path):
    import keras

    import keras_vae

    try:
        vae = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, ImportError) as error:
        raise ValueError(f"cannot load {path}: {str(error).strip().splitlines()[0]}") from error
    if not isinstance(vae, keras_vae.VAE):
        raise ValueError(f"{path} holds a {type(vae).__name__}, expected a keras_vae.VAE")
    return vae


def _check_archive(path):
    """Refuse what is no whole .keras file, before TensorFlow is loaded."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}: train a model first, or mend the path")
    try:
        with zipfile.ZipFile(path) as archive:
            missing = {"config.json", "model.weights.h5"} - set(archive.namelist())
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not a .keras file, or was cut short") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    if missing:
        raise ValueError(f"{path} is not a .keras file: it holds no {min(missing)}")
    if damaged:
        raise ValueError(f"{path} is damaged: {damaged} in it does not match its checksum")


def _metrics(path):
    """What training wrote beside the model, if it did."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


@contextlib.contextmanager
def _quiet():
    """Keep the start-up chatter of TensorFlow's C++ from burying our own messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextlib.contextmanager
def _terminable():
    """Let SIGTERM end the work as an exception, so that no temporary folder stays behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        sys.exit(_fail(message))


def _parser():
    parser = _Parser(prog="python -m export", description="Export a trained VAE to ONNX.")
    parser.add_argument("model", help="the .keras file")
    parser.add_argument("--out", required=True, help="the folder for the bundle")
    parser.add_argument(
        "--tolerance", type=float, default=1e-5, help="largest difference from Keras (1e-5)"
    )
    return parser


def _say(message):
    print(f"{message} ...", flush=True)


def _fail(message, status=2):
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    return status
