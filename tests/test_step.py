"""What a step does, alone or with others in one call: penalties, and gradients that are NaN.

Where many steps are to be one call there are more than 500 in all, since TensorFlow finds fewer not
worth compiling.
"""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vae import VAE
from tests.tensors import array


class EachBatch(keras.callbacks.Callback):
    """Looks at batches, so that the steps are taken one by one."""

    def on_train_batch_end(self, batch, logs=None):
        pass


WAYS = {"many steps a call": ([], 10), "one by one": ([EachBatch()], 1)}
"""The callbacks that ask for it, and the epochs."""


def adam():
    """Its epsilon is so large that rounding is not made large where a gradient is almost 0."""
    return keras.optimizers.Adam(1e-2, epsilon=1.0)


OPTIMIZERS = {"adam": adam, "scaled": lambda: keras.optimizers.LossScaleOptimizer(adam())}


@pytest.mark.parametrize("way", WAYS)
def test_a_penalty_counts_once_in_the_loss_and_in_the_gradient(rng, way):
    """Of a rate of 0, which shows the loss; and of one that takes a fiftieth off each weight."""
    x, changes, losses = rng.normal(size=(51, 6)).astype("float32"), [], []
    callbacks, epochs = WAYS[way]
    for penalty in (None, keras.regularizers.L2(10.0)):
        vae = VAE.from_architecture("mlp", (6,), 2, "normal", seed=0, hidden=(5,))
        penalized = [part.trainable_weights[0] for part in (vae.encoder, vae.decoder)]
        for weight in penalized:
            weight.regularizer = penalty
        before = [array(w) for w in penalized]
        for rate, examples, times in ((0.0, 51, epochs), (1e-3, 1, 1)):
            vae.compile(keras.optimizers.SGD(rate))
            given = {"batch_size": 1, "shuffle": False, "callbacks": callbacks, "verbose": 0}
            losses.append(vae.fit(x[:examples], epochs=times, **given).history["loss"][0])
        changes.append([array(w) - b for w, b in zip(penalized, before, strict=True)])
    squares = sum(np.square(w).sum() for w in before)
    assert losses[2] - losses[0] == pytest.approx(10 * squares, rel=1e-3)
    for weight, plain, change in zip(before, *changes, strict=True):
        np.testing.assert_allclose(change - plain, -0.02 * weight, atol=1e-5)


class Root(keras.layers.Layer):
    """|h| as √h², whose gradient at 0 is ∞ · 0."""

    def call(self, h):
        return ops.sqrt(ops.square(h))


def with_root():
    """Where x is 0 the loss of this model is finite and its gradient is not; its noise is none."""
    x, z = keras.Input((6,)), keras.Input((2,))
    h = Root()(keras.layers.Dense(4, use_bias=False)(x))
    h = keras.layers.BatchNormalization(momentum=0.9)(h)
    heads = [keras.layers.Dense(2, name=name)(h) for name in ("z_mean", "z_log_var")]
    vae = VAE(keras.Model(x, heads), keras.Model(z, keras.layers.Dense(6)(z)), "normal", seed=0)
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(2, -1e3))
    return vae


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_step_whose_gradient_alone_is_not_finite_is_as_if_it_were_not(rng, way, optimizer):
    """Weights, moving averages, momentum and the count of steps are those of the other batches."""
    batches = rng.normal(size=(60, 4, 6)).astype("float32")
    bad = np.arange(60) % 10 == 3
    batches[bad] = 0
    (callbacks, epochs), ends = WAYS[way], []
    for some in (batches, batches[~bad]):
        keras.utils.set_random_seed(0)
        vae = with_root()
        vae.compile(OPTIMIZERS[optimizer]())
        given = {"batch_size": 4, "shuffle": False, "callbacks": callbacks, "verbose": 0}
        history = vae.fit(some.reshape(-1, 6), epochs=epochs, **given).history
        assert np.isfinite(history["loss"]).all()
        assert history["skipped_steps"] == [len(some) - 54] * epochs
        assert int(vae.optimizer.iterations) == 54 * epochs
        ends.append([*vae.encoder.weights, *vae.decoder.weights])
    assert sum("moving" in weight.path for weight in ends[0]) == 2
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(array(a), array(b), rtol=1e-4, atol=1e-5, err_msg=a.path)
