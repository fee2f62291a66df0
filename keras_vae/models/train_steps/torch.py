"""One step of training and of testing on PyTorch."""

from contextlib import contextmanager

import keras
import torch

from keras_vae.models.train_steps.stateful import Stateful


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

    def train_step(self, data):
        """One step up the objective; a step that is not finite changes no weight."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        label = self.batch_label(y)
        before = [v.value.clone() for v in self._forward_state()]
        self.zero_grad()
        bound = self.bound(x, self._draw_epsilon(x), self.kl_weight, True, self.one_hot(label))
        loss = self._mean(bound.loss, sample_weight) + sum(self.losses)
        self.optimizer.scale_loss(loss).backward()
        variables = self.trainable_variables
        gradients = [v.value.grad for v in variables]
        finite_loss, finite = _all_finite([loss]), _all_finite([loss, *gradients])
        with torch.no_grad():
            self._apply_if(finite, gradients, variables)
            for variable, value in zip(self._forward_state(), before, strict=True):
                variable.assign(torch.where(finite, variable.value, value))
            self.skipped_steps.update_state(torch.where(finite, 0.0, 1.0))
            return self.track(bound, x, label, sample_weight, finite_loss)

    def _draw_epsilon(self, x):
        """Noise for one batch, `(K, B, latent_dim)`."""
        shape = (self.objective.num_samples, x.shape[0], self.latent_dim)
        return keras.random.normal(
            shape, dtype=self.variable_dtype, seed=self.sampling.seed_generator
        )

    def _mean(self, losses, sample_weight):
        if sample_weight is not None:
            losses = losses * torch.reshape(sample_weight, (-1,)).to(losses)
        return torch.mean(losses)

    def _apply_if(self, finite, gradients, variables):
        """Applies the gradients if `finite`."""
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # It skips such a step by itself, and lowers its scale; it looks at gradients alone.
            gradients = [torch.where(finite, g, float("nan")) for g in gradients]
            self.optimizer.apply(gradients, variables)
        elif finite:
            self.optimizer.apply(gradients, variables)


def _all_finite(tensors):
    return torch.stack([torch.isfinite(t).all() for t in tensors if t is not None]).all()


COMPILED_FROM = 1
"""Calls of one function from which on `compiled` pays."""


def compiled(function, model):
    """`function` of tensors without a record for gradients; torch.compile needs a C++ compiler."""
    return torch.no_grad()(function)
