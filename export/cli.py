"""python -m export RUN --out DIR: from a trained model to a validated bundle."""

import contextlib
import logging
import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from export import report, runtime
from keras_vae.cli import FAILED, Parser, add_unseen, fail, status_of
from keras_vae.commands.runs import Run
from keras_vae.names import CONVERTERS, DATASETS, EXTRAS, PRECISIONS, listed
from keras_vae.output import patiently
from keras_vae.quiet import quiet_stderr


def main(arguments=None):
    """Runs the command line and returns its exit status.

    0: the bundle is written. 1: a file differs from the Keras model, or one of lower precision
    costs more than the budget, and nothing is written; or the bundle is written and the standard
    output failed.
    2: the model cannot be read or exported, or the folder cannot be written. For 1 and 2 one
    line on stderr says why, and what stood in the folder before still stands there.

    Example:

    >>> main(["missing.keras", "--out", "bundle"])
    2
    """
    return patiently(_main, arguments)


def _main(arguments):
    return status_of(_run, _parser().parse_args(arguments), left="; nothing is written")


def _run(options):
    started, run, out = time.perf_counter(), Run(options.model), Path(options.out)
    _check(options)
    if not run.model.is_file():  # said at once, before Keras is loaded
        raise ValueError(f"there is no file {run.model}: train a model first, or mend the path")
    try:
        with _terminable():
            status = _export(run, out, options)
    except OSError as error:
        raise ValueError(f"cannot write {out}: {error.strerror or error}") from error
    if status == 0:
        print(*_summary(out, time.perf_counter() - started), sep="\n")
    return status


def _check(options):
    """Refuses, before Keras is loaded, what makes no sense."""
    options.converter = options.converter or next(filter(find_spec, CONVERTERS), "tf2onnx")
    if not find_spec(options.converter):
        extra = EXTRAS[options.converter]
        raise ValueError(f'{options.converter} is not installed: pip install "keras-vae[{extra}]"')
    for name in ("tolerance", "budget"):
        value = getattr(options, name)
        if not 0 <= value < float("inf"):
            raise ValueError(f"--{name} must be a number >= 0, got {value}")
    of_held_out = options.data or options.data_dir or options.unseen != "error"
    if not options.precision and of_held_out:
        raise ValueError(
            "--data and --unseen are for data to judge files of lower precision by: add --precision"
        )


def _summary(out, seconds):
    """The lines that end an export."""
    manifest = runtime.OnnxVAE(out).manifest
    yield from report.variants(manifest)
    full = {n: f for n, f in manifest["files"].items() if f["precision"] == "float32"}
    sizes = ", ".join(f"{name} {report.size(file['bytes'])}" for name, file in full.items())
    gap = manifest["validation"]["largest_difference"]
    yield f"wrote {out}: {sizes}; largest difference from Keras {gap:g}; {seconds:.1f} s"


def _export(run, out, options):
    backend = CONVERTERS[options.converter]  # any other may have trained
    _say(f"loading Keras on {backend}")
    if "keras" not in sys.modules:  # which reads it once, and whoever called keeps what was said
        os.environ["KERAS_BACKEND"] = backend
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with quiet_stderr():
        from export import bundle, validate
    _say(f"loading {run.model}")
    vae, variants = run.open(), {}
    metrics, detector = _known(run.published), _known(lambda: run.detector(vae))
    if options.precision:
        variants = {"precision": options.precision, **_held_out(vae, run, options)}
    known = {"metrics": metrics, "detector": detector, **variants}
    try:
        bundle.write(vae, out, tolerance=options.tolerance, **known, say=_say)
    except validate.ValidationError as error:
        return fail(f"{error}; nothing is written", FAILED)
    return 0


def _held_out(vae, run, options):
    from keras_vae.commands.testing import load_test_set

    test = load_test_set(vae, run, options.data, options.data_dir, options.unseen)
    name = Path(test.data).name
    return {"x": test.x, "label": test.label, "data": name, "budget": options.budget}


def _known(read):
    """What stands beside this very model, None if nothing does."""
    try:
        return read()
    except ValueError as error:
        _say(f"leaving out {error}")
        return None


@contextlib.contextmanager
def _terminable():
    """Lets SIGTERM end the work as an exception, so that no temporary folder stays behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser():
    parser = Parser(prog="python -m export", description="Export a trained VAE to ONNX.")
    parser.add_argument("model", help="the folder of a run, or a .keras file")
    parser.add_argument("--out", required=True, help="the folder for the bundle")
    parser.add_argument(
        "--tolerance", type=float, default=1e-5, help="largest difference from Keras"
    )
    parser.add_argument(
        "--precision",
        action="append",
        choices=PRECISIONS,
        help="add files of this precision too; may be given twice",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=0.1,
        help="what they may cost, in nats of log-likelihood per held-out example",
    )
    parser.add_argument(
        "--converter",
        choices=[*CONVERTERS],
        help="what writes ONNX: tf2onnx needs TensorFlow, jax2onnx JAX (default: the one there is)",
    )
    parser.add_argument("--data", help="the held-out data; by default those of the training")
    parser.add_argument("--data-dir", help=f"the folder of {listed(DATASETS[1:])}")
    add_unseen(parser)
    return parser


def _say(message):
    print(f"{message} ...", flush=True)
