"""Laws of every prior: a density of mass one, and a function from noise to draws from it."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
from keras import ops

from keras_vae import VAE, noise
from keras_vae.distributions import (
    DiagonalNormal,
    FlowMatchingPrior,
    FlowPrior,
    MixtureOfNormals,
    Prior,
    StandardNormal,
    VampPrior,
    priors,
)
from tests.tensors import array, value_and_gradients

MAKE = {
    "standard_normal": StandardNormal,
    "mixture_of_normals": lambda: MixtureOfNormals(num_components=5, seed=3),
    "vamp": lambda: VampPrior(num_components=5, activation="tanh", seed=3),
    "flow": lambda: FlowPrior(num_layers=4, units=16, seed=3),
    "flow_matching": lambda: FlowMatchingPrior((16,), steps=4, inversions=16, seed=3),
}
LEARNED = sorted(set(MAKE) - {"standard_normal"})
FLOWS = ["flow", "flow_matching"]


def test_every_member_is_tested():
    assert set(MAKE) == set(priors.PRIORS)


def model(name, latent_dim=2, **options):
    """A small VAE with that prior."""
    options = {"hidden": (8,), "likelihood": "normal", "seed": 0, **options}
    return VAE.from_architecture("mlp", (8, 8, 1), latent_dim, prior=MAKE[name](), **options)


def trained(name, latent_dim):
    """The prior with weights that are far from the initial ones, and its model."""
    vae, rng = model(name, latent_dim), np.random.default_rng(1)
    step = 0.1 if "flow" in name else 0.3  # so that the grids below hold its mass
    for weight in vae.prior.weights:
        weight.assign(array(weight) + step * rng.standard_normal(weight.shape))
    return vae.prior, vae


def log_prob(prior, z):
    return array(prior.log_prob(z.astype("float32"))).astype("float64")


def draw(prior, count, latent_dim, seed=5):
    """z made of the package's own noise."""
    epsilon = noise.latent(seed, 0, count, latent_dim)
    z = prior.transform(epsilon, noise.component(seed, 0, count))
    return array(z).astype("float64")


def grid(latent_dim, reach=12.0, points=401):
    """Equally spaced z, `(points**latent_dim, latent_dim)`, and the volume of one cell."""
    axis = np.linspace(-reach, reach, points)
    mesh = np.meshgrid(*[axis] * latent_dim, indexing="ij")
    return np.stack(mesh, -1).reshape(-1, latent_dim), (axis[1] - axis[0]) ** latent_dim


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("latent_dim", [1, 2])
def test_log_prob_integrates_to_one(name, latent_dim):
    z, cell = grid(latent_dim)
    mass = np.exp(log_prob(trained(name, latent_dim)[0], z)).sum() * cell
    assert mass == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", MAKE)
def test_transform_draws_from_the_density(name):
    prior, _ = trained(name, 1)
    z, cell = grid(1, points=4001)
    distribution = np.cumsum(np.exp(log_prob(prior, z))) * cell
    test = scipy.stats.kstest(
        draw(prior, 50_000, 1)[:, 0], lambda v: np.interp(v, z[:, 0], distribution)
    )
    assert test.pvalue > 0.001  # the rate of false alarms, and the seed is fixed


@pytest.mark.parametrize("name", MAKE)
def test_draws_have_the_moments_of_the_density(name):
    prior, _ = trained(name, 2)
    z, cell = grid(2)
    mass, drawn = np.exp(log_prob(prior, z)) * cell, draw(prior, 50_000, 2)
    for moment in (
        lambda z: z,
        lambda z: z**2,
        lambda z: z[:, :1] * z[:, 1:],
        lambda z: np.sin(z @ [[1.0], [2.0]]),
    ):
        expected, values = mass @ moment(z), moment(drawn)
        # 4 standard errors, 6 moments: a false alarm in 2,600 seeds, and the seed is fixed.
        gap = np.abs(values.mean(0) - expected)
        assert (gap <= 4 * values.std(0) / np.sqrt(len(values)) + 1e-4).all()


@pytest.mark.parametrize("name", MAKE)
def test_leading_axes_are_kept(name, rng):
    prior, _ = trained(name, 3)
    z, u = rng.normal(size=(4, 5, 3)).astype("float32"), rng.random((4, 5), "float32")
    rows = log_prob(prior, z.reshape(-1, 3))
    np.testing.assert_allclose(log_prob(prior, z), rows.reshape(4, 5), rtol=1e-5)
    whole, some = array(prior.transform(z, u)), array(prior.transform(z[2], u[2]))
    assert whole.shape == (4, 5, 3)
    np.testing.assert_allclose(whole[2], some, atol=1e-5)


