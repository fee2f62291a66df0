"""`fit` on an array ends where Keras' own loop ends, however many of its steps are one call.

`fit` takes many steps in a call, or one by one if a callback looks at batches. The order of the
examples is the same in both if it is not shuffled.
"""

import keras
import numpy as np
import pytest

from keras_vae import VAE
from tests.tensors import array


class EachBatch(keras.callbacks.Callback):
    """Looks at batches, so that the steps are taken one by one."""

    def on_train_batch_end(self, batch, logs=None):
        pass


WAYS = {"many steps a call": [], "one by one": [EachBatch()]}
KERAS_OWN = {"jit_compile": keras.config.backend() == "jax"}  # asked for, so it is Keras' own loop


def small(rate=1e-3, **asked):
    """A linear VAE of vectors of six numbers."""
    vae = VAE.from_architecture("mlp", (6,), 2, "normal", seed=0, hidden=())
    vae.compile(keras.optimizers.SGD(rate), **asked)
    return vae


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(1616, 6)).astype("float32")


@pytest.mark.parametrize(("examples", "steps"), [(1616, 51), (1600, 50)])
def test_batches_are_of_32_where_nothing_else_is_said(x, examples, steps):
    """Of an epoch that ends in a smaller batch, and of one of whole batches."""
    epochs, ends = 11, []
    for asked, batch_size in (({}, {}), (KERAS_OWN, {"batch_size": 32})):
        keras.utils.set_random_seed(1)
        vae = small(**asked)
        vae.fit(x[:examples], epochs=epochs, shuffle=False, verbose=0, **batch_size)
        assert int(vae.optimizer.iterations) == epochs * steps
        ends.append([array(w) for w in vae.trainable_weights])
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("examples", "share"), [(77, 0.13), (10, 0.33), (7, 0.5), (79, 0.98)])
def test_a_share_for_validation_is_that_of_keras(x, examples, share):
    """The weights stand still and the noise is nothing, so `val_loss` tells which rows it is of."""
    vae = small(rate=0.0)
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(2, -1e3))
    keras_own = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    keras_own.compile("sgd", "mse")
    given = {"batch_size": 1, "validation_split": share, "verbose": 0}
    keras_own.fit(x[:examples], x[:examples, :1], **given)
    history = vae.fit(x[:examples], **given).history
    rows = int(keras_own.optimizer.iterations)
    assert int(vae.optimizer.iterations) == rows
    expected = vae.evaluate(x[rows:examples], verbose=0, return_dict=True)["loss"]
    assert history["val_loss"] == [pytest.approx(expected, rel=1e-5)]


def steps_of(pattern):
    """One batch of two for each letter: `b` overflows float32 in its step, `g` does not."""
    x = np.random.default_rng(0).normal(size=(len(pattern), 2, 6))
    x[[letter == "b" for letter in pattern]] = 1e30
    return x.reshape(-1, 6).astype("float32")


def train(way, pattern, epochs):
    given = {"batch_size": 2, "shuffle": False, "callbacks": WAYS[way], "verbose": 0}
    return small().fit(steps_of(pattern), epochs=epochs, **given).history


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "pattern",
    ["b" * 31 + "g" + "b" * 31 + "g", "b" * 15 + "g" + "b" * 31 + "g" + "b" * 15 + "g"],
    ids=["calls end in good steps", "good steps within calls"],
)
def test_31_bad_steps_in_a_row_are_skipped_and_training_goes_on(way, pattern):
    history = train(way, pattern, epochs=8)
    assert history["skipped_steps"] == [pattern.count("b")] * 8
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "pattern",
    ["g" * 16 + "b" * 32 + "g" * 16, "b" * 16 + "g" * 32 + "b" * 16],
    ids=["in two calls", "in two epochs"],
)
def test_32_bad_steps_in_a_row_end_training_wherever_they_lie(way, pattern):
    with pytest.raises(FloatingPointError, match="training steps in a row"):
        train(way, pattern, epochs=8)
