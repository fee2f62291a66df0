"""One step of training and of testing on PyTorch."""

from contextlib import contextmanager

import keras
import torch

from keras_vae.models.train_steps.stateful import Stateful
from keras_vae.models.train_steps.torch_graph import FusedAdam, Graphs

COMPILES = False
"""Whether the steps of one call are compiled; here each is a graph of its own."""

STEPS = 32
"""Steps of `fit` in one call at most: what Keras does between calls takes as long as a tenth."""

ROWS, VALUES = 512, 2**21
"""The z decoded at once in scoring, and numbers that the largest layer then makes, at most.

As measured on a CPU: there more leave its cache.
"""

DRAWS_AHEAD = False
"""Whether a thread draws the noise of scoring ahead; not beside operations called by Python."""

WORTH_COMPILING = 0
"""Steps in all from which on compiling them saves time: none are."""


def on_cpu():
    """Whether the model computes on the CPU."""
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


class TrainStep(Stateful):
    """Gives a VAE `train_step` and `test_step`; knows `bound`, `objective` and the trackers."""

    _trained = None

    def train_step(self, data):
        """One step up the objective; a step that is not finite changes no weight."""
        return self._step(data, self._gradients, self._apply)

    def make_train_function(self, force=False):
        """As in Keras; if the user asked for nothing else, the step is a graph, Adam fused."""
        if self.in_keras_loop:
            super().make_train_function(force)
            return
        self.steps_per_execution = 1  # of all but the iterator that `fit` has made
        trained = tuple(map(id, self.trainable_variables))
        if self.train_function is not None and not force and trained == self._trained:
            return
        self._trained = trained
        self.optimizer.build(self.trainable_variables)
        gradients, apply = Graphs(self._gradients, self), FusedAdam.of(self) or self._apply

        def steps(batches):
            for batch in batches:
                logs = self._step(self._rows(batch), gradients, apply)
            return logs

        self.train_function = steps

    def _rows(self, data):
        """x, y and the weights that `data` stand for: x may be rows of the resident one."""
        parts = keras.utils.unpack_x_y_sample_weight(data)
        x, *others = (p if p is None else keras.ops.convert_to_tensor(p) for p in parts)
        return x if self.resident is None else self.resident.x.index_select(0, x), *others

    def _step(self, data, gradients, apply):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        label, epsilon = self.batch_label(y), self._draw_epsilon(len(x))
        finite, gradients, logs = gradients(x, label, sample_weight, epsilon)
        with torch.no_grad():
            apply(finite, gradients)
        return logs

    def _gradients(self, x, label, sample_weight, epsilon):
        """Whether all is finite, the gradients of the weights, and the metrics, updated."""
        before = [v.value.clone() for v in self._forward_state()]
        bound = self.bound(x, epsilon, self.kl_weight, True, self.one_hot(label))
        loss = self._mean(bound.loss, sample_weight) + sum(self.losses)
        weights = [v.value for v in self.trainable_variables]
        scaled_loss = self.optimizer.scale_loss(loss)
        gradients = torch.autograd.grad(scaled_loss, weights, allow_unused=True)
        with torch.no_grad():
            are_finite = _are_finite([loss, *gradients])
            finite_loss, finite = are_finite[0], are_finite.all()
            for variable, value in zip(self._forward_state(), before, strict=True):
                variable.assign(torch.where(finite, variable.value, value))
            self.raise_kl_weight()
            self.skipped_steps.update_state(torch.where(finite, 0.0, 1.0))
            logs = self.track(
                bound, x, label, sample_weight, finite_loss, self.resident is not None
            )
        return finite, list(gradients), logs

    def _mean(self, losses, sample_weight):
        if sample_weight is not None:
            losses = losses * torch.reshape(sample_weight, (-1,)).to(losses)
        return torch.mean(losses)

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


COMPILED_FROM = 1
"""Calls of one function from which on `compiled` pays."""

WORTH_TRACING = 32
"""Calls of one layout before a graph is made of it, which takes as long as it saves in so many."""


def compiled(function, model):
    """`function` of tensors without a record for gradients, as a graph after some calls.

    torch.compile needs a C++ compiler.
    """
    return Graphs(torch.no_grad()(function), model, after=WORTH_TRACING)


fused = None
"""What makes the noise of scoring one loop: torch.compile needs a C++ compiler."""
