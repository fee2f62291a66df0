"""One step of training and of testing on TensorFlow, compiled by XLA or not, on any strategy."""

import re
from contextlib import contextmanager

import keras
import tensorflow as tf
from keras import ops

from keras_vae.backend.batches import Checked, next_batches
from keras_vae.backend.limits import Limits
from keras_vae.backend.stateful import Stateful, check_distribution, placed, shared, synced

__all__ = ["check_distribution", "placed", "shared", "synced"]

LIMITS = Limits(
    steps=32,
    convolutions_in_loops=True,
    divides_epochs=False,
    xla_after=700,
    compile_after=8,
    rows=4096,
    values=2**24,
    draws_ahead=True,
)


def on_cpu():
    """Returns whether the model computes on the CPU."""
    return not tf.config.list_logical_devices("GPU")


@contextmanager
def memory_errors(advice):
    """Turns this backend's error about memory into a `MemoryError` that says what to do."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(f"{advice}: {error.message}") from error


def sized(x, shape):
    """Returns `x` as `(B, *shape)`: sizes that the trace does not know are checked when it runs."""
    if not isinstance(x, tf.Tensor) or x.shape[1:].is_fully_defined():
        return x
    return tf.ensure_shape(x, (None, *shape))


@contextmanager
def size_errors(shape):
    """Makes a `ValueError` of one that TensorFlow wrapped, and of the error of `sized`.

    The first is of data in Python that TensorFlow reads; the other says which shape x must have.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        wrapped = re.search(r"^ValueError: (.+)\nTraceback", error.message, re.M)
        if wrapped is not None:
            raise ValueError(wrapped[1]) from error
        found = re.search(r"Shape of tensor .*\[(.*)\] is not compatible with", error.message)
        if found is None:
            raise
        want = ", ".join(map(str, shape))
        raise ValueError(
            f"x must have shape (batch, {want}), got ({found[1].replace(',', ', ')})"
        ) from error


def build_optimizer(model):
    """Makes the optimizer's variables, since no `tf.cond` can make them inside of a step."""
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


def normal(shape, seed_generator, dtype):
    """Draws standard normal noise, `(K, B, latent_dim)`."""
    return _of_replica(tf.random.stateless_normal, shape, 1, seed_generator, dtype)


def uniform(shape, seed_generator, dtype):
    """Draws numbers from 0 to 1, without 1, `(B, ...)`."""
    return _of_replica(tf.random.stateless_uniform, shape, 0, seed_generator, dtype)


def _of_replica(draw, shape, axis, seed_generator, dtype):
    """What is drawn for this replica's examples, which are those along `axis`.

    Every replica draws for the whole batch, as one device would, and takes its part.
    """
    seed, context = seed_generator.next(), tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return draw(shape, seed, dtype=dtype)
    here = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync, dtype="int32")
    counts = context.all_reduce("sum", here * shape[axis])
    start = tf.reduce_sum(here * tf.cumsum(counts, exclusive=True))
    whole = draw((*shape[:axis], tf.reduce_sum(counts), *shape[axis + 1 :]), seed, dtype=dtype)
    starts = [start if i == axis else 0 for i in range(len(shape))]
    return tf.slice(whole, starts, shape)


def _on_several_processes():
    strategy = tf.distribute.get_strategy()
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and strategy.extended._in_multi_worker_mode()


