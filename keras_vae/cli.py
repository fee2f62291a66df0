"""The command line: arguments in, exit status out. Keras loads after the arguments are read."""

import argparse
import importlib
import sys
import warnings
from pathlib import Path

from keras_vae import names
from keras_vae.names import listed
from keras_vae.output import patiently
from keras_vae.quiet import quiet_stderr

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
MODULES = {
    "train": "keras_vae.commands.training",
    "evaluate": "keras_vae.commands.evaluating",
    "sample": "keras_vae.commands.pictures",
    "plot": "keras_vae.commands.pictures",
}
RUN = "what train was given as --out"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        sys.exit(fail(f"{message} (--help lists what there is)", BAD_INPUT))


def parser():
    """The argument parser of `python -m keras_vae`."""
    top = Parser(prog="python -m keras_vae", description="Variational autoencoders")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    help_format = argparse.ArgumentDefaultsHelpFormatter

    train = commands.add_parser("train", help="train a model", formatter_class=help_format)
    train.add_argument("--data", default="digits", help=f"{', '.join(names.DATASETS)}, or a path")
    train.add_argument("--data-dir", help=f"folder of the files of {listed(names.DATASETS[1:])}")
    train.add_argument(
        "--binarize",
        choices=("dynamic", "static"),
        help="draw binary images: anew each time one is seen, or once",
    )
    train.add_argument(
        "--conditional", action="store_true", help="give the decoder the labels of the data"
    )
    train.add_argument("--architecture", default="mlp", help=listed(names.ARCHITECTURES))
    train.add_argument("--activation", help="of its hidden layers (default: its own)")
    train.add_argument(
        "--likelihood",
        help=f"{listed(names.LIKELIHOODS)} (default: bernoulli with --binarize, else normal)",
    )
    train.add_argument(
        "--levels", type=int, help="grey levels of a discretized likelihood (256; digits have 17)"
    )
    train.add_argument("--prior", default="standard_normal", help=listed(names.PRIORS))
    train.add_argument(
        "--prior-components", type=int, metavar="N", help="of mixture_of_normals or vamp (100)"
    )
    train.add_argument("--posterior", default="diagonal_normal", help=listed(names.POSTERIORS))
    train.add_argument("--latent-dim", type=int, default=8, help="size of z")
    train.add_argument("--objective", default="elbo", help=listed(names.OBJECTIVES))
    train.add_argument(
        "--num-samples", type=int, help="draws of z for each example in a step (elbo 1, iwae 5)"
    )
    train.add_argument(
        "--estimator",
        default="reparameterized",
        help=f"of the gradient: {listed(names.ESTIMATORS)}",
    )
    train.add_argument("--beta", type=float, default=1.0, help="weight of the KL divergence")
    train.add_argument(
        "--free-bits", type=float, metavar="NATS", help="KL divergence that elbo does not lower"
    )
    train.add_argument(
        "--kl-warmup", type=float, metavar="EPOCHS", help="epochs until the KL divergence has it"
    )
    train.add_argument("--epochs", type=int, default=100, help="passes over the data")
    train.add_argument("--batch-size", type=int, default=64, help="examples in a step")
    train.add_argument("--learning-rate", type=float, default=1e-3, help="of Adam")
    train.add_argument("--seed", type=int, default=0, help="of weights, noise and order")
    train.add_argument("--out", type=Path, required=True, help="folder for the model and pictures")

    evaluate = commands.add_parser(
        "evaluate", help="test ELBO and log-likelihood", formatter_class=help_format
    )
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
    evaluate.add_argument(
        "--out", type=Path, help="a .json for the report (default: in DIR, or beside a bundle)"
    )

    sample = commands.add_parser("sample", help="draw images", formatter_class=help_format)
    sample.add_argument("run", type=Path, metavar="DIR", help=f"{RUN}, or a bundle")
    sample.add_argument("--count", type=int, default=64, help="number of samples")
    sample.add_argument("--seed", type=int, default=0, help="which samples")
    sample.add_argument("--temperature", type=float, default=1.0, help="factor of the noise")
    sample.add_argument("--first", type=int, default=0, help="index of the first sample")
    sample.add_argument("--label", type=int, help="of a conditional model: what to draw")
    sample.add_argument("--out", type=Path, required=True, help="a .png, or an .npy for arrays")

    plot = commands.add_parser(
        "plot", help="latent traversal, and the manifold of two latent dimensions"
    )
    plot.add_argument("run", type=Path, metavar="DIR", help=RUN)
    plot.add_argument("--label", type=int, help="of a conditional model: what to draw")
    return top


def main(arguments=None):
    """Runs one command and returns its exit status.

    0: it is done. 1: training diverged, or all is done and the standard output failed; a reader
    that went away is no failure. 2: bad input. 130: Ctrl-C.
    """
    return patiently(_main, arguments)


def _main(arguments):
    options = vars(parser().parse_args(arguments))
    return status_of(run, options.pop("command"), options)


def run(command, options):
    """Loads the module of a command, and Keras with it, and calls its function."""
    with quiet_stderr():
        module = importlib.import_module(MODULES[command])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries, to each other
        warnings.showwarning = lambda message, *_: print("warning:", message, file=sys.stderr)
        return getattr(module, command)(**options)


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
    except MemoryError as error:
        return fail(f"that does not fit into memory: ask for less at once ({error})", BAD_INPUT)
    except KeyboardInterrupt:
        return fail(f"interrupted{left}", INTERRUPTED)


def fail(error, status):
    """Prints one line and returns `status`."""
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return status
