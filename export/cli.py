"""python -m export MODEL.keras --out DIR: from a trained model to a validated bundle."""

import argparse
import contextlib
import hashlib
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

from export import report, runtime


def main(arguments=None):
    """Run the command line and return its exit status.

    0: the bundle is written. 1: a file differs from the Keras model, or one of lower precision
    costs more than the budget, and nothing is written.
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
        _check(options)
        if not model.is_file():  # said at once, before TensorFlow is loaded
            raise ValueError(f"there is no file {model}: train a model first, or mend the path")
        metrics = _metrics(model)
        with _terminable():
            status = _export(model, out, options, metrics)
        if status == 0:
            print(*_summary(out, time.perf_counter() - started), sep="\n")
        return status
    except ValueError as error:
        return _fail(error)
    except OSError as error:
        return _fail(f"cannot write {out}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _fail("interrupted; nothing is written", status=130)


def _check(options):
    """Refuse, before TensorFlow is loaded, what makes no sense."""
    for name in ("tolerance", "budget"):
        value = getattr(options, name)
        if not 0 <= value < float("inf"):
            raise ValueError(f"--{name} must be a number >= 0, got {value}")
    if not options.precision and (options.data or options.data_dir):
        raise ValueError("--data is to judge files of lower precision by: add --precision")


def _summary(out, seconds):
    """The lines that end an export."""
    manifest = runtime.OnnxVAE(out).manifest
    yield from report.variants(manifest)
    full = {n: f for n, f in manifest["files"].items() if f["precision"] == "float32"}
    sizes = ", ".join(f"{name} {report.size(file['bytes'])}" for name, file in full.items())
    gap = manifest["validation"]["largest_difference"]
    yield f"wrote {out}: {sizes}; largest difference from Keras {gap:g}; {seconds:.1f} s"


def _export(model, out, options, metrics):
    _say("loading TensorFlow")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # which converts; any backend may have trained
    with _quiet():
        from export import bundle, validate
        from keras_vae.models import load_model
    try:
        _say(f"loading {model}")
        vae, variants = load_model(model), {}
        if options.precision:
            variants = {"precision": options.precision, **_held_out(vae, model, options)}
        bundle.write(vae, out, tolerance=options.tolerance, metrics=metrics, **variants, say=_say)
    except validate.ValidationError as error:
        return _fail(f"{error}; nothing is written", status=1)
    return 0


def _held_out(vae, model, options):
    from keras_vae import runs

    test = runs.load_test_set(vae, model.parent, options.data, options.data_dir)
    name = Path(test.data).name
    return {"x": test.x, "label": test.label, "data": name, "budget": options.budget}


def _metrics(model):
    """What training wrote beside this very model, if it did, without the places on its machine."""
    path = model.with_name("metrics.json")
    if not path.is_file():
        return None
    try:
        written = json.loads(path.read_bytes())
        if written["model_sha256"] != hashlib.sha256(model.read_bytes()).hexdigest():
            _say(f"leaving out {path}: it is of another model than {model}")
            return None
        data, test = Path(written["data"]).name, written["test"]
        return {"data": data, "binarize": written["binarize"], "test": {**test}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        _say(f"leaving out {path}, which is not what train wrote ({type(error).__name__})")
        return None


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
    parser.add_argument(
        "--precision",
        action="append",
        choices=("float16", "int8"),
        default=[],
        help="add files of this precision too; may be given twice",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=0.1,
        help="what they may cost, in nats of log-likelihood per held-out example (0.1)",
    )
    parser.add_argument("--data", help="the held-out data; by default those of the training")
    parser.add_argument("--data-dir", help="the folder of mnist, fashion_mnist or cifar10")
    return parser


def _say(message):
    print(f"{message} ...", flush=True)


def _fail(message, status=2):
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    return status
