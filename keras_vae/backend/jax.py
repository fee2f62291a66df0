"""One step of training and of testing on JAX: pure functions of the model's variables."""

import math
from contextlib import contextmanager
from functools import partial

import jax
import jax.numpy as jnp
import keras

from keras_vae.backend.batches import Checked, next_batches
from keras_vae.backend.jax_convolution import adjoint_gradients
from keras_vae.backend.jax_devices import check_distribution, placed, shared, size_errors
from keras_vae.backend.limits import Limits

__all__ = ["check_distribution", "placed", "shared", "size_errors"]

LIMITS = Limits(
    steps=32,
    convolutions_in_loops=False,  # a loop of XLA: jax-ml/jax issue 12868
    divides_epochs=False,
    xla_after=0,
    compile_after=1,
    rows=4096,
    values=2**21,
    draws_ahead=True,
)


def on_cpu():
    """Returns whether the model computes on the CPU."""
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


@contextmanager
def synced(model):
    """A context after which the variables hold what was computed, even after an error."""
    try:
        yield
    finally:
        model.jax_state_sync()


def sized(x, shape):
    """Returns `x`, whose sizes are always known on this backend."""
    return x


def build_optimizer(model):
    """Makes the optimizer's variables."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def normal(shape, seed_generator, dtype):
    """Draws standard normal noise."""
    return keras.random.normal(shape, dtype=dtype, seed=seed_generator)


def uniform(shape, seed_generator, dtype):
    """Draws multiples of 2⁻²⁴ from 0 to 1, without 1, `(B, ...)`.

    A number has a byte of its own, and the numbers of an example share the 16 bits below it. JAX
    takes as long for one byte as for a word of four, which therefore makes four numbers.
    """
    examples, count = shape[0], math.prod(shape)
    key = jnp.asarray(seed_generator.next(), "uint32")
    words = jax.random.bits(key, (examples + -(-count // 4),), "uint32")
    below = (words[:examples] >> 16).astype(dtype).reshape(-1, *[1] * (len(shape) - 1))
    own = jax.lax.bitcast_convert_type(words[examples:], jnp.uint8).reshape(-1)[:count]
    return own.reshape(shape).astype(dtype) * 2.0**-8 + below * 2.0**-24


class Step:
    """Gives a model `train_step` and `test_step`; see `backend` for what it asks of the model."""

    def train_step(self, state, data):
        """Takes one step up the objective; a step that is not finite changes no weight."""
        weights, others, optimizer, metrics = state
        with Scope(self.non_trainable_variables, others) as scope:
            data = self.augmented(data)
        others = scope.values(self.non_trainable_variables)

        def loss(weights):
            cost, others_after = self._forward(weights, others, metrics, data, training=True)
            total = jnp.mean(cost.losses) + cost.penalty
            with Scope(self.optimizer.variables, optimizer):
                return self.optimizer.scale_loss(total), (total, cost, others_after)

        gradient = jax.value_and_grad(loss, has_aux=True)
        with adjoint_gradients():
            (_, (total, cost, after)), gradients = gradient(weights)
        finite_loss, finite = _all_finite([total]), _all_finite([total, *gradients])
        others = self._kept(finite, after, others)
        weights, optimizer = self._apply_if(finite, gradients, weights, optimizer)
        with Scope(self.metrics_variables, metrics) as scope:
            logs = self.end_training_step(data, cost, finite_loss, finite)
        return logs, (weights, others, optimizer, scope.values(self.metrics_variables))

    def test_step(self, state, data):
        """Measures one batch, with the KL divergence at its full weight."""
        weights, others, metrics = state
        cost, others = self._forward(weights, others, metrics, data, training=False)
        with Scope(self.metrics_variables, metrics) as scope:
            logs = self.end_test_step(data, cost)
        return logs, (weights, others, scope.values(self.metrics_variables))

    def _purge_model_variables(self, **groups):
        """Keeps the values: Keras lets go of them, and an error in the step would lose them."""

    def _get_jax_state(self, **groups):
        """The values of the variables, in arrays of their own, since a step gives them away.

        At the end of `fit` an optimizer with `use_ema` makes its averages the weights: of both
        Keras then has the same arrays, and its own second `fit` fails.
        """
        state = super()._get_jax_state(**groups)
        optimizer = getattr(self, "optimizer", None)  # `predict` needs no `compile`
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not (groups.get("trainable_variables") and getattr(optimizer, "use_ema", False)):
            return state
        weights, *others = state
        return [jnp.copy(value) for value in weights], *others

    def _forward(self, weights, others, metrics, data, training):
        """What a batch costs, and the non-trainable variables afterwards."""
        variables = [
            *self.trainable_variables,
            *self.non_trainable_variables,
            *self.metrics_variables,
        ]
        with Scope(variables, [*weights, *others, *metrics]) as scope:
            cost = self.batch_cost(data, self.noise_for(data), training)
            if training:
                self.adapt(data, cost)
        return cost, scope.values(self.non_trainable_variables)

    def _kept(self, finite, after, before):
        """The non-trainable variables; what a step that is not finite wrote is put back."""
        forward = set(map(id, self.forward_state))
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

        def applied():
            return tuple(map(list, self.optimizer.stateless_apply(optimizer, gradients, weights)))

        # A choice of each number from two is slower: `python -m benchmarks --only limits` has both.
        return jax.lax.cond(finite, applied, lambda: (list(weights), list(optimizer)))


class Scope(keras.StatelessScope):
    """A scope in which variables have other values, to be read at its end."""

    def __init__(self, variables, values):
        super().__init__(list(zip(variables, values, strict=True)), collect_losses=True)

    def values(self, variables):
        """Returns what the variables are now."""
        return [self.get_current_value(v) for v in variables]


def _all_finite(arrays):
    # A sum over the first axes is not finite if a term is not, and XLA computes it far faster than
    # a test of every number.
    rows = [jnp.reshape(a, (-1, a.shape[-1] if a.ndim else 1)) for a in arrays]
    sums = [jnp.sum(r, axis=0, dtype="float32") for r in rows]
    return jnp.all(jnp.isfinite(jnp.concatenate(sums)))


each_batch = None
"""Data that come in batches are left to the function that Keras makes."""


def in_place(model, xla, form=Checked):
    """Makes `(rows, state, iterator) → logs, state`, which takes the steps of one call as one.

    What the steps compute on has the same shapes for any number of examples, so that XLA compiles
    them once. On several devices each has all of x, and computes its part of every batch: XLA adds
    the gradients up, and all that is random is drawn as on one device. The batches are those of
    `rows`; the iterator that Keras made of it would have moved them.

    Args:
        model: the one to train.
        xla: JAX compiles in any case.
        form: what a batch is to a step.
    """

    several = keras.distribution.distribution() is not None
    shardings = (None, model._get_state_sharding_spec()) if several else None

    @partial(jax.jit, donate_argnums=0, out_shardings=shardings)
    def one_step(state, batch):
        return model.train_step(state, form(batch))

    @partial(jax.jit, donate_argnums=0, out_shardings=shardings)
    def all_steps(state, batches, count):
        def step(i, state):
            return one_step(state, jax.tree.map(lambda column: column[i], batches))[1]

        state = jax.lax.fori_loop(0, count, step, state)
        with Scope(model.metrics_variables, state[-1]):
            return model.get_metrics_result(), state

    take = jax.jit(lambda x, rows: jnp.take(x, rows, axis=0))

    def gathered(rows, batch, axis):
        brought, *others = (placed(column, axis) for column in batch)
        return rows.taken(take, brought), *others

    def function(rows, state, _):
        batches, count, smaller = next_batches(rows.batches, rows.steps, rows.batch_size)
        if rows.steps == 1 and count:  # no loop around one step
            smaller = jax.tree.map(lambda column: column[0], batches)
        elif count:
            logs, state = all_steps(state, gathered(rows, batches, axis=1), count)
        return (logs, state) if smaller is None else one_step(state, gathered(rows, smaller, 0))

    return function


def compiled(function, model):
    """Makes `function` of arrays a program, with the variables of `model` as they are when called.

    Their values are arguments of the compiled function, which would keep those of its first call.
    """
    variables = model.trainable_variables + model.non_trainable_variables

    @jax.jit
    def pure(values, *arrays):
        with Scope(variables, values):
            return function(*arrays)

    return lambda *arrays: pure([v.value for v in variables], *arrays)


def fused(function):
    """Makes `function` of arrays one loop over all its operations."""
    return jax.jit(function)
