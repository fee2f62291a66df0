"""The weight of a learned prior: N(0, I) at first, and its own density in the end."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, objectives
from keras_vae.distributions import (
    FlowMatchingPrior,
    FlowPrior,
    MixtureOfNormals,
    StandardNormal,
    VampPrior,
    priors,
)
from keras_vae.schedules import KLWarmup, PriorWarmup
from tests.tensors import array, value_and_gradients

STEPS = 25
"""Batches of 4 in an epoch of the 100 examples."""
PRIORS = {
    "standard_normal": StandardNormal,
    "mixture_of_normals": lambda: MixtureOfNormals(5),
    "vamp": lambda: VampPrior(5, "linear"),
    "flow": lambda: FlowPrior(num_layers=2, units=8),
    "flow_matching": lambda: FlowMatchingPrior((8,), steps=2),
}
LEARNED = sorted(set(PRIORS) - {"standard_normal"})


def test_every_member_is_tested():
    assert set(PRIORS) == set(priors.PRIORS)


class Weights(keras.callbacks.Callback):
    """Reads the weight before and after each step, which are so taken one by one."""

    def __init__(self):
        super().__init__()
        self.before, self.after = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.before.append(float(self.model.prior_weight))

    def on_train_batch_end(self, batch, logs=None):
        self.after.append(float(self.model.prior_weight))


class Break(keras.callbacks.Callback):
    """Ends training by an error after the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        raise RuntimeError("broken off")


def make(prior="mixture_of_normals", objective=None, rate=1e-3):
    prior = PRIORS[prior]()
    vae = VAE.from_architecture("mlp", (6,), 2, "normal", prior, objective, seed=0, hidden=())
    vae.compile(keras.optimizers.SGD(rate))
    return vae


@pytest.fixture
def x(rng):
    return rng.normal(size=(100, 6)).astype("float32")


def train(vae, x, epochs=1, *callbacks, **options):
    options = {"batch_size": 4, "shuffle": False, "verbose": 0, **options}
    return vae.fit(x, epochs=epochs, callbacks=list(callbacks), **options).history


def moved(vae):
    """The model after its prior was moved away from N(0, I)."""
    rng = np.random.default_rng(1)
    for weight in vae.prior.weights:
        weight.assign(array(weight) + 0.3 * rng.standard_normal(weight.shape))
    return vae


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_are_the_standard_normal_and_the_prior(name, end, rng):
    vae, z = moved(make(name)), rng.normal(size=(3, 5, 2)).astype("float32")
    qz_x = vae.posterior(rng.normal(size=(5, 6)).astype("float32"))
    between, pz = vae.prior.interpolated(end), [priors.get(None), vae.prior][end]
    np.testing.assert_array_equal(array(between.log_prob(z)), array(pz.log_prob(z)))
    found, expected = (array(p.kl_terms(qz_x, z)).sum(-1) for p in (between, pz))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", LEARNED)
def test_between_the_ends_the_log_density_is_their_mean(name, rng):
    vae, z = moved(make(name)), rng.normal(size=(3, 5, 2)).astype("float32")
    ends = [array(vae.prior.interpolated(end).log_prob(z)) for end in (0.0, 1.0)]
    between = array(vae.prior.interpolated(0.25).log_prob(z))
    np.testing.assert_allclose(between, np.average(ends, axis=0, weights=[0.75, 0.25]), rtol=1e-6)


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("objective", objectives.OBJECTIVES)
def test_at_weight_0_encoder_and_decoder_train_as_with_the_standard_normal(x, objective, name, rng):
    epsilon, results = rng.standard_normal((3, 100, 2)).astype("float32"), []
    for prior in ("standard_normal", name):
        vae = moved(make(prior, objectives.OBJECTIVES[objective](num_samples=3)))

        def loss(x, epsilon, vae=vae):
            return keras.ops.mean(vae.bound(x, epsilon, prior_weight=0.0).loss)

        trained = vae.encoder.trainable_variables + vae.decoder.trainable_variables
        results.append(value_and_gradients(loss, trained)(x, epsilon))
    (value, gradients), (expected, expected_gradients) = results
    assert value == pytest.approx(expected, rel=1e-5)
    for a, b in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_samples", [1, 66])  # all in one chunk, and in two
@pytest.mark.parametrize("objective", objectives.OBJECTIVES)
def test_the_loss_of_a_step_in_fit_is_that_of_its_weight(x, objective, num_samples):
    losses = []
    for weight in (0.0, 0.5, 1.0):
        objective_ = objectives.OBJECTIVES[objective](num_samples=num_samples)
        vae, same = (moved(make(objective=objective_, rate=0.0)) for _ in range(2))
        losses.append(train(vae, x, 1, PriorWarmup(1e9, start=weight), batch_size=100)["loss"][0])
        bound = same.bound(x, same.draw_epsilon(100), prior_weight=weight)
        assert losses[-1] == pytest.approx(np.mean(array(bound.loss)), rel=1e-4)
    assert np.abs(np.diff(losses)).min() > 0.05


