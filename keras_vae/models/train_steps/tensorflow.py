"""One step of training and of testing on TensorFlow, compiled by XLA or not, on any strategy."""

import threading
from contextlib import contextmanager

import keras
import tensorflow as tf
from keras import ops

from keras_vae.models.train_steps.batches import next_batches
from keras_vae.models.train_steps.stateful import Stateful

COMPILES = True
"""Whether the steps of one call are compiled, all together."""

STEPS = 32
"""Steps of `fit` in one call, if many are better than one."""

ROWS, VALUES = 4096, 2**24
"""The z decoded at once in scoring, and numbers that the largest layer then makes, at most."""

DRAWS_AHEAD = True
"""Whether a thread draws the noise of scoring ahead, while a graph is computed."""

WORTH_COMPILING = 500
"""Steps in all from which on XLA saves more time than it takes to compile them."""


def on_cpu():
    """Whether the model computes on the CPU."""
    return not tf.config.list_logical_devices("GPU")


@contextmanager
def memory_errors(advice):
    """Turns this backend's error about memory into a `MemoryError` that says what to do."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(f"{advice}: {error.message}") from error


class TrainStep(Stateful):
    """Gives a VAE `train_step` and `test_step`; knows `bound`, `objective` and the trackers."""

    def train_step(self, data):
        """One step up the objective; a step that is not finite changes no weight."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return self._step(x, y, sample_weight, self._draw_epsilon(ops.shape(x)[0]))

    def _step(self, x, y, sample_weight, epsilon):
        label = self.batch_label(y)
        state = [tf.identity(v.value) for v in self._forward_state()]
        with tf.GradientTape() as tape:
            bound = self.bound(x, epsilon, self.kl_weight, True, self.one_hot(label))
            loss = self._share_of_batch(bound.loss, sample_weight)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        finite_loss, finite = self._all_finite([loss], [loss, *gradients])
        self._apply_if(finite, gradients)
        for variable, before in zip(self._forward_state(), state, strict=True):
            variable.assign(tf.where(finite, variable.value, before))
        self.raise_kl_weight()
        replicas = self.distribute_strategy.num_replicas_in_sync
        self.skipped_steps.update_state(tf.where(finite, 0.0, 1.0 / replicas))
        return self.track(bound, x, label, sample_weight, finite_loss, self.resident is not None)

    def make_train_function(self, force=False):
        """As in Keras; the optimizer's variables come first.

        No `tf.cond` can make them, and made while a step is traced they would spoil the function
        if its trace failed.
        """
        if not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        super().make_train_function(force)

    def many_steps(self):
        """`iterator → logs`: as many steps as one call is to take, on rows of the resident x.

        XLA compiles them all as one. Its own normals cost as much as the rest of a step, so the
        noise is drawn ahead of them.
        """

        def step(x, batch, epsilon):
            rows, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
            self._step(tf.gather(x, rows), y, sample_weight, epsilon)

        @tf.function(autograph=False, jit_compile=True)
        def all_steps(x, batches, epsilon, count):
            def body(i):
                step(x, tuple(column[i] for column in batches), epsilon[i])
                return i + 1

            tf.while_loop(lambda i: i < count, body, [0])

        @tf.function(autograph=False)
        def whole_batches(x, batches, count):
            all_steps(x, batches, self._draw_ahead(*batches[0].shape, count), count)
            return self.get_metrics_result()

        @tf.function(autograph=False)
        def smaller_batch(x, batch):
            step(x, batch, self._draw_epsilon(tf.shape(batch[0])[0]))
            return self.get_metrics_result()

        in_use = []

        def function(iterator):
            x, batch_size, steps = self.resident
            if iterator not in in_use:  # a new epoch
                let_go(in_use)
                in_use.append(iterator)
            batches, count, smaller = next_batches(iterator, steps, batch_size)
            logs = whole_batches(x, batches, tf.constant(count)) if count else None
            return logs if smaller is None else smaller_batch(x, tuple(smaller))

        return function

    def _draw_ahead(self, steps, batch_size, count):
        """The noise of the first `count` of some steps, `(steps, K, B, latent_dim)`."""

        def draw(i, epsilon):
            return i + 1, epsilon.write(i, self._draw_epsilon(batch_size))

        epsilon = tf.TensorArray(self.variable_dtype, steps)
        return tf.while_loop(lambda i, _: i < count, draw, [0, epsilon])[1].stack()

    def _draw_epsilon(self, batch_size):
        """Noise for one batch, `(K, B, latent_dim)`; each replica draws its own."""
        shape = (self.objective.num_samples, batch_size, self.latent_dim)
        seed = self.sampling.seed_generator.next()
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        other = tf.cast(tf.stack([replica * 0x61C88647, 0]), seed.dtype)
        return tf.random.stateless_normal(shape, tf.bitwise.bitwise_xor(seed, other))

    def _share_of_batch(self, losses, sample_weight):
        """This replica's term of the batch's mean loss: the optimizer sums over the replicas.

        The batch may be split unevenly, so the divisor is the size of the whole batch.
        """
        replicas = self.distribute_strategy.num_replicas_in_sync
        examples = tf.shape(losses)[0]
        if replicas > 1:
            examples = tf.distribute.get_replica_context().all_reduce("sum", examples)
        if sample_weight is not None:
            losses = losses * ops.reshape(ops.cast(sample_weight, losses.dtype), (-1,))
        mean = tf.reduce_sum(losses) / tf.cast(examples, losses.dtype)
        return mean + sum(tf.cast(loss, mean.dtype) for loss in self.losses) / replicas

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


def let_go(iterators):
    """Empties a list of tf.data's iterators, on a thread: their tuning may take seconds to end."""
    last = iterators.copy()
    iterators.clear()
    threading.Thread(target=last.clear).start()


COMPILED_FROM = 8
"""Calls of one function from which on tracing it takes less time than it saves."""


def compiled(function, model):
    """`function` of tensors as a graph, which reads the variables of `model` as they are.

    XLA is left to the GPU: on the CPU it is slower, of a convolution twice.
    """
    return tf.function(function, jit_compile=bool(tf.config.list_physical_devices("GPU")))


fused = None
"""What makes the noise of scoring one loop: by XLA here it is no faster than NumPy's."""
