"""Every prior crossed with every posterior: what holds of each alone holds of both together."""

import itertools

import numpy as np
import pytest

from keras_vae import VAE, evaluation, noise
from keras_vae.architectures.heads import POSTERIORS
from keras_vae.distributions import priors
from keras_vae.evaluation import latent
from tests.tensors import array

PRIORS = {
    "standard_normal": {},
    "mixture_of_normals": {"num_components": 5, "seed": 3},
    "vamp": {"num_components": 5, "activation": "tanh", "seed": 3},
    "flow": {"num_layers": 4, "units": 16, "seed": 3},
    "flow_matching": {"hidden": (16,), "steps": 3, "seed": 3},
}
PAIRS = list(itertools.product(PRIORS, POSTERIORS))


def test_every_prior_is_crossed():
    assert set(PRIORS) == set(priors.PRIORS)


@pytest.fixture(scope="module", params=PAIRS, ids=" and ".join)
def vae(request):
    """A model of that prior and posterior, no weight of which is as it was at first."""
    prior, posterior = request.param
    vae = VAE.from_architecture(
        "mlp",
        (4,),
        2,
        "normal",
        prior=priors.PRIORS[prior](**PRIORS[prior]),
        posterior=posterior,
        hidden=(8,),
        seed=0,
    )
    rng = np.random.default_rng(1)
    for weight in vae.trainable_weights:
        step = 0.1 if "flow" in prior else 0.3  # so that the grid below holds the prior's mass
        weight.assign(array(weight) + step * rng.standard_normal(weight.shape))
    if posterior == "full_normal":  # correlations that are not small, of pseudo-inputs too
        vae.encoder.get_layer("z_correlation").bias.assign([1.5])
    return vae


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(2).normal(size=(7, 4)).astype("float32")


def test_draws_have_the_moments_of_the_density(vae):
    """Mean and covariance by quadrature of `log_prob`; a sine sees what is no moment of these."""
    axis = np.linspace(-12, 12, 401)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    mass = np.exp(array(vae.prior.log_prob(z.astype("float32"))).astype("float64"))
    mass *= (axis[1] - axis[0]) ** 2
    assert mass.sum() == pytest.approx(1, abs=1e-3)
    u = noise.component(5, 0, 50_000)
    drawn = array(vae.prior.transform(noise.latent(5, 0, 50_000, 2), u)).astype("float64")
    mean = mass @ z
    for moment in (
        lambda z: z,
        lambda z: (z - mean) ** 2,
        lambda z: (z - mean).prod(axis=1, keepdims=True),
        lambda z: np.sin(z @ [[1.0], [2.0]]),
    ):
        values = moment(drawn)
        # 4.5 standard errors of 6 moments in 8 cases: a false alarm in 3,000 seeds; it is fixed.
        gap = np.abs(values.mean(axis=0) - mass @ moment(z))
        assert (gap <= 4.5 * values.std(axis=0) / np.sqrt(len(values)) + 1e-3).all()


@pytest.mark.parametrize("batch_size", [4, 10])
def test_scores_are_the_same_for_any_batch_size(vae, x, batch_size):
    """In chunks of three or four draws, and of six and five: the last is never whole."""
    whole = vae.score(x, 11, seed=3, batch_size=11 * len(x))
    for name, values in vae.score(x, 11, seed=3, batch_size=batch_size).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("batch_size", [4, 77])
def test_the_convergence_is_that_of_the_first_draws_for_any_batch_size(vae, x, batch_size):
    found = evaluation.importance_sample(vae, x, 11, seed=3, batch_size=batch_size)
    assert list(found.convergence) == [1, 10, 11]
    for k, values in found.convergence.items():
        first = vae.score(x, k, seed=3, batch_size=11 * len(x))["log_likelihood"]
        np.testing.assert_allclose(values, first, rtol=1e-5, atol=1e-5)


def test_the_mutual_information_is_the_same_a_few_rows_at_a_time(vae, x, monkeypatch):
    whole = evaluation.mutual_information(vae, x, seed=3)
    for at_once in (1, 3 * len(x), 4 * len(x) + 1):  # a row, three, four and what they leave
        monkeypatch.setattr(latent, "AT_ONCE", at_once)
        assert evaluation.mutual_information(vae, x, seed=3) == pytest.approx(whole, rel=1e-9)
