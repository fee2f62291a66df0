"""One step of training and of testing on TensorFlow, compiled by XLA or not, on any strategy."""

from contextlib import contextmanager

import keras
import tensorflow as tf
from keras import ops

from keras_vae.models.train_steps.stateful import Stateful


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
        label = self.batch_label(y)
        self._build_optimizer()
        epsilon = self._draw_epsilon(x)
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
        replicas = self.distribute_strategy.num_replicas_in_sync
        self.skipped_steps.update_state(tf.where(finite, 0.0, 1.0 / replicas))
        return self.track(bound, x, label, sample_weight, finite_loss)

    def _draw_epsilon(self, x):
        """Noise for one batch, `(K, B, latent_dim)`; each replica draws its own."""
        shape = (self.objective.num_samples, ops.shape(x)[0], self.latent_dim)
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
        values = [t.values if isinstance(t, tf.IndexedSlices) else t for t in tensors]
        bad = [tf.reduce_any(~tf.math.is_finite(v)) for v in values if v is not None]
        return tf.reduce_any(tf.stack(bad))

    def _build_optimizer(self):
        """Makes the optimizer's variables before a `tf.cond`, inside of which none can be made."""
        if not self.optimizer.built:
            with tf.init_scope():
                self.optimizer.build(self.trainable_variables)

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


COMPILED_FROM = 8
"""Calls of one function from which on tracing it takes less time than it saves."""


def compiled(function, model):
    """`function` of tensors as a graph, which reads the variables of `model` as they are.

    XLA is left to the GPU: on the CPU it is slower, of a convolution twice.
    """
    return tf.function(function, jit_compile=bool(tf.config.list_physical_devices("GPU")))
