"""The weight of the KL divergence: what the model holds, what it uses, and what it logs."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, objectives
from keras_vae.estimators import ESTIMATORS
from keras_vae.schedules import KLCycles, KLWarmup
from tests.tensors import array, value_and_gradients

STEPS = 25
"""Batches of 4 in an epoch of the 100 examples."""
EPOCHS = 21
"""More than 500 steps in all: fewer TensorFlow finds not worth taking in many at once."""


class AtSteps(keras.callbacks.Callback):
    """Reads the weight before and after each step, which are so taken one by one."""

    def __init__(self):
        super().__init__()
        self.before, self.after = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.before.append(float(self.model.kl_weight))

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(float(self.model.kl_weight))


class AtEpochs(keras.callbacks.Callback):
    """Reads the weight at the end of each epoch, of as many steps a call as there may be."""

    def __init__(self):
        super().__init__()
        self.after = []

    def on_epoch_end(self, epoch, logs=None):
        self.after.append(float(self.model.kl_weight))


@pytest.fixture
def vae():
    vae = VAE.from_architecture("mlp", (6,), 2, "normal", seed=0, hidden=())
    vae.compile(keras.optimizers.SGD(1e-3))
    return vae


@pytest.fixture
def x(rng):
    return rng.normal(size=(100, 6)).astype("float32")


def train(vae, x, epochs, *callbacks, last=False):
    """The history of an epoch's costs, of its `last` step alone: the others have examples of 0."""
    weight = np.ones(len(x))
    weight[: len(x) - 4 if last else 0] = 0
    given = {"batch_size": 4, "shuffle": False, "verbose": 0, "sample_weight": weight}
    return vae.fit(x, epochs=epochs, callbacks=list(callbacks), **given).history


def used(history):
    """The weight that the KL divergence had in the loss."""
    costs = (np.array(history[n]) for n in ("loss", "reconstruction_loss", "kl_loss"))
    loss, reconstruction_loss, kl_loss = costs
    return (loss - reconstruction_loss) / kl_loss


@pytest.mark.parametrize("start", [0, 0.25])
@pytest.mark.parametrize("epochs", [1, 2.25])
def test_the_weight_is_the_schedule_before_and_after_each_step(vae, x, start, epochs):
    steps, ends = AtSteps(), AtEpochs()
    train(vae, x, 3, KLWarmup(epochs, start), steps, ends)
    step = np.arange(3 * STEPS + 1)
    expected = np.minimum(1, start + (1 - start) * step / (STEPS * epochs))
    np.testing.assert_allclose(steps.before, expected[:-1], atol=1e-6)
    np.testing.assert_allclose(steps.after, expected[1:], atol=1e-6)
    np.testing.assert_allclose(ends.after, expected[STEPS::STEPS], atol=1e-6)
    assert max(steps.before + steps.after) <= 1


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("start", [0, 0.25])
@pytest.mark.parametrize("epochs", [1, 2.25])
def test_the_weight_that_is_logged_is_that_of_the_epochs_last_step(
    vae, x, start, epochs, one_by_one
):
    ends = AtEpochs()
    watch = [AtSteps()] if one_by_one else []
    history = train(vae, x, EPOCHS, KLWarmup(epochs, start), ends, *watch, last=True)
    last = np.arange(1, EPOCHS + 1) * STEPS - 1
    expected = np.minimum(1, start + (1 - start) * last / (STEPS * epochs))
    np.testing.assert_allclose(history["kl_weight"], expected, rtol=1e-6)
    np.testing.assert_allclose(used(history), expected, rtol=1e-3)
    after = np.minimum(1, start + (1 - start) * (last + 1) / (STEPS * epochs))
    np.testing.assert_allclose(ends.after, after, atol=1e-6)
    assert max(ends.after) <= 1


def test_cycles_rise_stay_and_begin_again(vae, x):
    steps = AtSteps()
    history = train(vae, x, 6, KLCycles(epochs=1, cycles=2), steps)
    rise = np.arange(STEPS) / STEPS
    once = [*rise, *np.ones(STEPS)]
    np.testing.assert_allclose(steps.before, [*once, *once, *np.ones(2 * STEPS)], atol=1e-6)
    np.testing.assert_allclose(history["kl_weight"], [1 - 1 / STEPS, 1] * 2 + [1, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0.25}, r"a cycle must have whole epochs, got 2 \* 0.25"),
        ({"epochs": 1, "cycles": 0}, "cycles must be a whole number of at least 1, got 0"),
    ],
)
def test_cycles_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        KLCycles(**settings)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_after_a_warm_up_that_broke_off_a_fit_begins_at_one(vae, x, one_by_one):
    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        train(vae, x, EPOCHS, KLWarmup(8, start=0.25), Break())
    ends, watch = AtEpochs(), AtSteps()
    history = train(vae, x, EPOCHS, ends, *([watch] if one_by_one else []))
    np.testing.assert_allclose(used(history), 1, rtol=1e-4)
    assert set(ends.after) == {1.0}
    assert set(watch.before + watch.after) <= {1.0}


def test_no_other_step_is_weighted(vae, x):
    """Neither that of evaluation while the warm-up goes on, nor those after it."""
    history = vae.fit(x, validation_data=(x,), callbacks=[KLWarmup(2)], verbose=0).history
    val = {name.removeprefix("val_"): h for name, h in history.items() if name.startswith("val_")}
    np.testing.assert_allclose(used(val), 1, rtol=1e-4)
    logs = {name: [h] for name, h in vae.train_on_batch(x, return_dict=True).items()}
    np.testing.assert_allclose(used(logs), 1, rtol=1e-4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", objectives.OBJECTIVES)
def test_kl_weight_means_what_beta_means(x, name, estimator, rng):
    """The value and the gradient of the bound; a quarter is exact, so is twice of it."""
    make, results = objectives.OBJECTIVES[name], []
    epsilon = rng.standard_normal((3, 100, 2)).astype("float32")
    for beta, kl_weight in ((0.25, 1.0), (1.0, 0.25), (0.5, 0.5)):
        objective = make(num_samples=3, estimator=estimator, beta=beta)
        vae = VAE.from_architecture(
            "mlp", (6,), 2, "normal", objective=objective, seed=0, hidden=()
        )

        def loss(x, epsilon, vae=vae, kl_weight=kl_weight):
            return keras.ops.mean(vae.bound(x, epsilon, kl_weight=kl_weight).loss)

        results.append(value_and_gradients(loss, vae.trainable_variables)(x, epsilon))
        unweighted = float(np.mean(array(vae.bound(x, epsilon).loss)))
        assert (unweighted == pytest.approx(results[-1][0], rel=1e-4)) == (kl_weight == 1)
    (expected, gradients), *others = results
    for value, found in others:
        assert value == pytest.approx(expected, rel=1e-6)
        for a, b in zip(gradients, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