class Step(Stateful):
    """Gives a model `train_step` and `test_step`; see `backend` for what it asks of the model."""

    def train_step(self, data):
        """Takes one step up the objective; a step that is not finite changes no weight."""
        data = self.augmented(data)
        return self.step(data, self.noise_for(data))

    def step(self, data, epsilon):
        """Takes a step with the noise `epsilon`."""
        kept = [tf.identity(v.value) for v in self.forward_state]
        with tf.GradientTape() as tape:
            cost = self.batch_cost(data, epsilon, training=True)
            loss = self._share_of_batch(cost)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        finite_loss, finite = self._all_finite([loss], [loss, *gradients])
        self._apply_if(finite, gradients)
        self.adapt(data, cost, self._summed)
        for variable, before in zip(self.forward_state, kept, strict=True):
            variable.assign(tf.where(finite, variable.value, before))
        return self.end_training_step(data, cost, finite_loss, finite)

    def get_metrics_result(self):
        """What is logged; of several processes a replica gives each number as `(1,)`.

        Keras takes their mean over the first axis, which a number alone does not have.
        """
        logs = super().get_metrics_result()
        if _on_several_processes() and not tf.distribute.in_cross_replica_context():
            return {name: value[None] for name, value in logs.items()}
        return logs

    def _share_of_batch(self, cost):
        """This replica's term of the batch's mean loss: the optimizer sums over the replicas.

        The batch may be split unevenly, so the divisor is the size of the whole batch.
        """
        replicas = self.distribute_strategy.num_replicas_in_sync
        examples = tf.shape(cost.losses)[0]
        if replicas > 1:
            examples = tf.distribute.get_replica_context().all_reduce("sum", examples)
        mean = tf.reduce_sum(cost.losses) / tf.cast(examples, cost.losses.dtype)
        return mean + tf.cast(cost.penalty, mean.dtype) / replicas

    def _summed(self, tensors):
        """Each tensor, summed over the replicas."""
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return tensors
        context = tf.distribute.get_replica_context()
        return [context.all_reduce("sum", tensor) for tensor in tensors]

    def _all_finite(self, *groups):
        """For each group of tensors, whether every number in it is finite on every replica."""
        bad = tf.cast(tf.stack([self._any_bad(tensors) for tensors in groups]), tf.int32)
        if self.distribute_strategy.num_replicas_in_sync > 1:
            bad = tf.distribute.get_replica_context().all_reduce("sum", bad)
        return tf.unstack(tf.equal(bad, 0))

    def _any_bad(self, tensors):
        # A sum over the first axes is not finite if a term is not, and far cheaper than a test
        # of each: that reduction XLA does one by one.
        values = [t.values if isinstance(t, tf.IndexedSlices) else t for t in tensors]
        values = [tf.cast(v, tf.float32) for v in values if v is not None]
        rows = [tf.reshape(v, (-1, v.shape[-1] if v.shape.rank else 1)) for v in values]
        sums = tf.concat([tf.reduce_sum(r, axis=0) for r in rows], axis=0)
        return tf.reduce_any(~tf.math.is_finite(sums))

    def _apply_if(self, finite, gradients):
        """Applies the gradients if `finite`."""
        variables = self.trainable_variables
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # It skips such a step by itself, and lowers its scale; it looks at gradients alone.
            poison = tf.where(finite, 0.0, float("nan"))
            gradients = [None if g is None else g + tf.cast(poison, g.dtype) for g in gradients]
            self.optimizer.apply(gradients, variables)
            return

        def apply():
            self.optimizer.apply(gradients, variables)

        def apply_on_each_replica(strategy, finite, gradients):
            finite = strategy.experimental_local_results(finite)[0]  # equal on all

            def apply():
                strategy.extended.call_for_each_replica(
                    self.optimizer.apply, args=(gradients, variables)
                )

            ops.cond(finite, apply, lambda: None)

        if tf.__internal__.distribute.strategy_supports_no_merge_call():
            ops.cond(finite, apply, lambda: None)
        else:  # a cond around a merge call has to stand outside of the replicas
            context = tf.distribute.get_replica_context()
            context.merge_call(apply_on_each_replica, args=(finite, gradients))


each_batch = None
"""Data that come in batches are left to the function that Keras makes."""


def in_place(model, xla, form=Checked):
    """Makes `(rows, iterator) → logs`, which takes as many steps as one call is to take.

    All that is random is drawn before the steps, because XLA's own numbers cost more than the rest
    of a step. What the steps compute on has the same shapes for any number of examples, so that XLA
    compiles them once.

    Args:
        model: the one to train.
        xla: whether XLA compiles the steps.
        form: what a batch is to a step.
    """

    def step_of(batches, i):
        return form(c if c is None else c[i] for c in batches)

    @tf.function(autograph=False, jit_compile=xla)
    def all_steps(batches, epsilon, count):
        def body(i):
            model.step(step_of(batches, i), epsilon[i])
            return i + 1

        tf.while_loop(lambda i: i < count, body, [0])
        return model.get_metrics_result()

    @tf.function(autograph=False)
    def noise(steps, batch_size, count):
        return stacked(lambda i: model.draw_epsilon(batch_size), steps, count)

    @tf.function(autograph=False)
    def augmented(batches, count):
        steps, others = batches[0].shape[0], batches[1:]
        x = stacked(lambda i: model.augmented(step_of(batches, i))[0], steps, count)
        return x, *others

    def stacked(draw, steps, count):
        """`draw` of each step, one after the other."""

        def write(i, drawn):
            return i + 1, drawn.write(i, draw(i))

        drawn = tf.TensorArray(model.variable_dtype, steps)
        return tf.while_loop(lambda i, _: i < count, write, [0, drawn])[1].stack()

    @tf.function(autograph=False, jit_compile=model.jit_compile)
    def one_step(batch):
        return model.train_step(form(batch))

    def gathered(rows, batch):
        brought, *others = batch
        return rows.taken(tf.gather, brought), *others

    def function(rows, iterator):
        batches, count, smaller = next_batches(iterator, rows.steps, rows.batch_size)
        if count:
            several = tf.constant(count)
            epsilon, of_steps = noise(*batches[0].shape[:2], several), gathered(rows, batches)
            if model.augment is not None:
                of_steps = augmented(of_steps, several)
            logs = all_steps(of_steps, epsilon, several)
        return logs if smaller is None else one_step(gathered(rows, smaller))

    return function


def compiled(function, model):
    """Makes `function` of tensors a graph, which reads the variables of `model` as they are.

    XLA is left to the GPU: on a CPU it is slower, and takes twice as long for a convolution.
    """
    return tf.function(function, jit_compile=bool(tf.config.list_physical_devices("GPU")))


fused = None
"""There is no faster noise for scoring: by XLA it takes here as long as by NumPy."""