@pytest.mark.parametrize("name", LEARNED)
def test_kl_divergence_from_itself_is_zero(name, rng):
    prior, _ = trained(name, 2)
    z = draw(prior, 12, 2).reshape(4, 3, 2).astype("float32")
    np.testing.assert_allclose(array(prior.kl_divergence(prior, z)), np.zeros(3), atol=1e-6)


def test_the_standard_normal_has_the_closed_form():
    """The Monte Carlo estimate would differ from draw to draw."""
    qz_x = DiagonalNormal(np.ones((1, 2), "float32"), np.zeros((1, 2), "float32"))
    values = {float(StandardNormal().kl_divergence(qz_x, np.full((1, 1, 2), z))[0]) for z in (0, 5)}
    assert values == {1.0}


@pytest.mark.parametrize("name", MAKE)
def test_kl_divergence_is_that_of_quadrature(name):
    prior, _ = trained(name, 1)
    qz_x = DiagonalNormal(np.full((1, 1), 0.7, "float32"), np.full((1, 1), -1.0, "float32"))
    z, cell = grid(1, points=4001)
    log_q = array(qz_x.log_prob(z.astype("float32"))).astype("float64")
    expected = np.sum(np.exp(log_q) * (log_q - log_prob(prior, z))) * cell
    drawn = np.float32(0.7) + np.float32(np.exp(-0.5)) * noise.latent(2, 0, 50_000, 1)[:, None]
    estimates = array(qz_x.log_prob(drawn)) - log_prob(prior, drawn)
    standard_error = estimates.std() / np.sqrt(len(estimates))
    # 4 standard errors: a false alarm in 16,000 seeds, and the seed is fixed.
    assert abs(float(prior.kl_divergence(qz_x, drawn)[0]) - expected) <= 4 * standard_error + 1e-5


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
@pytest.mark.parametrize("name", FLOWS)
def test_the_flow_and_its_inverse_are_the_identity(name, latent_dim, rng):
    flow, _ = trained(name, latent_dim)
    epsilon = rng.normal(size=(50, latent_dim)).astype("float32")
    z = array(flow.transform(epsilon))
    assert np.abs(z - epsilon).max() > 0.1
    np.testing.assert_allclose(array(flow.inverse(z)[0]), epsilon, atol=1e-5)


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
@pytest.mark.parametrize("name", FLOWS)
def test_the_flows_log_determinant_is_that_of_autodiffs_jacobian(name, latent_dim, rng):
    flow, _ = trained(name, latent_dim)
    z = keras.Variable(rng.normal(size=(6, latent_dim)).astype("float32"))
    epsilon = value_and_gradients(lambda one: ops.sum(flow.inverse(z.value)[0] * one), [z])
    rows = [epsilon(one)[1][0] for one in np.eye(latent_dim, dtype="float32")]
    _, expected = np.linalg.slogdet(np.stack(rows, axis=1))
    np.testing.assert_allclose(array(flow.inverse(z.value)[1]), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [FlowPrior, FlowMatchingPrior])
def test_the_flow_starts_as_the_identity(kind, rng):
    flow = kind()
    flow.build((None, 5))
    epsilon = rng.normal(size=(9, 5)).astype("float32")
    np.testing.assert_array_equal(array(flow.transform(epsilon)), epsilon)
    np.testing.assert_allclose(log_prob(flow, epsilon), log_prob(StandardNormal(), epsilon))


def test_the_mixture_is_scipys(rng):
    mixture, _ = trained("mixture_of_normals", 3)
    logits, means, log_scales = mixture.get_weights()
    z = rng.normal(size=(7, 1, 3))
    parts = scipy.stats.norm.logpdf(z, means, np.exp(log_scales)).sum(-1)
    expected = scipy.special.logsumexp(parts + scipy.special.log_softmax(logits), axis=1)
    np.testing.assert_allclose(log_prob(mixture, z[:, 0]), expected, rtol=1e-5)


def test_the_vamp_prior_is_the_mean_posterior_of_its_pseudo_inputs(rng):
    vamp, vae = trained("vamp", 3)
    mean, log_var = vae.encode(np.tanh(vamp.get_weights()[0]))
    z = rng.normal(size=(7, 1, 3))
    parts = scipy.stats.norm.logpdf(z, mean, np.exp(log_var / 2)).sum(-1)
    expected = scipy.special.logsumexp(parts, axis=1) - np.log(5)
    np.testing.assert_allclose(log_prob(vamp, z[:, 0]), expected, rtol=1e-5)


