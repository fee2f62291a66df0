"""One step of training and of testing on PyTorch."""

import math
from contextlib import contextmanager, nullcontext
from functools import partial

import keras
import torch
from keras.src.backend.torch.random import torch_seed_generator

from keras_vae.backend.batches import Checked
from keras_vae.backend.limits import Limits
from keras_vae.backend.stateful import Stateful, check_distribution, placed, shared, synced
from keras_vae.backend.torch_graph import FusedAdam, Graphs

__all__ = ["check_distribution", "placed", "shared", "synced"]

LIMITS = Limits(
    steps=32,
    convolutions_in_loops=True,
    divides_epochs=True,
    xla_after=0,
    compile_after=1,
    rows=512,
    values=2**21,
    draws_ahead=False,
)

CALLS_BEFORE_GRAPH = 32
"""Calls of one layout before a graph of it is made, which takes as long as they save."""


def on_cpu():
    """Returns whether the model computes on the CPU."""
    return not torch.cuda.is_available()


@contextmanager
def memory_errors(advice):
    """Turns this backend's error about memory into a `MemoryError` that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        raise MemoryError(f"{advice}: {error}") from error


def sized(x, shape):
    """Returns `x`, whose sizes are always known on this backend."""
    return x


size_errors = nullcontext
"""There is nothing to do: a wrong size is an error before anything is computed."""


def build_optimizer(model):
    """Makes the optimizer's variables, also for weights that were added or are trained now."""
    model.optimizer.build(model.trainable_variables)


def normal(shape, seed_generator, dtype):
    """Draws standard normal noise."""
    return keras.random.normal(shape, dtype=dtype, seed=seed_generator)


def uniform(shape, seed_generator, dtype):
    """Draws multiples of 2⁻²⁴ from 0 to 1, without 1, `(B, ...)`.

    A number has a byte of its own, and the numbers of an example share the 16 bits below it.
    PyTorch takes as long for 64 bits as for a float32, and they make eight numbers.
    """
    examples, count = shape[0], math.prod(shape)
    parts = [-(-examples // 4), -(-count // 8)]
    generator = torch_seed_generator(seed_generator)
    words = torch.empty(sum(parts), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    dtype = getattr(torch, keras.backend.standardize_dtype(dtype))
    below, own = words.split(parts)
    below = below.view(torch.int16)[:examples].reshape(-1, *[1] * (len(shape) - 1))
    own = own.view(torch.uint8)[:count].reshape(shape)
    return torch.add(below.to(dtype) * 2.0**-24 + 2.0**-9, own.to(dtype), alpha=2.0**-8)


class Step(Stateful):
    """Gives a model `train_step` and `test_step`; see `backend` for what it asks of the model."""

    def train_step(self, data):
        """Takes one step up the objective; a step that is not finite changes no weight."""
        gradients = partial(self._gradients, isinstance(data, Checked))
        return self._step(data, gradients, self._apply)

    def _step(self, data, gradients, apply):
        data = self.augmented(data)
        x, y, sample_weight = self.batch_of(data)
        finite, gradients, logs = gradients(x, y, sample_weight, self.noise_for(data))
        with torch.no_grad():
            apply(finite, gradients)
        return logs

    def _gradients(self, checked, x, y, sample_weight, epsilon):
        """Whether all is finite, the gradients of the weights, and the metrics, updated."""
        data = Checked((x, y, sample_weight)) if checked else (x, y, sample_weight)
        kept = [v.value.clone() for v in self.forward_state]
        cost = self.batch_cost(data, epsilon, training=True)
        loss = torch.mean(cost.losses) + cost.penalty
        weights = [v.value for v in self.trainable_variables]
        scaled_loss = self.optimizer.scale_loss(loss)
        gradients = torch.autograd.grad(scaled_loss, weights, allow_unused=True)
        with torch.no_grad():
            are_finite = _are_finite([loss, *gradients])
            finite_loss, finite = are_finite[0], are_finite.all()
            self.adapt(data, cost)
            for variable, before in zip(self.forward_state, kept, strict=True):
                variable.assign(torch.where(finite, variable.value, before))
            logs = self.end_training_step(data, cost, finite_loss, finite)
        return finite, list(gradients), logs

    def _apply(self, finite, gradients):
        """Applies the gradients if `finite`."""
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # It skips such a step by itself, and lowers its scale; it looks at gradients alone.
            gradients = [
                g if g is None else torch.where(finite, g, float("nan")) for g in gradients
            ]
            self.optimizer.apply(gradients, self.trainable_variables)
        elif finite:
            self.optimizer.apply(gradients, self.trainable_variables)


def _are_finite(tensors):
    """Whether all numbers of each tensor are; a sum, which is fast, is not if a term is not."""
    sums = [t.sum(dtype=torch.float32) for t in tensors if t is not None]
    return torch.isfinite(torch.stack(sums))


def each_batch(model):
    """Makes `batches → logs`, for data that come in batches: each step a graph of its own."""
    gradients = {checked: Graphs(partial(model._gradients, checked), model) for checked in (0, 1)}
    apply = FusedAdam.of(model) or model._apply

    def function(batches):
        for data in batches:
            parts = model.batch_of(data)
            tensors = (p if p is None else keras.ops.convert_to_tensor(p) for p in parts)
            logs = model._step(tuple(tensors), gradients[isinstance(data, Checked)], apply)
        return logs

    return function


def in_place(model, xla, form=Checked):
    """Makes `(rows, batches) → logs`, as `each_batch` does, for rows of data that stay in place.

    Args:
        model: the one to train.
        xla: there is none on PyTorch.
        form: what a batch is to a step.
    """
    function = each_batch(model)

    def gathered(rows, batch):
        brought, *others = batch
        return form((rows.taken(take, brought), *others))

    def take(x, rows):
        return x.index_select(0, torch.as_tensor(rows))

    return lambda rows, batches: function(gathered(rows, batch) for batch in batches)


def compiled(function, model):
    """Makes `function` of tensors a graph after some calls, without a record for gradients.

    It does not call torch.compile, which needs a C++ compiler.
    """
    return Graphs(torch.no_grad()(function), model, after=CALLS_BEFORE_GRAPH)


fused = None
"""There is no faster noise for scoring: torch.compile needs a C++ compiler."""
