"""`train_step` and `test_step`, one file a backend; the backend is chosen here and nowhere else."""

import importlib

import keras

BACKENDS = ("tensorflow", "jax", "torch")

if keras.config.backend() not in BACKENDS:
    raise ImportError(
        f"keras_vae trains on Keras' backends {', '.join(BACKENDS)}, and the backend is "
        f"{keras.config.backend()!r}: set KERAS_BACKEND to one of them"
    )

step = importlib.import_module(f"{__name__}.{keras.config.backend()}")
TrainStep, memory_errors = step.TrainStep, step.memory_errors
compiled, COMPILED_FROM = step.compiled, step.COMPILED_FROM
ROWS, VALUES, DRAWS_AHEAD = step.ROWS, step.VALUES, step.DRAWS_AHEAD
STEPS, COMPILES, WORTH_COMPILING = step.STEPS, step.COMPILES, step.WORTH_COMPILING
fused, on_cpu = step.fused, step.on_cpu

__all__ = [
    "COMPILED_FROM",
    "COMPILES",
    "DRAWS_AHEAD",
    "ROWS",
    "STEPS",
    "VALUES",
    "WORTH_COMPILING",
    "TrainStep",
    "compiled",
    "fused",
    "memory_errors",
    "on_cpu",
]
