"""All that depends on Keras' backend; the backend is chosen here and nowhere else.

Each of the three modules has the same names:

- `Step`: the base class of a model that has `train_step` and `test_step`. It asks of the model,
  besides what is Keras' own: `batch_of`, `augmented`, `noise_for`, `batch_cost`, `adapt`,
  `forward_state`, `end_training_step` and `end_test_step` (see `models.fitting`).
- `in_place(model, xla, form)`: the function that `fit` calls for data that stay in place.
- `placed(array)`: an array where the steps are computed, on each of the devices.
- `each_batch(model)`: the one for data that come in batches; None where Keras' own is as fast.
- `normal(shape, seed_generator, dtype)`, `uniform(...)`: standard normal, and uniform, noise.
- `compiled(function, model)`, `fused(function)`: functions made fast.
- `sized(x, shape)`, `size_errors(shape)`: sizes that are known only at run time, checked then.
- `shared(x, batch_size)`: a context in which several devices evaluate.
- `build_optimizer(model)`, `synced(model)`, `memory_errors(advice)`, `check_distribution()`,
  `on_cpu()`.
- `LIMITS`: the numbers that were measured, a `Limits`.
"""

import importlib

import keras

from keras_vae.names import BACKENDS

if keras.config.backend() not in BACKENDS:
    raise ImportError(
        f"keras_vae trains on Keras' backends {', '.join(BACKENDS)}, and the backend is "
        f"{keras.config.backend()!r}: set KERAS_BACKEND to one of them"
    )

chosen = importlib.import_module(f"{__name__}.{keras.config.backend()}")

LIMITS = chosen.LIMITS
Step = chosen.Step
build_optimizer = chosen.build_optimizer
check_distribution = chosen.check_distribution
compiled = chosen.compiled
each_batch = chosen.each_batch
fused = chosen.fused
in_place = chosen.in_place
memory_errors = chosen.memory_errors
normal = chosen.normal
on_cpu = chosen.on_cpu
placed = chosen.placed
shared = chosen.shared
size_errors = chosen.size_errors
sized = chosen.sized
synced = chosen.synced
uniform = chosen.uniform
