"""The scale of `Normal` is a running estimate in closed form, not a weight that Adam moves."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, objectives
from keras_vae.distributions import Normal
from tests.tensors import array


def scale(likelihood):
    return np.exp(float(array(likelihood.log_scale)))


def adapt(likelihood, error):
    """One step whose squared error is `error` everywhere."""
    x = np.zeros((2, 3), "float32")
    x_mean = np.full((1, 2, 3), np.sqrt(error), "float32")
    likelihood.adapt(likelihood.statistics(x, x_mean, np.ones((1, 2), "float32")))


def test_the_first_estimate_is_the_weighted_squared_error(rng):
    x, x_mean = rng.normal(size=(5, 4, 3)), rng.normal(size=(6, 5, 4, 3))
    weight = rng.random((6, 5))
    likelihood = Normal()
    likelihood.adapt(likelihood.statistics(x, x_mean, weight))
    errors = ((x - x_mean) ** 2).mean(axis=(2, 3))
    assert scale(likelihood) == pytest.approx(np.sqrt(np.average(errors, weights=weight)))


def test_it_is_a_plain_mean_of_20_steps_and_then_forgets(rng):
    likelihood, errors = Normal(), rng.uniform(0.1, 1, 25)
    for error in errors[:20]:
        adapt(likelihood, error)
    expected = errors[:20].mean()
    assert scale(likelihood) ** 2 == pytest.approx(expected, rel=1e-5)
    for error in errors[20:]:
        adapt(likelihood, error)
        expected += 0.05 * (error - expected)
    assert scale(likelihood) ** 2 == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("error", [np.nan, np.inf])
def test_an_error_that_is_not_finite_counts_for_nothing(error):
    likelihood = Normal()
    adapt(likelihood, error)
    assert scale(likelihood) == pytest.approx(0.5)
    weightless = np.ones((2, 3)), np.zeros((1, 2, 3)), np.zeros((1, 2))
    likelihood.adapt(likelihood.statistics(*weightless))
    assert scale(likelihood) == pytest.approx(0.5)
    adapt(likelihood, 0.04)
    assert scale(likelihood) == pytest.approx(0.2)  # as if it were the first


def test_a_training_step_takes_the_error_of_its_batch(make_vae, digits, rng):
    vae, x, weight = make_vae(), digits[:50], rng.random(50)
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(3, -1e3))  # z is z_mean
    errors = ((x - vae.reconstruct(x)) ** 2).mean(axis=(1, 2, 3))
    vae.fit(x, sample_weight=weight, batch_size=50, verbose=0)
    expected = np.sqrt(np.average(errors, weights=weight))
    assert scale(vae.likelihood) == pytest.approx(expected, rel=1e-3)


def test_importance_weights_are_the_derivative_of_the_bound(rng):
    log_px_z, log_pz, log_qz_x = rng.normal(size=(3, 4, 2))
    for objective in (objectives.ELBO(num_samples=4), objectives.IWAE(4, beta=0.7)):

        def bound(log_px_z, objective=objective):
            densities = objectives.Densities(log_px_z, log_pz, log_qz_x, np.zeros((2, 3)))
            return array(objective(densities, 0.5)), array(objective.draw_weights(densities, 0.5))

        weights = bound(log_px_z)[1]
        for k, step in enumerate(1e-2 * np.eye(4)[..., None]):
            slope = (bound(log_px_z + step)[0] - bound(log_px_z - step)[0]) / 2e-2
            np.testing.assert_allclose(weights[k], slope, atol=1e-4)


def pca(rng, objective, widen=0.0):
    """Probabilistic PCA at its most likely weights, which stay: the VAE, x and the exact scale.

    q(z|x) is the exact posterior, but for a log-variance that is larger by `widen`.
    """
    x = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(500, 6))
    variances, directions = np.linalg.eigh(np.cov(x.T, bias=True))
    variance, top, U = variances[:4].mean(), variances[4:], directions[:, 4:]
    W = U * np.sqrt(top - variance)
    vae = VAE.from_architecture("mlp", (6,), 2, "normal", objective=objective, seed=0, hidden=())
    vae.decoder.set_weights([W.T, x.mean(0)])
    vae.encoder.get_layer("z_mean").set_weights([W / top, -x.mean(0) @ W / top])
    log_var = np.log(variance / top) + widen
    vae.encoder.get_layer("z_log_var").set_weights([np.zeros((6, 2)), log_var])
    vae.compile(keras.optimizers.SGD(0.0))
    return vae, x.astype("float32"), np.sqrt(variance)


def test_the_scale_of_a_linear_problem_is_that_of_its_noise(rng):
    vae, x, exact = pca(rng, "elbo")
    vae.fit(x, epochs=40, batch_size=500, verbose=0)
    assert scale(vae.likelihood) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("objective", ["elbo", objectives.IWAE(20)], ids=["elbo", "iwae"])
def test_the_scale_is_the_one_that_maximises_the_bound(objective, rng):
    vae, x, _ = pca(rng, objective, widen=1.5)
    vae.fit(x, epochs=60, batch_size=500, verbose=0)
    epsilon = rng.normal(size=(vae.objective.num_samples, 500, 2)).astype("float32")
    best, losses = float(array(vae.likelihood.log_scale)), []
    for log_scale in (best - 0.1, best, best + 0.1):
        vae.likelihood.log_scale.assign(log_scale)
        losses.append(array(vae.bound(x, epsilon).loss).mean())
    assert np.argmin(losses) == 1


def test_where_it_begins_is_forgotten_in_three_epochs(make_vae, digits):
    """A straight line in the loss is the time that a scale takes to shrink."""
    losses = []
    for start in (0.5, 5.0, 50.0):
        keras.utils.set_random_seed(0)
        vae = make_vae(likelihood=Normal(start))
        losses.append(vae.fit(digits[:320], epochs=3, verbose=0).history["loss"][-1])
    assert np.ptp(losses) < 3


def test_a_skipped_step_leaves_it(make_vae, digits):
    vae = make_vae()
    vae.fit(digits[:64], verbose=0)
    before = vae.likelihood.get_weights()
    x = digits[:32].copy()
    x[3, 0, 0, 0] = np.nan
    assert vae.train_on_batch(x, return_dict=True)["skipped_steps"] == 1
    vae.likelihood.log_scale.assign(-43.0)  # the loss overflows float32, the error does not
    assert vae.train_on_batch(digits[:32], return_dict=True)["skipped_steps"] == 1
    assert float(array(vae.likelihood.log_scale)) == -43
    assert vae.likelihood.get_weights()[1] == before[1] == 2


def test_it_is_saved_and_goes_on_where_it_was(make_vae, digits, tmp_path):
    vae = make_vae()
    vae.fit(digits[:96], verbose=0)
    vae.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for _ in range(2):
        np.testing.assert_array_equal(loaded.likelihood.get_weights(), vae.likelihood.get_weights())
        for model in (vae, loaded):
            model.fit(digits[:96], shuffle=False, verbose=0)


def test_a_scale_that_is_not_trainable_stays(make_vae, digits):
    vae = make_vae(likelihood=Normal(0.3, trainable=False))
    vae.fit(digits[:96], verbose=0)
    assert scale(vae.likelihood) == pytest.approx(0.3)
    assert not Normal.from_config(vae.likelihood.get_config()).trainable


def test_data_that_are_all_the_same_leave_the_loss_finite(make_vae):
    vae = make_vae(compiled={"optimizer": keras.optimizers.Adam(1e-2)})
    history = vae.fit(np.zeros((64, 8, 8, 1)), epochs=60, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert sum(history["skipped_steps"]) == 0
    adapted = Normal()
    for _ in range(3):
        adapt(adapted, 0.0)
    assert scale(adapted) == pytest.approx(1e-4)
