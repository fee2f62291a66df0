"""Bounds in their order, and estimators of their gradients: one mean, less variance."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_vae import estimators, evaluation, noise, objectives
from tests.tensors import array, value_and_gradients

NAMES = list(estimators.ESTIMATORS)


def value_and_gradient(vae, x, objective):
    """A function of epsilon to the loss and its gradient, one vector."""
    vae.objective = objective
    mean = value_and_gradients(
        lambda epsilon: ops.mean(vae.bound(x, epsilon).loss), vae.trainable_variables
    )

    def compute(epsilon):
        loss, gradients = mean(epsilon)
        return loss, np.concatenate([gradient.ravel() for gradient in gradients])

    return compute


def bound_and_gradients(vae, x, objective, epsilon):
    return value_and_gradient(vae, x, objective)(epsilon)


def many_gradients(vae, x, objective, rounds):
    shape = (objective.num_samples, len(x), vae.latent_dim)
    rng = np.random.default_rng(0)
    compute = value_and_gradient(vae, x, objective)
    return np.array([compute(rng.standard_normal(shape, "float32"))[1] for _ in range(rounds)])


@pytest.fixture
def x(digits):
    return digits[:4]


@pytest.fixture
def vae(make_vae):
    return make_vae(hidden=(4,))


@pytest.mark.parametrize("estimator", NAMES)
@pytest.mark.parametrize("kind", [objectives.ELBO, objectives.IWAE])
def test_an_estimator_leaves_the_value(vae, x, kind, estimator):
    epsilon = noise.draws(0, np.arange(len(x)), 0, 3, vae.latent_dim)
    plain, _ = bound_and_gradients(vae, x, kind(num_samples=3), epsilon)
    value, _ = bound_and_gradients(vae, x, kind(num_samples=3, estimator=estimator), epsilon)
    tolerance = 1e-5 if kind is objectives.IWAE else 0.2  # the KL divergence by draws or exactly
    assert value == pytest.approx(plain, rel=tolerance)


def test_with_one_draw_iwae_is_the_elbo_of_that_draw(vae, x):
    epsilon = noise.draws(1, np.arange(len(x)), 0, 1, vae.latent_dim)
    elbo = objectives.ELBO(estimator="sticking_the_landing")
    iwae = objectives.IWAE(num_samples=1, estimator="sticking_the_landing")
    for a, b in zip(*(bound_and_gradients(vae, x, o, epsilon) for o in (elbo, iwae)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_more_draws_give_a_tighter_bound(vae, digits):
    x = digits[:300]
    means = []
    for k in (1, 5, 50):
        vae.objective = objectives.IWAE(num_samples=k)
        epsilon = noise.draws(0, np.arange(len(x)), 0, k, vae.latent_dim)
        means.append(-float(array(vae.bound(x, epsilon).loss).mean()))
    assert means == sorted(means)
    assert means[0] < means[2]


@pytest.mark.parametrize(
    ("kind", "num_samples", "estimator", "beta"),
    [
        (objectives.ELBO, 1, "sticking_the_landing", 1),
        (objectives.ELBO, 3, "doubly_reparameterized", 0.5),
        (objectives.IWAE, 4, "doubly_reparameterized", 1),
        (objectives.IWAE, 4, "doubly_reparameterized", 0),
        (objectives.IWAE, 4, "doubly_reparameterized", 0.5),
        (objectives.IWAE, 4, "doubly_reparameterized", 2),
    ],
)
def test_estimators_agree_in_expectation(vae, x, kind, num_samples, estimator, beta):
    """700 entries within 5 standard errors each: another seed gives a false alarm in 1 of 2500."""
    rounds, options = 300, {"num_samples": num_samples, "beta": beta}
    plain = many_gradients(vae, x, kind(**options), rounds)
    other = many_gradients(vae, x, kind(**options, estimator=estimator), rounds)
    gap = plain - other
    error = gap.std(0, ddof=1) / np.sqrt(rounds)
    far = np.abs(gap.mean(0)) > 5 * error + 1e-4 * np.abs(plain).max()
    assert not far.any()


def linear_vae():
    """q(z|x) is the exact posterior of z ~ N(0, 1), x = w z + N(0, s²)."""
    from keras_vae import VAE
    from keras_vae.distributions import Normal

    inputs = keras.Input((2,))
    mean, log_var = keras.layers.Dense(1), keras.layers.Dense(1)
    encoder = keras.Model(inputs, [mean(inputs), log_var(inputs)])
    latent = keras.Input((1,))
    decode = keras.layers.Dense(2)
    decoder = keras.Model(latent, decode(latent))
    weights, scale = np.array([[1.0, -0.5]]), 0.5
    decode.set_weights([weights, np.zeros(2)])
    variance = 1 / (1 + (weights**2).sum() / scale**2)
    mean.set_weights([variance * weights.T / scale**2, np.zeros(1)])
    log_var.set_weights([np.zeros((2, 1)), np.log([variance])])
    return VAE(encoder, decoder, likelihood=Normal(scale=scale, trainable=False))


@pytest.mark.parametrize("num_samples", [1, 3])
def test_at_the_exact_posterior_there_is_no_variance(num_samples):
    vae, x = linear_vae(), np.array([[0.3, -1.0], [2.0, 0.1]], "float32")
    encoder = [math.prod(w.shape) for w in vae.encoder.trainable_weights]
    variances = {}
    for estimator in NAMES:
        objective = objectives.IWAE(num_samples=num_samples, estimator=estimator)
        gradients = many_gradients(vae, x, objective, 20)[:, : sum(encoder)]
        variances[estimator] = gradients.var(0).max()
    assert variances["sticking_the_landing"] < 1e-8
    assert variances["doubly_reparameterized"] < 1e-8
    assert variances["reparameterized"] > 1e-4


def test_free_bits_hold_the_kl_divergence_up():
    kl_terms = np.array([[0.1, 2.0, 0.0], [0.5, 1.0, 0.0]])  # means 0.3, 1.5 and 0
    d = objectives.Densities(np.zeros((1, 2)), None, None, kl_terms)
    np.testing.assert_allclose(objectives.ELBO(free_bits=0.2)(d), [-2.3, -1.7])
    np.testing.assert_allclose(objectives.ELBO(free_bits=0.4)(d), [-2.8, -1.8])
    np.testing.assert_allclose(objectives.ELBO(free_bits=2)(d), [-6, -6])


def test_free_bits_hold_up_each_dimension_in_training(make_vae, digits):
    """Over six seeds at most 0.0002 nats without them, and at least 0.27 with them."""
    used = {}
    for free_bits in (0, 0.5):
        vae = make_vae(objective=objectives.ELBO(beta=50, free_bits=free_bits))
        vae.fit(digits, epochs=20, verbose=0)
        used[free_bits] = evaluation.latent_use(vae, digits).kl
    assert used[0].max() < 0.01
    assert used[0.5].min() > 0.1


@pytest.mark.parametrize("estimator", NAMES)
def test_iwae_trains(make_vae, digits, estimator):
    vae = make_vae(objective=objectives.IWAE(num_samples=3, estimator=estimator))
    history = vae.fit(digits[:256], epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["loss"][-1] <= history["reconstruction_loss"][-1] + history["kl_loss"][-1]


def test_objectives_round_trip_with_their_estimators(make_vae, tmp_path, digits):
    objective = objectives.IWAE(7, "doubly_reparameterized", beta=0.5)
    vae = make_vae(objective=objective)
    vae.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.objective.get_config() == objective.get_config()
    assert type(loaded.objective.estimator) is estimators.DoublyReparameterized
    assert objectives.ELBO(free_bits=0.5).get_config()["free_bits"] == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: objectives.IWAE(num_samples=0), "num_samples must be"),
        (lambda: objectives.ELBO(free_bits=-1), "free_bits must be"),
        (lambda: objectives.IWAE(estimator="dregs"), "Unknown estimator: 'dregs'"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