def test_each_component_is_drawn_as_often_as_its_weight_says():
    mixture, count = MixtureOfNormals(num_components=4), 50_000
    mixture.build((None, 1))
    weights = np.array([0.1, 0.0, 0.6, 0.3])
    logits = np.log(np.maximum(weights, 1e-30))
    means = np.arange(4.0)[:, None]
    mixture.set_weights([logits, means, np.zeros((4, 1))])
    z = mixture.transform(np.zeros((count, 1), "float32"), noise.component(0, 0, count))
    share = np.mean(array(z) == means[:, 0], axis=0)
    # 4 standard errors, 4 shares: a false alarm in 4,000 seeds, and the seed is fixed.
    assert (np.abs(share - weights) <= 4 * np.sqrt(weights * (1 - weights) / count)).all()


@pytest.mark.parametrize("num_components", [1, 3, 1000])
def test_the_greatest_and_the_least_u_choose_the_last_and_the_first(num_components):
    mixture = MixtureOfNormals(num_components)
    mixture.build((None, 2))
    ends = np.array([2**-24, 1 - 2**-24], "float32")
    z = mixture.transform(np.zeros((2, 2), "float32"), ends)
    np.testing.assert_array_equal(array(z), array(mixture.means)[[0, -1]])


@pytest.mark.parametrize("name", MAKE)
def test_config_round_trip(name):
    prior = MAKE[name]()
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    assert type(copy) is type(prior)
    assert copy.get_config() == prior.get_config()


@pytest.mark.parametrize("name", MAKE)
def test_trains_saves_and_loads(name, digits, tmp_path):
    vae = model(name, 3)
    vae.compile(keras.optimizers.Adam(1e-2))
    before = vae.prior.get_weights()
    history = vae.fit(digits[:128], epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["skipped_steps"] == [0]
    changed = [(a != b).any() for a, b in zip(before, vae.prior.get_weights(), strict=True)]
    assert any(changed) == (name in LEARNED)
    vae.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.sample(9), vae.sample(9))
    np.testing.assert_array_equal(
        loaded.score(digits[:5], 3)["elbo"], vae.score(digits[:5], 3)["elbo"]
    )


@pytest.mark.parametrize("name", LEARNED)
def test_mixed_precision_trains(name, digits):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae = model(name, 3)
        vae.compile("adam")
        history = vae.fit(digits[:128], epochs=1, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"]).all()
    assert {weight.dtype for weight in vae.prior.weights} == {"float32"}


@pytest.mark.parametrize("name", MAKE)
def test_sample_is_the_decoded_prior_in_any_split(name):
    vae = trained(name, 2)[1]
    together = vae.sample(7, seed=4)
    z = draw(vae.prior, 7, 2, seed=4)
    np.testing.assert_allclose(together, vae.decode(z), atol=1e-5)
    alone = np.concatenate([vae.sample(1, seed=4, first=i) for i in range(7)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", ["mixture_of_normals", *FLOWS])
def test_a_prior_of_another_latent_dim_is_refused(name):
    vae = model(name, 2)
    with pytest.raises(ValueError, match="built for latent_dim 2, but the model has latent_dim 3"):
        VAE.from_architecture("mlp", (8, 8, 1), 3, prior=vae.prior)


def test_a_vamp_prior_of_another_encoder_is_refused():
    vae = model("vamp")
    with pytest.raises(ValueError, match="another model's encoder"):
        VAE.from_architecture("mlp", (8, 8, 1), 2, prior=vae.prior)
    assert VAE(vae.encoder, vae.decoder, "normal", vae.prior).prior is vae.prior


@pytest.mark.parametrize(
    "make",
    [
        lambda: MixtureOfNormals(num_components=0),
        lambda: VampPrior(num_components=2.5),
        lambda: FlowPrior(num_layers=0),
        lambda: FlowPrior(units=-1),
        lambda: FlowMatchingPrior(hidden=(16, 0)),
        lambda: FlowMatchingPrior(steps=0),
        lambda: FlowMatchingPrior(inversions=1.5),
    ],
)
def test_sizes_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="must be a whole number >= 1, got"):
        make()


def test_a_prior_that_does_not_fit_into_memory_is_refused_in_one_line():
    with pytest.raises(MemoryError, match=r"prior's weights do not fit into memory.*\d"):
        VAE.from_architecture("mlp", (8, 8, 1), 2, prior=MixtureOfNormals(2**48))


def test_a_prior_of_ones_own_needs_no_build():
    class Shifted(Prior):
        def log_prob(self, z):
            return StandardNormal().log_prob(z - 3)

        def transform(self, epsilon, u):
            return epsilon + 3

    vae = VAE.from_architecture("mlp", (8, 8, 1), 2, prior=Shifted())
    np.testing.assert_allclose(vae.sample(4), vae.decode(3 + noise.latent(0, 0, 4, 2)), atol=1e-6)
