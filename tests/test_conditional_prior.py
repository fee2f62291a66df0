"""p(z|y): flow matching in a conditional model has a density for each label."""

import keras
import numpy as np
import pytest
import scipy.special
from keras import ops

from keras_vae import VAE, evaluation, fit_prior
from keras_vae.distributions import Column, FlowMatchingPrior
from tests.tensors import array, drawn

KINDS = np.array([[-2.0, -2.0, -2.0, -2.0], [2.0, 2.0, 2.0, 2.0]], "float32")


def two_kinds(count=400):
    """Vectors of two kinds, and which each is of."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=count)
    return (KINDS[y] + rng.normal(0, 0.3, (count, 4))).astype("float32"), y


def model(latent_dim=2, prior=None, **options):
    prior = prior or FlowMatchingPrior((8,), steps=4, inversions=24)
    options = {"hidden": (8,), **(options or {"num_classes": 2})}
    return VAE.from_architecture("mlp", (4,), latent_dim, "normal", prior, seed=3, **options)


@pytest.fixture(scope="module")
def fitted():
    """A prior fitted to posteriors that lie in two places, far apart, one for each label."""
    vae = model(prior="standard_normal", num_classes=2, hidden=())
    vae.encoder.get_layer("z_mean").kernel.assign(np.full((4, 2), 0.25))
    vae.encoder.get_layer("z_log_var").kernel.assign(np.zeros((4, 2)))
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(2, -3.0))
    x, y = two_kinds()
    prior = FlowMatchingPrior((32,), steps=8)
    return fit_prior(vae, x, prior, 40, 50, 5e-3, label=y, verbose=0)


def scattered(vae, rng, spread=0.2):
    """The model, with a prior whose weights, those of the labels too, are random."""
    for weight in vae.prior.trainable_weights:
        weight.assign(array(weight) + rng.normal(0, spread, weight.shape))
    return vae


def encoded(vae, label):
    return vae.labels.encoded(ops.convert_to_tensor(label))


def test_each_label_gets_draws_where_its_examples_lie(fitted):
    for label, middle in ((0, -2.0), (1, 2.0)):
        epsilon = np.random.default_rng(1).standard_normal((500, 2), "float32")
        pz = fitted.prior.given(encoded(fitted, [label] * 500))
        z = array(pz.transform(epsilon))
        assert (np.abs(z - middle) < 1.5).mean() > 0.97
        np.testing.assert_allclose(array(pz.inverse(z)[0]), epsilon, atol=1e-3)


def test_the_density_of_each_label_integrates_to_one(fitted):
    axis = np.linspace(-5, 5, 161, dtype="float32")
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    for label in (0, 1):
        pz = fitted.prior.given(encoded(fitted, [label] * len(z)))
        mass = np.exp(array(pz.log_prob(z)).astype("float64")).sum() * (axis[1] - axis[0]) ** 2
        assert mass == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_the_estimate_is_the_integral_given_the_label(latent_dim, rng):
    """At 4.5 standard errors, of 6 examples: one false alarm in 12,000 seeds."""
    vae = scattered(model(latent_dim), rng)
    vae.encoder.get_layer("z_log_var").bias.assign([0.4] * latent_dim)
    label = np.arange(6) % 2
    z = rng.normal(size=(6, latent_dim)).astype("float32")
    x = drawn(vae.likelihood, vae.x_params(z, label=encoded(vae, label)), seed=1)
    found = evaluation.importance_sample(vae, x, num_samples=4000, label=label)
    axis = np.linspace(-8, 8, 161, dtype="float32")
    grid = np.stack(np.meshgrid(*[axis] * latent_dim), -1).reshape(-1, 1, latent_dim)
    grid = np.broadcast_to(grid, (len(grid), 6, latent_dim))
    log_px_z = vae.likelihood.log_prob(x, vae.x_params(grid, label=encoded(vae, label)))
    log_p = array(log_px_z + vae.prior.given(encoded(vae, label)).log_prob(grid)).astype("float64")
    log_px = scipy.special.logsumexp(log_p, axis=0) + latent_dim * np.log(axis[1] - axis[0])
    error = np.abs(found.log_likelihood - log_px)
    assert (error < 4.5 * found.monte_carlo_error + 1e-3).all()


def test_a_score_is_that_of_its_own_label(rng):
    vae = scattered(model(), rng)
    x, y = two_kinds(8)
    whole = vae.score(x, label=y, index=0)["elbo"]
    for label in (0, 1):
        alone = vae.score(x, label=label, index=0)["elbo"]
        np.testing.assert_allclose(whole[y == label], alone[y == label], rtol=1e-5)
        assert not np.allclose(whole[y != label], alone[y != label], rtol=1e-3)


def test_fit_trains_what_the_labels_add(rng):
    vae = scattered(model(), rng)
    before = [array(weight) for weight in vae.prior.field.labels]
    vae.compile("adam")
    history = vae.fit(*two_kinds(64), batch_size=32, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["skipped_steps"] == [0, 0] if "skipped_steps" in history else True
    for weight, was in zip(vae.prior.field.labels, before, strict=True):
        assert not np.allclose(array(weight), was)


def test_it_is_saved_with_its_labels(fitted, tmp_path):
    fitted.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    x, y = two_kinds(9)
    for label in (0, 1):
        np.testing.assert_array_equal(loaded.sample(9, label=label), fitted.sample(9, label=label))
    np.testing.assert_array_equal(
        loaded.score(x, label=y)["elbo"], fitted.score(x, label=y)["elbo"]
    )


def test_several_covariates_are_one_label(rng):
    covariates = [
        Column("sex", "category", categories=("f", "m")),
        Column("age", "number", mean=40.0, scale=10.0),
    ]
    vae = scattered(model(covariates=covariates), rng)
    assert vae.prior.label_width == 3
    one, other = (vae.sample(4, label={"sex": "f", "age": age}) for age in (20, 60))
    assert not np.allclose(one, other)


def test_labels_are_asked_for_and_must_be_those_of_the_model(fitted):
    x, y = two_kinds(9)
    with pytest.raises(ValueError, match="this model needs a label: give label, from 0 to 1"):
        fit_prior(fitted, x, "flow_matching", 1)
    with pytest.raises(ValueError, match="label"):
        fit_prior(fitted, x, "flow_matching", 1, label=y + 1)
    with pytest.raises(ValueError, match=r"ask prior.given\(label\)"):
        fitted.prior.log_prob(np.zeros((1, 2), "float32"))
    with pytest.raises(ValueError, match=r"was built for labels of 2 numbers, .* have 3"):
        model(num_classes=3, prior=fitted.prior)
    vae = VAE.from_architecture("mlp", (4,), 2, "normal", hidden=())
    with pytest.raises(ValueError, match="knows none"):
        fit_prior(vae, x, "flow_matching", 1, label=y)
