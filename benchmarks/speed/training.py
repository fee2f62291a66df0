"""Examples a second in training, start-up and compilation apart."""

import shutil
from dataclasses import dataclass

from benchmarks.harness import Contender, table
from benchmarks.speed.common import contender, images, on_backends, products_alone

TITLE = "Training"
FIT, TORCH = "benchmarks.contenders.keras_vae_fit", {"KERAS_BACKEND": "torch"}
BASELINE = "Keras' tutorial, TensorFlow"
COLUMNS = {
    "start-up, s": "startup_seconds",
    "compilation, s": "compile_seconds",
    "peak memory, MiB": "peak_megabytes",
    "last loss": "loss",
}


@dataclass(frozen=True)
class Case:
    """One model at one batch size."""

    title: str
    name: str
    batch: int
    examples: int
    epochs: int = 3

    def arguments(self, data, quick=False):
        """The command line of a contender."""
        examples = min(self.examples, 10 * self.batch) if quick else self.examples
        sizes = ("--batch", self.batch, "--examples", examples, "--epochs", self.epochs)
        return (self.name, "--data", data, *sizes)


CASES = {
    "mlp-100": Case("MLP 784-200-200-50, batches of 100", "mlp", 100, 60_000),
    "mlp-1000": Case("MLP 784-200-200-50, batches of 1000", "mlp", 1000, 60_000, epochs=9),
    "conv": Case("Conv 28×28, 16 latents, batches of 128", "conv", 128, 40 * 128),
}
SLOW = {"conv": ("--examples", 5 * 128)}  # of the plain loop in JAX, which takes 1.6 s a step


def measure(options):
    """Every contender on every case."""
    data, results, texts = images(options), {}, []
    for key, case in CASES.items():
        arguments = case.arguments(data, options.quick)
        more = [*torch_compile(*arguments), *without(*arguments)] if key == "mlp-100" else []
        everyone = [*contenders(options, *arguments), *more, *products_alone(*arguments)]
        results[key] = options.run(everyone)
        speed = table(
            results[key], "examples_per_second", BASELINE, "examples a second", also=COLUMNS
        )
        texts.append(f"{case.title}, {arguments[-3]:,} examples an epoch:\n\n{speed}")
    return results, "\n\n".join([NOTE, *texts])


def contenders(options, *arguments):
    """Those that train."""
    return [
        *on_backends(FIT, *arguments),
        contender(BASELINE, "tutorial", *arguments),
        contender("pythae", "pythae_vae", *arguments, python=options.pythae),
        contender("loop, PyTorch", "torch_loop", *arguments),
        contender("loop, JAX", "jax_loop", *arguments, *SLOW.get(arguments[0], ())),
    ]


def torch_compile(*arguments):
    """The loop in PyTorch, compiled, where there is a compiler; that takes it most of a minute."""
    loop = contender("loop, PyTorch, torch.compile", "torch_loop", *arguments, "--compile")
    return [loop] if shutil.which("g++") else []


def without(*arguments):
    """This package on PyTorch without its graphs, and without its Adam either."""
    graphs, adam = "--without-graphs", "--without-fused-adam"
    return [
        Contender(f"keras-vae, PyTorch, {name}", FIT, (*arguments, *flags), TORCH)
        for name, flags in {"no graphs": (graphs,), "no graphs, no Adam": (graphs, adam)}.items()
    ]


NOTE = """\
Adam, learning rate 0.001, one draw of z, minus the ELBO in nats. An epoch's time is the median of
those after the first; compilation is what the first took more; start-up is all before it. The last
loss tells whether all learn alike. The products alone are the bound that arithmetic sets: of each
layer the forward product and those of the backward pass, by two libraries; convolutions at the rate
of a large product. An epoch of the plain JAX loop has 640 examples in the last table: there XLA's
gradient of a transposed convolution is slow, which this package avoids."""
