"""One step of training and of testing on JAX: pure functions of the model's variables."""

from contextlib import contextmanager
from functools import partial

import jax
import jax.numpy as jnp
import keras

from keras_vae.models.train_steps.batches import next_batches
from keras_vae.models.train_steps.jax_convolution import adjoint_gradients

COMPILES = True
"""Whether the steps of one call are compiled, all together."""

STEPS = 32
"""Steps of `fit` in one call, if many are better than one."""

ROWS, VALUES = 4096, 2**21
"""The z decoded at once in scoring, and numbers that the largest layer then makes, at most."""

DRAWS_AHEAD = True
"""Whether a thread draws the noise of scoring ahead, while XLA computes."""

WORTH_COMPILING = 1
"""Steps in all from which on it pays: one step is compiled in any case."""


def on_cpu():
    """Whether the model computes on the CPU."""
    return jax.default_backend() == "cpu"


@contextmanager
def memory_errors(advice):
    """Turns this backend's error about memory into a `MemoryError` that says what to do."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(f"{advice}: {error}") from error


class TrainStep:
    """Gives a VAE `train_step` and `test_step`; knows `bound`, `objective` and the trackers."""

    def train_step(self, state, data):
        """One step up the objective; a step that is not finite changes no weight."""
        weights, others, optimizer, metrics = state

        def loss(weights):
            total, results = self._forward([weights, others, metrics], data, training=True)
            with Scope(self.optimizer.variables, optimizer):
                return self.optimizer.scale_loss(total), (total, *results)

        gradient = jax.value_and_grad(loss, has_aux=True)
        with adjoint_gradients():
            (_, (total, after, metrics)), gradients = gradient(weights)
        finite = _all_finite([total, *gradients])
        others = self._kept(finite, after, others)
        weights, optimizer = self._apply_if(finite, gradients, weights, optimizer)
        with Scope(self.metrics_variables, metrics) as scope:
            self.skipped_steps.update_state(jnp.where(finite, 0.0, 1.0))
            logs = self.get_metrics_result()
        return logs, (weights, others, optimizer, scope.values(self.metrics_variables))

    def many_steps(self):
        """`state, iterator → logs, state`: the steps that one call is to take, compiled as one."""

        @partial(jax.jit, donate_argnums=0)
        def smaller_batch(state, x, batch):
            rows, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
            return self.train_step(state, (x[rows], y, sample_weight))

        @partial(jax.jit, donate_argnums=0)
        def whole_batches(state, x, batches, count):
            def step(i, state):
                return smaller_batch(state, x, tuple(column[i] for column in batches))[1]

            state = jax.lax.fori_loop(0, count, step, state)
            with Scope(self.metrics_variables, state[-1]):
                return self.get_metrics_result(), state

        def function(state, iterator):
            x, batch_size, steps = self.resident
            batches, count, smaller = next_batches(iterator, steps, batch_size)
            logs, state = whole_batches(state, x, batches, count) if count else (None, state)
            return (logs, state) if smaller is None else smaller_batch(state, x, tuple(smaller))

        return function

    def test_step(self, state, data):
        """The bound with the KL divergence at its full weight."""
        weights, others, metrics = state
        _, (others, metrics) = self._forward([weights, others, metrics], data, training=False)
        with Scope(self.metrics_variables, metrics):
            logs = self.get_metrics_result()
        logs = {n: v for n, v in logs.items() if n != self.skipped_steps.name}
        return logs, (weights, others, metrics)

    def _purge_model_variables(self, **groups):
        """Keeps the values: Keras lets go of them, and an error in the step would lose them."""

    def evaluate(self, *args, **kwargs):
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self.jax_state_sync()  # Keras leaves it out after an error

    def predict(self, *args, **kwargs):
        try:
            return super().predict(*args, **kwargs)
        finally:
            self.jax_state_sync()

    def _forward(self, values, data, training):
        """The loss of a batch, and what it makes of the non-trainable and metrics variables."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        label = self.batch_label(y)
        groups = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)
        with Scope(_chained(groups), _chained(values)) as scope:
            kl_weight = self.kl_weight if training else 1.0
            bound = self.bound(
                x, self._draw_epsilon(x.shape[0]), kl_weight, training, self.one_hot(label)
            )
            loss = bound.loss
            if sample_weight is not None:
                loss = loss * jnp.reshape(sample_weight, (-1,)).astype(loss.dtype)
            loss = jnp.mean(loss) + sum(self.losses)
            finite = _all_finite([loss]) if training else True
            checked = training and self.resident is not None
            self.track(bound, x, label, sample_weight, finite, checked)
            if training:
                self.raise_kl_weight()
        return loss, [scope.values(variables) for variables in groups[1:]]

    def _kept(self, finite, after, before):
        """Of a step that is not finite, what the forward pass wrote is put back."""
        forward = {id(v) for part in (self.encoder, self.decoder) for v in part.variables}
        return [
            jnp.where(finite, a, b) if id(v) in forward else a
            for v, a, b in zip(self.non_trainable_variables, after, before, strict=True)
        ]

    def _apply_if(self, finite, gradients, weights, optimizer):
        """The weights and the optimizer's variables after the gradients, if `finite`."""
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # It skips such a step by itself, and lowers its scale; it looks at gradients alone.
            gradients = [jnp.where(finite, g, jnp.nan) for g in gradients]
            return self.optimizer.stateless_apply(optimizer, gradients, weights)
        after = self.optimizer.stateless_apply(optimizer, gradients, weights)
        return jax.tree.map(
            lambda a, b: jnp.where(finite, a, b), tuple(after), (weights, optimizer)
        )


class Scope(keras.StatelessScope):
    """A scope in which variables have other values, to be read at its end."""

    def __init__(self, variables, values):
        super().__init__(list(zip(variables, values, strict=True)), collect_losses=True)

    def values(self, variables):
        """What the variables are now."""
        return [self.get_current_value(v) for v in variables]


def _all_finite(arrays):
    # A sum over the first axes is not finite if a term is not, and XLA has it far faster than a
    # test of every number.
    rows = [jnp.reshape(a, (-1, a.shape[-1] if a.ndim else 1)) for a in arrays]
    sums = [jnp.sum(r, axis=0, dtype="float32") for r in rows]
    return jnp.all(jnp.isfinite(jnp.concatenate(sums)))


def _chained(groups):
    return [entry for group in groups for entry in group]


COMPILED_FROM = 1
"""Calls of one function from which on compiling pays: JAX compiles single operations too."""


def compiled(function, model):
    """`function` of arrays under `jax.jit`, with the variables of `model` as they are when called.

    The values are arguments of the compiled function, which would keep those of its first call.
    """
    variables = model.trainable_variables + model.non_trainable_variables

    @jax.jit
    def pure(values, *arrays):
        with Scope(variables, values):
            return function(*arrays)

    return lambda *arrays: pure([v.value for v in variables], *arrays)


def fused(function):
    """`function` of arrays alone, its operations in one loop."""
    return jax.jit(function)
