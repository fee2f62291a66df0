"""Where float32 ends, densities are those of float64; saved models keep their meaning."""

import keras
import numpy as np
import pytest
import scipy.special

from keras_vae import VAE
from keras_vae.distributions import likelihoods
from tests.tensors import array

COUNTED = ("negative_binomial", "poisson", "zero_inflated_negative_binomial")
BINARY, COUNTS = [0.0, 1.0], [0.0, 1.0, 3.0, 1000.0]
LOGITS, EDGES = [-200.0, -40.0, 40.0, 200.0], [-87.0, -40.0, 40.0, 87.0]


def softplus(a):
    return np.logaddexp(0, a)


def normal(x, mean, log_scale):
    square = ((x - mean) * np.exp(-log_scale)) ** 2
    return -0.5 * (np.log(2 * np.pi) + square) - log_scale


def logistic_mass(x, location, log_scale):
    half, scale = 0.5 / 255, np.exp(log_scale)
    a, b = (x - half - location) / scale, (x + half - location) / scale
    below = np.where(x == 0, 0, softplus(a))
    above = np.where(x == 1, 0, softplus(-b))
    inner = np.where((x == 0) | (x == 1), 0, np.log(-np.expm1(-2 * half / scale)))
    return inner - below - above


EDGE = {
    "bernoulli": (lambda x, a: x * a - softplus(a), BINARY, LOGITS),
    "continuous_bernoulli": (
        lambda x, a: (x - 0.5) * a - abs(a) / 2 - np.log(-np.expm1(-abs(a)) / abs(a)),
        [0.0, 0.25, 1.0],
        LOGITS,
    ),
    "poisson": (
        lambda x, a: x * a - np.exp(a) - scipy.special.gammaln(x + 1),
        COUNTS,
        EDGES,
    ),
    "heteroscedastic_normal": (normal, [-1.0, 0.5, 3.0], [0.5], EDGES),
    "discretized_logistic": (  # at 87 half a level, over s, would be below the smallest number
        logistic_mass,
        [0.0, 0.2, 1.0],
        [0.5],
        [-87.0, -40.0, 40.0, 80.0],
    ),
}


@pytest.mark.parametrize("name", EDGE)
def test_densities_at_the_edge_of_float32_are_those_of_float64(name):
    """Beyond the largest number of float32 the logarithm is −inf; it is never NaN."""
    formula, *values = EDGE[name]
    x, *raw = (h.reshape(-1, 1) for h in np.meshgrid(*values))
    expected = formula(x, *raw)[:, 0]
    found = array(
        likelihoods.get(name).log_prob(x.astype("float32"), np.hstack(raw).astype("float32"))
    )
    large = expected < np.finfo("float32").min
    np.testing.assert_array_equal(found[large], -np.inf)
    np.testing.assert_allclose(found[~large], expected[~large], rtol=1e-5, atol=1e-6)


def test_categorical_at_the_edge():
    logits, x = np.float32([[200, -200, 0]] * 3), np.eye(3, dtype="float32")
    found = array(likelihoods.get("categorical").log_prob(x[:, None], logits[:, None]))
    np.testing.assert_allclose(found, [0, -400, -200], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-35, 1e-4, 1e4, 1e35])
def test_normal_at_the_edge(scale):
    likelihood, x = likelihoods.Normal(scale), np.float32([[0.0], [2.0 * scale]])
    found = array(likelihood.log_prob(x, np.zeros((2, 1), "float32")))
    np.testing.assert_allclose(found, normal(x[:, 0] / scale, 0, 0) - np.log(scale), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(likelihoods.LIKELIHOODS))
def test_the_encoder_is_given_the_logarithm_of_one_plus_a_count_and_else_x(name):
    x = np.float32([0, 1, 2, 10, 1e3, 1e6, 1e30])
    expected = np.log1p(x) if name in COUNTED else x
    found = array(likelihoods.get(name).features(keras.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(found, expected, rtol=3e-7)


# z_mean of x, z of epsilon, log p(z), log p(x|z): as this package first computed them.
BOTH = [0.5100962, -0.01152804, -0.5225534, -0.5455215, 0.7203052, 1.357256, -6.436249]
GOLDEN = {
    "poisson": [*BOTH, -1541.602],
    "negative_binomial": [*BOTH, -265.2751],
    "zero_inflated_negative_binomial": [*BOTH, -266.9259],
}


def fixed(vae):
    """Weights that no generator of random numbers can change."""
    for seed, weight in enumerate(vae.trainable_weights):
        places = np.arange(np.prod(weight.shape)).reshape(weight.shape)
        weight.assign(0.3 * np.sin(places + seed))
    return vae


@pytest.mark.parametrize("likelihood", COUNTED)
def test_a_saved_model_of_counts_with_a_flow_keeps_its_meaning(likelihood, tmp_path):
    options = {"prior": "flow", "hidden": (5,), "seed": 0}
    vae = fixed(VAE.from_architecture("mlp", (4,), 3, likelihood, **options))
    vae.save(tmp_path / "m.keras")
    vae = keras.saving.load_model(tmp_path / "m.keras")
    x, z = np.float32([[0, 1, 20, 300]]), np.float32([[0.5, -1.0, 2.0]])
    epsilon = np.float32([[-0.3, 0.8, 1.5]])
    found = [
        array(vae.encode(x)[0])[0],
        array(vae.prior.transform(epsilon, None))[0],
        array(vae.prior.log_prob(z)),
        array(vae.likelihood.log_prob(x, vae.x_params(keras.ops.convert_to_tensor(z)))),
    ]
    np.testing.assert_allclose(np.concatenate(found), GOLDEN[likelihood], rtol=2e-5, atol=1e-6)
