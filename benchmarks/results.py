"""The README's results: trains and evaluates each model by the commands beside it.

    python benchmarks/results.py --data-dir data/mnist

A model that is there is neither trained nor evaluated again, so what was interrupted goes on by the
same command. Ends with the table. On two cores it takes about an hour and a half; `--only mlp` or
`--only counts` takes the rows of which the name begins so.
"""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

from keras_vae.commands.runs import Run

MNIST = "--data mnist --binarize dynamic --likelihood bernoulli"
MLP = f"{MNIST} --architecture mlp --activation tanh --latent-dim 50 --batch-size 100 --epochs 8"
CONV = f"{MNIST} --architecture conv --latent-dim 16 --epochs 10"
PHOTOGRAPHS = (
    "--data data/photographs.npz --likelihood mixture_of_discretized_logistics --architecture conv "
    "--activation silu --prior flow --latent-dim 64 --epochs 16 --kl-warmup 4 --batch-size 32"
)
COUNTS = "--data data/counts.npz --architecture mlp --latent-dim 2 --epochs 40"
MODELS = {
    "mlp-elbo": MLP,
    "mlp-iwae-5": f"{MLP} --objective iwae --num-samples 5",
    "mlp-iwae-50": f"{MLP} --objective iwae --num-samples 50",
    "mlp-dreg-50": f"{MLP} --objective iwae --num-samples 50 --estimator doubly_reparameterized",
    "conv-standard-normal": CONV,
    "conv-mixture-of-normals": f"{CONV} --prior mixture_of_normals",
    "conv-vamp": f"{CONV} --prior vamp",
    "conv-flow": f"{CONV} --prior flow",
    "photographs": PHOTOGRAPHS,
    "counts-negative-binomial": f"{COUNTS} --likelihood negative_binomial",
    "counts-poisson": f"{COUNTS} --likelihood poisson",
}
MAKERS = {name: Path("data", f"{name}.npz") for name in ("photographs", "counts")}


def run(*command):
    """Shows a command and runs it; the first that fails ends the script with its status."""
    print(f"$ {shlex.join(['python', *command])}", flush=True)
    status = subprocess.run([sys.executable, *command]).returncode
    if status:
        sys.exit(status)


def make_data(name):
    """Makes the data set of that model, if it is one that a script makes."""
    for maker, path in MAKERS.items():
        if name.startswith(maker) and not path.exists():
            path.parent.mkdir(exist_ok=True)
            run(f"benchmarks/{maker}.py", "--out", str(path))


def evaluated(name, options, folder, data_dir):
    """The report of a model, trained and evaluated if it was not yet."""
    make_data(name)
    where = ["--data-dir", data_dir] if data_dir and "mnist" in options else []
    examples = ["--examples", "2000"] if "mnist" in options else []
    report, trained = Run(folder).report, Run(folder).metrics
    if not trained.exists():
        run("-m", "keras_vae", "train", *shlex.split(options), *where, "--out", str(folder))
    if not report.exists():
        run("-m", "keras_vae", "evaluate", str(folder), "--num-samples", "1000", *examples)
    return json.loads(report.read_text())


def row(name, report):
    """A line of the table."""

    def shown(key, digits=2):
        number = report[key]
        if number is None:
            return "–"
        return f"{number['mean']:.{digits}f} ± {number['standard_error']:.{digits}f}"

    bits = shown("bits_per_dimension", 3)
    active = f"{report['active_units']} of {report['latent_dim']}"
    return f"| {name} | {shown('log_likelihood')} | {shown('elbo')} | {bits} | {active} |"


def main():
    """Makes what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="of MNIST, as keras_vae train takes it")
    parser.add_argument("--only", default="", help="models whose name begins so")
    parser.add_argument("--out", type=Path, default=Path("runs/results"))
    options = parser.parse_args()
    chosen = {name: MODELS[name] for name in MODELS if name.startswith(options.only)}
    reports = {
        name: evaluated(name, arguments, options.out / name, options.data_dir)
        for name, arguments in chosen.items()
    }
    print("| model | log p(x), K = 1000 | ELBO | bits per dimension | active units |")
    print("|---|---|---|---|---|")
    for name, report in reports.items():
        print(row(name, report))


if __name__ == "__main__":
    main()
