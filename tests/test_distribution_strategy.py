"""Two replicas take the same step as one device."""

import keras
import numpy as np
import pytest

from keras_vae import VAE
from keras_vae.schedules import KLWarmup
from tests.tensors import stream


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def mirrored(tf):
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def step(strategy, x, batch_size, num_classes=None, penalty=None, **fit):
    """The change of the weights by one epoch of plain gradient descent."""
    with strategy.scope():
        vae = VAE.from_architecture("mlp", (8, 8, 1), 3, "normal", seed=0, num_classes=num_classes)
        for part in (vae.encoder, vae.decoder):
            part.trainable_weights[0].regularizer = penalty
        vae.draw_epsilon = lambda batch_size: keras.ops.ones((1, batch_size, 3))  # for all
        vae.compile(optimizer=keras.optimizers.SGD(1e-3))
    before = [w.numpy() for w in vae.trainable_weights]
    history = vae.fit(x, batch_size=batch_size, shuffle=False, verbose=0, **fit).history
    return [w.numpy() - b for w, b in zip(vae.trainable_weights, before, strict=True)], history


@pytest.mark.parametrize("examples", [64, 97], ids=["even", "uneven last batch"])
@pytest.mark.parametrize("form", ["plain", "weighted", "conditional", "penalized"])
def test_the_summed_gradient_equals_that_of_one_device(tf, mirrored, digits, examples, form, rng):
    fit = {
        "plain": {},
        "weighted": {"sample_weight": rng.random(examples)},
        "conditional": {"num_classes": 2, "y": np.arange(examples) % 2},
        "penalized": {"penalty": keras.regularizers.L2(10.0)},
    }[form]
    one, history = step(tf.distribute.get_strategy(), digits[:examples], 64, **fit)
    two, distributed = step(mirrored, digits[:examples], 64, **fit)
    largest = max(np.abs(change).max() for change in one)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-5 * largest)
    for name, value in history.items():
        assert distributed[name] == pytest.approx(value, rel=1e-5, abs=1e-5)


def test_replicas_agree_on_one_scale(tf, mirrored, digits):
    scales = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            vae = VAE.from_architecture("mlp", (8, 8, 1), 3, "normal", seed=0)
            vae.draw_epsilon = lambda batch_size: keras.ops.ones((1, batch_size, 3))
            vae.compile(optimizer=keras.optimizers.SGD(1e-4))
        vae.fit(digits[:97], batch_size=64, epochs=2, shuffle=False, verbose=0)
        values = strategy.experimental_local_results(vae.likelihood.log_scale.value)
        scales.append([float(value) for value in values])
        assert vae.likelihood.get_weights()[1] == 4
    (one,), (two, same) = scales
    assert two == same == pytest.approx(one, abs=1e-5)


def test_one_bad_replica_skips_the_step_on_both(mirrored, digits):
    bad = digits[:64].copy()
    bad[40] = np.nan  # of the second replica's half
    change, history = step(mirrored, stream(bad, batch_size=64), None)
    assert history["skipped_steps"] == [1]
    assert all((c == 0).all() for c in change)


def test_replicas_draw_noise_of_their_own(tf, mirrored):
    with mirrored.scope():
        vae = VAE.from_architecture("mlp", (8, 8, 1), 3, "normal", seed=0)

    @tf.function
    def draw():
        return mirrored.run(lambda: vae.draw_epsilon(4))

    first, second = mirrored.experimental_local_results(draw())
    assert np.abs(first - second).min() > 0


def test_fit_evaluate_and_callbacks(mirrored, digits):
    with mirrored.scope():
        vae = VAE.from_architecture("conv", (8, 8, 1), 3, "normal", seed=0)
        vae.compile("adam", metrics=["mse"])
    history = vae.fit(
        digits[:256],
        epochs=3,
        verbose=0,
        validation_data=(digits[256:320],),
        callbacks=[KLWarmup(2)],
    ).history
    assert history["val_loss"][2] < history["val_loss"][0]
    assert vae.evaluate(digits[:64], verbose=0, return_dict=True)["loss"] > 0
