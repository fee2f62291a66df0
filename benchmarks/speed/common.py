"""What the parts share: the images, this package on each backend, pythae's own interpreter."""

from pathlib import Path

from benchmarks.harness import Contender, run_once

BUILD = Path("build/bench")
BACKENDS = {"TensorFlow": "tensorflow", "JAX": "jax", "PyTorch": "torch"}


def images(options):
    """Has the images written; the folder that contenders read them from.

    Raises:
        RuntimeError: they could not be loaded.
    """
    where = ("--data-dir", options.data_dir) if options.data_dir else ()
    maker = Contender("data", "benchmarks.contenders.data", ("--out", BUILD, *where))
    done = run_once(maker)
    if "failed" in done:
        raise RuntimeError(f"the images could not be made: {done['failed']}")
    return BUILD


def on_backends(module, *arguments):
    """This package on each of its three backends."""
    return [
        Contender(f"keras-vae, {name}", module, arguments, {"KERAS_BACKEND": backend})
        for name, backend in BACKENDS.items()
    ]


def contender(name, module, *arguments, **more):
    """One of `benchmarks.contenders`, with Keras, if it takes it, on TensorFlow."""
    env = {"KERAS_BACKEND": "tensorflow"}
    return Contender(name, f"benchmarks.contenders.{module}", arguments, env, **more)


def products_alone(*arguments):
    """The products of matrices and nothing else, by two libraries."""
    return [
        contender("products alone, NumPy", "gemm", *arguments),
        contender("products alone, PyTorch", "gemm", *arguments, "--torch"),
    ]
