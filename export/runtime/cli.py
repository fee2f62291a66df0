"""python -m export.runtime BUNDLE --count 64 --seed 0 --out samples.png: sample a bundle."""

import argparse
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnxruntime

from . import conditions, files, pictures, rows, sessions
from .output import patiently
from .resumable import partial, resumable
from .vae import OnnxVAE


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit status.

    0: the file is written. 1: it is written, and the standard output failed. 2: one line on stderr
    says what is wrong. 130: it was interrupted. An array that was interrupted, or whose process was
    killed, is continued by the same command.

    Example:

    >>> main(["nowhere", "--out", "samples.png"])
    2
    """
    return patiently(_main, arguments)


def _main(arguments):
    started = time.perf_counter()
    options = _parser().parse_args(arguments)
    out = Path(options.out)
    try:
        write = _writer(out, options.impute)
        done = write(OnnxVAE(options.bundle, precision=options.precision), out, options)
    except OSError as error:
        return _fail(f"cannot write {out}: {error.strerror or error}; {_left(out)}")
    except MemoryError:
        return _fail(f"out of memory; {_left(out)}")
    except sessions.NotComputedError as error:
        return _fail(f"{error}; {_left(out)}")
    except (ValueError, *sessions.ERRORS) as error:
        return _fail(error)
    except KeyboardInterrupt:
        return _fail(f"interrupted; {_left(out)}", status=130)
    print(f"{done} of seed {options.seed} in {time.perf_counter() - started:.2f} s: {out}")
    return 0


def _writer(out, impute):
    """The function that writes files of this suffix."""
    writers = {".png": _write_picture, ".npy": _write_array, ".csv": _write_rows}
    if impute:
        writers = {".csv": _fill}
    if out.suffix.lower() not in writers:
        kinds = ".csv" if impute else ".png or .npy, or .csv for rows of a table"
        raise ValueError(f"--out must end in {kinds}, got {out}")
    if not out.parent.is_dir():
        raise ValueError(f"cannot write {out}: there is no folder {out.parent}")
    files.checked(out)  # before the samples are drawn
    return writers[out.suffix.lower()]


def _asked(vae, options):
    """The arguments of `OnnxVAE.sample` but for the last."""
    label = conditions.asked(vae.covariates, options.label, options.where)
    return options.count, options.seed, options.temperature, options.first, label


def _columns(vae):
    if vae.columns is None:
        raise ValueError(f"{vae.path} is no model of a table: it has no columns")
    return vae.columns


def _write_picture(vae, out, options):
    pictures.check_picture((options.count, *vae.input_shape))
    pictures.write(vae.as_seen(vae.sample(*_asked(vae, options), not options.draw)), out)
    return f"{options.count} samples"


def _write_rows(vae, out, options):
    """Rows of a table: draws, since a mean of rows is none."""
    columns, asked = _columns(vae), _asked(vae, options)
    stream = vae.sample_stream(*asked, mean=False)
    with files.atomic_write(out) as path, open(path, "w", encoding="utf-8", newline="") as file:
        rows.write(file, rows.texts(columns, np.empty((0, len(columns)))))
        with closing(_shown(stream, 0, options.count)) as shown:
            for x in shown:
                rows.write(file, rows.texts(columns, x, asked[-1]), head=False)
    return f"{options.count} rows"


def _fill(vae, out, options):
    """The table of a file with its gaps filled."""
    columns = _columns(vae)
    head, lines, separator = rows.read(options.impute)
    x = rows.numbers(columns, lines, head, options.unseen)
    labels = rows.labels(columns, lines, head)
    filled = vae.impute(x, options.num_samples, options.seed, label=labels)
    written = rows.texts(columns, filled)
    with files.atomic_write(out) as path, open(path, "w", encoding="utf-8", newline="") as file:
        rows.write(file, rows.filled(head, lines, written), separator)
    return f"{len(lines)} rows, {rows.gaps(head, lines, written)} gaps filled,"


def _write_array(vae, out, options):
    count, seed, temperature, first, label = _asked(vae, options)
    mean = not options.draw
    # What cannot be drawn is refused before there is a file.
    vae.sample_stream(count, seed, temperature, first, label, mean)
    request = {
        "seed": seed,
        "first": first,
        "count": count,
        "temperature": temperature,
        "label": None if label is None else np.asarray(label).tolist(),
        "graph": vae.manifest["files"][vae.file("sampler" if mean else "generator")]["sha256"],
        "chunk": vae.chunk,
        "onnxruntime": onnxruntime.__version__,
    }
    with resumable(out, (count, *vae.input_shape), request) as array:
        done = array.done
        if array.damaged:
            print(f"what was written after {done} samples is damaged: drawn again", flush=True)
        if done:
            print(f"going on after {done} of {count} samples: {out}", flush=True)
        rest = (count - done, seed, temperature, first + done, label, mean)
        with closing(_shown(vae.sample_stream(*rest), done, count)) as stream:
            for x in stream:
                array.append(x)
    return f"{count} samples"


def _shown(stream, done, count):
    """The arrays of `stream`, with a progress bar on a terminal."""
    tqdm = _tqdm() if sys.stderr.isatty() else None
    if tqdm is None:
        yield from stream
        return
    with closing(stream), tqdm(total=count, initial=done, unit=" samples", unit_scale=True) as bar:
        for x in stream:
            yield x
            bar.update(len(x))


def _tqdm():
    try:
        from tqdm import tqdm
    except ImportError:  # then there is no bar
        return None
    return tqdm


def _left(out):
    if os.path.lexists(partial(out)):
        return "the same command goes on where it stopped"
    return "nothing is written"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(message))


def _parser():
    parser = _Parser(prog=f"python -m {__package__}", description="Sample an exported VAE.")
    parser.add_argument("bundle", help="the folder that python -m export wrote")
    parser.add_argument("--count", type=int, default=64, help="how many samples (64)")
    parser.add_argument("--seed", type=int, default=0, help="which samples (0)")
    parser.add_argument("--temperature", type=float, default=1.0, help="spread of z (1.0)")
    parser.add_argument("--first", type=int, default=0, help="index of the first sample (0)")
    parser.add_argument("--label", type=int, help="of a conditional model: what to draw")
    parser.add_argument(
        "--where",
        action="append",
        metavar="COLUMN=VALUE",
        help="where the label is a column: the same by name; once for each column",
    )
    parser.add_argument("--impute", metavar="FILE", help="a .csv whose gaps are filled by draws")
    parser.add_argument(
        "--unseen",
        choices=("error", "missing"),
        default="error",
        help="a category that the training data did not hold, with --impute (error)",
    )
    parser.add_argument(
        "--num-samples", type=int, default=100, help="draws of z for each row, with --impute (100)"
    )
    parser.add_argument(
        "--draw", action="store_true", help="x, drawn from p(x|z), instead of the mean of p(x|z)"
    )
    parser.add_argument("--precision", default="float32", help="float32, float16 or int8 (float32)")
    parser.add_argument(
        "--out", required=True, help="samples.png of images, samples.npy, or rows.csv"
    )
    return parser


def _fail(message, status=2):
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    return status
