"""The command line: arguments in, exit status out. Keras loads after the arguments are read."""

import argparse
import dataclasses
import importlib
import sys
import warnings
from pathlib import Path

import keras_vae
from keras_vae.names import BACKENDS, PRIORS, listed
from keras_vae.options import Help, add_flags
from keras_vae.output import patiently
from keras_vae.quiet import quiet_stderr
from keras_vae.settings import Settings
from keras_vae.signals import Interrupted

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
MODULES = {
    "train": "keras_vae.commands.training",
    "fit-prior": "keras_vae.commands.fitting_prior",
    "evaluate": "keras_vae.commands.evaluating",
    "compare": "keras_vae.commands.comparing",
    "calibrate": "keras_vae.commands.calibrating",
    "sample": "keras_vae.commands.pictures",
    "impute": "keras_vae.commands.pictures",
    "plot": "keras_vae.commands.pictures",
}
RUN = "what train was given as --out"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and whose help tells the defaults."""

    def __init__(self, **settings):
        super().__init__(**{"formatter_class": Help, **settings})

    def error(self, message):
        sys.exit(fail(f"{message} (--help lists what there is)", BAD_INPUT))


def parser():
    """The argument parser of `python -m keras_vae`."""
    top = Parser(prog="python -m keras_vae", description="Variational autoencoders")
    top.add_argument("--version", action="version", version=f"keras-vae {keras_vae.__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a model")
    where = train.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="folder for the model and pictures")
    where.add_argument(
        "--resume", type=Path, metavar="DIR", help="go on with a training that was interrupted"
    )
    train.add_argument(
        "--config", type=Path, metavar="FILE", help="a .toml or a run.json; flags go before it"
    )
    train.add_argument("--overwrite", action="store_true", help="replace the run that is in --out")
    screen = train.add_mutually_exclusive_group()
    screen.add_argument(
        "--quiet", dest="shown", action="store_const", const="nothing", help="print errors alone"
    )
    screen.add_argument(
        "--verbose",
        dest="shown",
        action="store_const",
        const="everything",
        help="print all that is logged",
    )
    train.set_defaults(shown="lines")
    add_flags(train.add_argument_group("settings"), Settings)

    fit_prior = commands.add_parser("fit-prior", help="fit a prior to a trained model")
    fit_prior.add_argument("run", type=Path, metavar="DIR", help=RUN)
    fit_prior.add_argument("--prior", default="flow_matching", help=listed(PRIORS))
    fit_prior.add_argument(
        "--epochs", type=int, help="passes over the data (default: for 12,000 steps, at most 300)"
    )
    fit_prior.add_argument("--seed", type=int, default=0, help="of weights, draws and order")
    fit_prior.add_argument("--data-dir", help="as in train, if the data have moved")
    fit_prior.add_argument(
        "--out", type=Path, help="folder for the run with that prior (default: DIR-PRIOR)"
    )
    fit_prior.add_argument("--overwrite", action="store_true", help="replace the run in --out")

    evaluate = commands.add_parser("evaluate", help="test ELBO and log-likelihood")
    evaluate.add_argument("run", type=Path, metavar="DIR", help=f"{RUN}, or a bundle")
    evaluate.add_argument("--data", help="other data than the model was trained on")
    evaluate.add_argument("--data-dir", help="as in train")
    evaluate.add_argument(
        "--num-samples",
        type=int,
        metavar="K",
        help="draws of z for each example: the log-likelihood too, and whether to believe it",
    )
    evaluate.add_argument("--examples", type=int, metavar="N", help="the first N (default: all)")
    evaluate.add_argument("--seed", type=int, default=0, help="of the noise")
    add_unseen(evaluate)
    evaluate.add_argument(
        "--out", type=Path, help="a .json for the report (default: in DIR, or beside a bundle)"
    )

    sample = commands.add_parser("sample", help="draw images, or rows of a table")
    sample.add_argument("run", type=Path, metavar="DIR", help=f"{RUN}, or a bundle")
    sample.add_argument("--count", type=int, default=64, help="number of samples")
    sample.add_argument("--seed", type=int, default=0, help="which samples")
    sample.add_argument("--temperature", type=float, default=1.0, help="factor of the noise")
    sample.add_argument("--first", type=int, default=0, help="index of the first sample")
    sample.add_argument("--label", type=int, help="of a conditional model: what to draw")
    add_where(sample)
    sample.add_argument(
        "--draw", action="store_true", help="x, drawn from p(x|z), instead of the mean of p(x|z)"
    )
    sample.add_argument(
        "--out", type=Path, required=True, help="a .png, an .npy for arrays, or a .csv for rows"
    )

    impute = commands.add_parser("impute", help="fill the gaps of a table")
    impute.add_argument("run", type=Path, metavar="DIR", help=f"{RUN}, or a bundle")
    impute.add_argument("--data", type=Path, required=True, help="a .csv with gaps")
    impute.add_argument(
        "--num-samples", type=int, default=100, metavar="K", help="draws of z for each row"
    )
    impute.add_argument("--seed", type=int, default=0, help="another one is another draw")
    add_unseen(impute)
    impute.add_argument("--out", type=Path, required=True, help="a .csv")

    plot = commands.add_parser(
        "plot", help="latent traversal, and the manifold of two latent dimensions"
    )
    plot.add_argument("run", type=Path, metavar="DIR", help=RUN)
    plot.add_argument("--label", type=int, help="of a conditional model: what to draw")
    add_where(plot)

    compare = commands.add_parser(
        "compare", help="how much models differ, on the same test examples"
    )
    compare.add_argument("run", type=Path, nargs="+", metavar="DIR", help=f"{RUN}, or a bundle")
    compare.add_argument("--data", help="other data than the models were trained on")
    compare.add_argument("--data-dir", help="as in train")
    compare.add_argument(
        "--num-samples", type=int, default=100, metavar="K", help="draws of z for each example"
    )
    compare.add_argument(
        "--examples", type=int, metavar="N", help="the first N (default: 1000, or all if fewer)"
    )
    compare.add_argument("--seed", type=int, default=0, help="of the noise")
    add_unseen(compare)
    compare.add_argument("--out", type=Path, help="a .json for the comparison")

    calibrate = commands.add_parser("calibrate", help="a threshold of anomalies, for export")
    calibrate.add_argument("run", type=Path, metavar="DIR", help=RUN)
    calibrate.add_argument(
        "--false-alarm-rate",
        type=float,
        default=0.05,
        metavar="RATE",
        help="of normal examples, at most",
    )
    calibrate.add_argument("--data", help="other data, of which the test part is taken")
    calibrate.add_argument("--data-dir", help="as in train")
    calibrate.add_argument(
        "--num-samples", type=int, default=100, metavar="K", help="draws of z for each example"
    )
    calibrate.add_argument("--seed", type=int, default=0, help="of the noise")
    add_unseen(calibrate)
    return top


def add_where(command):
    """Gives a command the flag that says by name what a conditional model draws."""
    command.add_argument(
        "--where",
        action="append",
        metavar="COLUMN=VALUE",
        help="where the label is a column: the same by name; once for each column",
    )


def add_unseen(command):
    """Gives a command that reads a table the flag for categories that the model does not know."""
    command.add_argument(
        "--unseen",
        choices=("error", "missing"),
        default="error",
        help="what becomes of a category of a table that the training data did not hold",
    )


def main(arguments=None):
    """Runs one command and returns its exit status.

    0: it is done. 1: training diverged, or all is done and the standard output failed; a reader
    that went away is no failure. 2: bad input. 130: Ctrl-C; 143 and 129: SIGTERM and SIGHUP.
    """
    return patiently(_main, arguments)


def _main(arguments):
    options = vars(parser().parse_args(arguments))
    command = options.pop("command")
    if command == "train":
        fields = {field.name for field in dataclasses.fields(Settings)} & options.keys()
        options["given"] = {name: options.pop(name) for name in fields}
    return status_of(run, command, options)


def run(command, options):
    """Loads the module of a command, and Keras with it, and calls its function."""
    with quiet_stderr():
        module = importlib.import_module(MODULES[command])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries, to each other
        warnings.showwarning = lambda message, *_: print("warning:", message, file=sys.stderr)
        return getattr(module, command.replace("-", "_"))(**options)


def status_of(work, *arguments, left=""):
    """Calls `work(*arguments)` and returns the exit status of the process.

    Args:
        work: returns None, which means 0, or an exit status.
        left: what stands on the disk after Ctrl-C, for the line that says so.
    """
    try:
        return work(*arguments) or 0
    except FloatingPointError as error:
        return fail(error, FAILED)
    except (ValueError, OSError) as error:
        return fail(error, BAD_INPUT)
    except ModuleNotFoundError as error:
        if error.name not in BACKENDS:
            raise
        return fail(error, BAD_INPUT)
    except MemoryError as error:
        return fail(f"that does not fit into memory: ask for less at once ({error})", BAD_INPUT)
    except Interrupted as signal:
        return fail(f"{signal}{left}", 128 + signal.number)
    except KeyboardInterrupt:
        return fail(f"interrupted{left}", INTERRUPTED)


def fail(error, status):
    """Prints one line and returns `status`."""
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return status
