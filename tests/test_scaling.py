"""Nats are of one example: neither the size of the batch nor that of the image hides in them."""

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import evaluation, noise
from keras_vae.distributions import likelihoods, priors
from keras_vae.evaluation.bits import discrete_entries
from keras_vae.objectives import ELBO, IWAE
from tests.tensors import array, drawn, small_prior

LIKELIHOODS = sorted(likelihoods.LIKELIHOODS)
OBJECTIVES = [
    ELBO(num_samples=2),
    ELBO(beta=4, estimator="sticking_the_landing", num_samples=2),
    IWAE(num_samples=2, estimator="doubly_reparameterized"),
]


def draw(likelihood, rng, shape):
    """Data in its support, and raw outputs of a decoder."""
    x_params = rng.normal(size=(*shape[:-1], likelihood.num_params(shape[-1]))).astype("float32")
    return drawn(likelihood, x_params), x_params


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_an_image_twice_as_high_costs_twice_the_nats(name, rng):
    likelihood = likelihoods.get(name)
    x, x_params = draw(likelihood, rng, (4, 5, 6, 3))
    nats = array(likelihood.log_prob(x, x_params))
    high, high_params = (np.concatenate([h, h], axis=1) for h in (x, x_params))
    np.testing.assert_allclose(array(likelihood.log_prob(high, high_params)), 2 * nats, rtol=1e-5)
    entries = [discrete_entries(likelihood, h.shape[1:]) for h in (x, high)]
    if None not in entries:
        bits = (evaluation.bits_per_dimension(n * nats, entries[n - 1]) for n in (1, 2))
        np.testing.assert_allclose(*bits, rtol=1e-12)


@pytest.mark.parametrize("name", ["normal", "heteroscedastic_normal"])
def test_another_unit_of_x_shifts_a_density_by_its_logarithm(name, rng):
    """p(a x) = p(x) / |a| for each of the 90 numbers of x."""
    a, likelihood = 7.0, likelihoods.get(name)
    x, x_params = draw(likelihood, rng, (4, 5, 6, 3))
    nats = array(likelihood.log_prob(x, x_params))
    scaled = a * x_params
    if name == "normal":
        likelihood.log_scale.assign_add(np.log(a))
    else:
        scaled[..., 3:] = x_params[..., 3:] + np.log(a)
    np.testing.assert_allclose(
        array(likelihood.log_prob(a * x, scaled)), nats - 90 * np.log(a), rtol=1e-5, atol=1e-3
    )


@pytest.mark.parametrize("prior", sorted(priors.PRIORS))
@pytest.mark.parametrize("objective", OBJECTIVES, ids=["elbo", "beta", "iwae"])
def test_an_example_costs_the_same_in_any_batch(prior, objective, make_vae, digits):
    vae = make_vae(prior=small_prior(prior), objective=objective, hidden=(8,))
    epsilon = noise.draws(0, np.arange(12), 0, 2, 3)
    together = vae.bound(digits[:12], epsilon)
    for rows in (slice(0, 1), slice(1, 6), slice(6, 12)):
        alone = vae.bound(digits[rows], epsilon[:, rows])
        for name in ("loss", "reconstruction_loss", "kl_loss"):
            part = array(getattr(together, name))[rows]
            np.testing.assert_allclose(array(getattr(alone, name)), part, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_what_is_logged_does_not_depend_on_the_batch_size(name, rng):
    """`loss` is the mean over examples, the last and smaller batch included."""
    vae = keras_vae.VAE.from_architecture("mlp", (2, 2, 3), 2, name, hidden=(4,), seed=0)
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(2, -1e3))  # the noise does not count
    vae.compile(optimizer=keras.optimizers.Adam(1e-3))
    x, _ = draw(vae.likelihood, rng, (20, 2, 2, 3))
    losses = [vae.evaluate(x, batch_size=n, verbose=0)[0] for n in (20, 7)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    score = vae.score(x, num_samples=1)
    assert -score["elbo"].mean() == pytest.approx(losses[0], rel=1e-4)