@pytest.mark.parametrize("epochs", [1, 2.25])
def test_the_weight_is_the_schedule_before_and_after_each_step(x, epochs):
    watch = Weights()
    history = train(make(), x, 3, PriorWarmup(epochs), watch)
    expected = np.minimum(1, np.arange(3 * STEPS + 1) / (STEPS * epochs))
    np.testing.assert_allclose(watch.before, expected[:-1], atol=1e-6)
    np.testing.assert_allclose(watch.after, expected[1:], atol=1e-6)
    np.testing.assert_allclose(history["prior_weight"], watch.before[STEPS - 1 :: STEPS])


@pytest.mark.parametrize("name", priors.PRIORS)
def test_a_first_fit_warms_a_learned_prior_up_and_no_other_does(x, name):
    vae, epochs = make(name), int(priors.PRIORS[name].warmup_epochs)
    assert (epochs > 0) == (name in LEARNED)
    weights = [train(vae, x, epochs + 1).get("prior_weight") for _ in range(2)]
    if name in LEARNED:
        expected = np.minimum(1, (np.arange(1, epochs + 2) - 1 / STEPS) / epochs)
        np.testing.assert_allclose(weights.pop(0), expected, rtol=1e-5)
    assert set(weights) == {None}
    assert float(vae.prior_weight) == 1


def compiled_again(vae, path):
    vae.compile(keras.optimizers.SGD(1e-4))
    return vae


def loaded(vae, path, **options):
    vae.save(path / "vae.keras")
    return keras.saving.load_model(path / "vae.keras", **options)


def loaded_without_optimizer(vae, path):
    return compiled_again(loaded(vae, path, compile=False), path)


@pytest.mark.parametrize("then", [compiled_again, loaded, loaded_without_optimizer])
def test_a_model_that_was_trained_is_not_warmed_up_again(x, then, tmp_path):
    vae = make()
    assert "prior_weight" in train(vae, x)
    vae, watch = then(vae, tmp_path), Weights()
    assert "prior_weight" not in train(vae, x, 1, watch)
    assert set(watch.before + watch.after) == {1.0}


def test_one_that_was_saved_before_it_was_trained_is(x, tmp_path):
    assert "prior_weight" in train(loaded(make(), tmp_path), x)


def test_training_that_goes_on_at_an_epoch_has_the_weight_of_that_epoch(x):
    whole = train(make(), x, 6)["prior_weight"]
    vae = make()
    parts = [train(vae, x, end, initial_epoch=end - 2)["prior_weight"] for end in (2, 4, 6)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5)


def test_what_the_user_asks_for_comes_before_the_default(x):
    np.testing.assert_allclose(train(make(), x, 2, PriorWarmup(1))["prior_weight"][1], 1)
    callbacks = keras.callbacks.CallbackList([PriorWarmup(1)], add_history=True, steps=STEPS)
    vae = make()
    callbacks.set_model(vae)
    vae.fit(x, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
    np.testing.assert_allclose(vae.history.history["prior_weight"][1], 1)
    vae = make()
    vae.prior.warmup_epochs = 0
    assert "prior_weight" not in train(vae, x)


def test_a_list_of_callbacks_does_not_keep_the_warm_up_for_the_next_fit(x):
    vae, watch = make(), Weights()
    callbacks = keras.callbacks.CallbackList([watch], model=vae, add_history=True, steps=STEPS)
    for _ in range(2):
        vae.fit(x, batch_size=4, verbose=0, callbacks=callbacks)
    assert max(watch.before[:STEPS]) < 1
    assert set(watch.before[STEPS:]) == {1.0}


def test_after_a_warm_up_that_broke_off_a_fit_begins_at_one(x):
    vae, watch = make(), Weights()
    with pytest.raises(RuntimeError, match="broken off"):
        train(vae, x, 8, Break())
    assert "prior_weight" not in train(vae, x, 2, watch)
    assert set(watch.before + watch.after) == {1.0}


def test_after_a_first_fit_that_took_no_step_the_next_one_is_the_first(x):
    def refuse(logs):
        raise RuntimeError("broken off")

    vae = make()
    with pytest.raises(RuntimeError, match="broken off"):
        train(vae, x, 1, keras.callbacks.LambdaCallback(on_train_begin=refuse))
    assert "prior_weight" in train(vae, x)


def test_no_other_step_is_weighted(x):
    """Neither that of evaluation while the warm-up goes on, nor those after it."""
    vae = moved(make(objective=objectives.ELBO(num_samples=256), rate=0.0))
    history = train(vae, x, 2, PriorWarmup(1e9), validation_data=(x,))
    full, weighted = np.mean(history["val_kl_loss"]), np.mean(history["kl_loss"])
    assert abs(full - weighted) > 0.1
    evaluated = vae.evaluate(x, verbose=0, return_dict=True)["kl_loss"]
    assert evaluated == pytest.approx(full, rel=0.08)
    stepped = vae.train_on_batch(x, return_dict=True)["kl_loss"]
    assert stepped == pytest.approx(full, rel=0.08)


def test_the_weights_do_not_mix(x):
    """The KL divergence and the prior each have their own."""
    history = train(make(), x, 4, KLWarmup(2), PriorWarmup(4))
    last = np.arange(1, 5) - 1 / STEPS
    np.testing.assert_allclose(history["kl_weight"], np.minimum(1, last / 2), rtol=1e-5)
    np.testing.assert_allclose(history["prior_weight"], last / 4, rtol=1e-5)
