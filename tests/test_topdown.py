"""Laws of a hierarchy of latents: what holds of one level holds of several."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_vae import VAE, noise
from keras_vae.evaluation import PosteriorCollapse, latent_use, mutual_information, report
from keras_vae.models import chunks, load_model
from keras_vae.objectives import ELBO, IWAE
from keras_vae.schedules import KLWarmup

SHAPE = (12, 9, 1)
SMALL = {"width": 4, "num_groups": (2, 1)}


def shaken(vae, scale=0.3, seed=0):
    """The model with other weights, so that no layer is the zero that it begins as."""
    rng = np.random.default_rng(seed)
    vae.set_weights(
        [w + scale * rng.normal(size=w.shape).astype(w.dtype) for w in vae.get_weights()]
    )
    return vae


def near_the_prior(vae, scale=0.1):
    """The model with posteriors that are near the priors, as importance sampling wants them."""
    for group in vae.levels.middle:
        last = group.merged.layers[-1]
        last.set_weights([scale * w for w in last.get_weights()])
    return vae


def images_of(**options):
    options = {"likelihood": "bernoulli", "seed": 0, **SMALL, **options}
    return shaken(VAE.from_architecture("topdown", SHAPE, 1, **options), 0.1)


def vectors_of(dim, size=1, groups=2, **options):
    options = {"seed": 0, "num_groups": (groups,), "width": 8, **options}
    return VAE.from_architecture("topdown_mlp", (dim,), size, **options)


@pytest.fixture(scope="module")
def images():
    return images_of()


@pytest.fixture(scope="module")
def x():
    return (np.random.default_rng(1).random((6, *SHAPE)) < 0.4).astype("float32")


def test_z_is_the_groups_one_after_the_other(images, x):
    assert images.groups == {"z_1": (6, 5, 1), "z_2": (6, 5, 1), "z_3": (12, 9, 1)}
    assert images.latent_dim == 2 * 30 + 108
    z_mean, z_log_var = images.encode(x)
    assert z_mean.shape == z_log_var.shape == (6, 168)


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 1, 2), (9, 31, 3)])
def test_any_size_of_image_will_do(shape):
    vae = VAE.from_architecture("topdown", shape, 2, "normal", width=4)
    assert len(vae.groups) == (2 if max(shape) <= 8 else 3)
    assert vae.sample(2).shape == (2, *shape)


def test_at_first_the_posterior_is_the_prior(x):
    vae = VAE.from_architecture("topdown", SHAPE, 1, "bernoulli", seed=0, **SMALL)
    assert not any(np.any(h) for h in vae.encode(x))


def test_a_group_depends_on_those_above_alone(images, x):
    """Another z of a group changes the parameters of those below it, and of no other."""
    epsilon = noise.latent(0, 0, len(x), images.latent_dim)[None]
    features = images.posterior(x)
    means = [ops.convert_to_numpy(images.draw(features, epsilon).qz_x.mean)]
    epsilon[..., 35] += 1  # in the second group
    means.append(ops.convert_to_numpy(images.draw(features, epsilon).qz_x.mean))
    changed = np.any(means[0] != means[1], axis=(0, 1))
    assert not changed[:60].any()
    assert changed[60:].any()


def test_the_way_down_ends_where_the_decoder_does(images, x):
    epsilon = noise.draws(0, np.arange(len(x)), 0, 3, images.latent_dim)
    drawn = images.draw(images.posterior(x), epsilon)
    known = ops.convert_to_numpy(drawn.decode(drawn.z, False, None))
    decoded = ops.convert_to_numpy(images.x_params(drawn.z))
    np.testing.assert_allclose(known, decoded, rtol=1e-4, atol=1e-4)


def test_the_bounds_and_quadrature_agree():
    """ELBO ≤ IWAE of more draws ≤ log p(x), which a sum over a grid of both latents gives."""
    vae = near_the_prior(shaken(vectors_of(6, likelihood="bernoulli")))
    x = (np.random.default_rng(0).random((4, 6)) < 0.5).astype("float32")
    axis = np.linspace(-7, 7, 141)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype("float32")
    x_params = ops.convert_to_numpy(vae.x_params(z))
    log_px_z = x @ x_params.T - np.logaddexp(0, x_params).sum(axis=1)
    log_pz = -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi)
    exact = np.logaddexp.reduce(log_px_z + log_pz, axis=1) + 2 * np.log(axis[1] - axis[0])
    scores = {k: vae.score(x, k, seed=3) for k in (1, 20_000)}
    elbo, iwae = scores[20_000]["elbo"], scores[20_000]["log_likelihood"]
    assert (elbo < iwae).all()
    np.testing.assert_allclose(iwae, exact, atol=0.02)  # error of the draws below 0.005


def test_a_linear_hierarchy_has_the_exact_likelihood():
    """With linear layers p(x) is a normal, whose mean and covariance the decoder tells."""
    vae = vectors_of(5, size=2, activation="linear", likelihood="normal")
    near_the_prior(shaken(vae, 0.2), 0.02)
    for group in vae.levels.middle:
        last = group.prior.layers[-1]  # mean, log-scale, what is added: the scale stays 1
        kernel, bias = map(np.array, last.get_weights())
        kernel[:, 2:4], bias[2:4] = 0, 0
        last.set_weights([kernel, bias])
    (scale,) = vae.likelihood.weights[:1]
    scale.assign(np.log(0.7))
    basis = np.concatenate([np.zeros((1, 4)), np.eye(4)]).astype("float32")
    x_mean = ops.convert_to_numpy(vae.x_params(basis)).astype("float64")
    offset, slope = x_mean[0], x_mean[1:] - x_mean[0]
    covariance = slope.T @ slope + 0.49 * np.eye(5)
    x = np.random.default_rng(0).multivariate_normal(offset, covariance, size=8)
    residual = x - offset
    exact = -0.5 * (
        np.einsum("bi,ij,bj->b", residual, np.linalg.inv(covariance), residual)
        + np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    found = vae.score(x.astype("float32"), 40_000)["log_likelihood"]
    np.testing.assert_allclose(found, exact, atol=0.1)


def test_the_kl_divergence_is_the_sum_of_those_of_the_groups(images, x):
    epsilon = noise.draws(0, np.arange(len(x)), 0, 400, images.latent_dim)
    drawn = images.draw(images.posterior(x), epsilon)
    densities, _ = images.densities(x, drawn.qz_x, drawn.z)
    terms = ops.convert_to_numpy(densities.kl_terms)
    assert terms.shape == (len(x), 3)
    assert (terms > 0).all()
    estimate = ops.convert_to_numpy(densities.log_qz_x - densities.log_pz)
    error = estimate.std(axis=0) / np.sqrt(400)
    assert (abs(estimate.mean(axis=0) - terms.sum(axis=1)) < 5 * error).all()


def test_scores_are_the_same_for_any_batch_size(images, x):
    whole, parts = (images.score(x, 10, batch_size=size) for size in (None, 7))
    for name, values in whole.items():
        np.testing.assert_allclose(values, parts[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("objective", ["elbo", "iwae", "sticking_the_landing", "free_bits"])
def test_it_trains(objective, x):
    made = {
        "elbo": ELBO(),
        "iwae": IWAE(num_samples=3),
        "sticking_the_landing": ELBO(estimator="sticking_the_landing"),
        "free_bits": ELBO(free_bits=0.1),
    }[objective]
    vae = VAE.from_architecture(
        "topdown_mlp", SHAPE, 2, "bernoulli", objective=made, seed=0, width=16
    )
    vae.compile(optimizer=keras.optimizers.Adam(1e-2))
    loss = vae.fit(np.tile(x, (8, 1, 1, 1)), epochs=15, batch_size=16, verbose=0).history["loss"]
    assert loss[-1] < 0.8 * loss[0]


def test_many_draws_are_taken_in_chunks(x):
    """Value and gradient of 70 draws, more than are decoded at once, are those of all."""
    vae = shaken(vectors_of(6, likelihood="bernoulli", objective=IWAE(num_samples=70)))
    rows = x.reshape(6, -1)[:, :6]
    epsilon = noise.draws(0, np.arange(6), 0, 70, 2)
    chunked = ops.convert_to_numpy(vae.bound(rows, epsilon).loss)
    most, chunks.MAX_DRAWS = chunks.MAX_DRAWS, 100
    try:
        whole = ops.convert_to_numpy(vae.bound(rows, epsilon).loss)
    finally:
        chunks.MAX_DRAWS = most
    np.testing.assert_allclose(chunked, whole, rtol=1e-5)


def test_it_is_saved_with_its_groups(images, x, tmp_path):
    images.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.groups == images.groups
    np.testing.assert_array_equal(loaded.sample(3, seed=1), images.sample(3, seed=1))
    np.testing.assert_array_equal(loaded.encode(x)[0], images.encode(x)[0])


def test_a_label_is_given_to_the_decoder(x):
    vae = VAE.from_architecture("topdown_mlp", SHAPE, 1, "bernoulli", width=8, num_classes=3)
    y = np.arange(6) % 3
    vae.compile(optimizer="adam")
    vae.fit(x, y, epochs=1, verbose=0)
    assert vae.sample(2, label=1).shape == (2, *SHAPE)
    first, second = (vae.score(x, 5, label=label)["reconstruction_loss"] for label in (0, 1))
    assert not np.allclose(first, second)


def test_the_use_of_the_latents_is_told_by_group(images, x):
    use = latent_use(images, x)
    assert list(use.kl_by_group) == ["z_1", "z_2", "z_3"]
    np.testing.assert_allclose(sum(use.kl_by_group.values()), use.kl.sum(), rtol=1e-6)
    assert "z_3" in str(use)
    told = report(images, x, num_samples=5).to_json()
    assert set(told["latent"]["kl_by_group"]) == {"z_1", "z_2", "z_3"}
    json.dumps(told)


def test_collapse_is_seen_by_group():
    vae = vectors_of(4, likelihood="normal")
    vae.compile(optimizer=keras.optimizers.SGD(0.0))  # so that the posterior stays the prior
    x = np.zeros((32, 4), "float32")
    watch = PosteriorCollapse(x, patience=1)
    with pytest.warns(UserWarning, match="posterior has collapsed"):
        history = vae.fit(x, epochs=1, callbacks=[watch], verbose=0).history
    assert {"kl_z_1", "kl_z_2"} <= history.keys()


def test_what_needs_one_level_is_refused(images, x):
    iwae = IWAE(estimator="doubly_reparameterized")
    with pytest.raises(ValueError, match="one level of latents"):
        images.objective = iwae
    with pytest.raises(ValueError, match="VampPrior"):
        images_of(prior="vamp")
    with pytest.raises(ValueError, match="one level of latents"):
        mutual_information(images, x)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_groups": (1, 1, 1, 1)}, "at most 2 sizes, those of this example being 6x5, 12x9"),
        ({"num_groups": (0, 0)}, "at least one group"),
        ({"num_groups": (-1, 2)}, "such as"),
        ({"num_groups": "2"}, "such as"),
        ({"width": 0}, "width must be a whole number"),
        ({"posterior": "full_normal"}, "posterior"),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(ValueError, match=words):
        VAE.from_architecture("topdown", SHAPE, 1, "bernoulli", **{**SMALL, **options})


def test_an_encoder_of_other_shapes_is_refused():
    vae, other = (images_of(width=width) for width in (4, 8))
    with pytest.raises(ValueError, match="output 0 of the encoder must have the shape"):
        VAE(other.encoder, vae.decoder, "bernoulli")


@pytest.mark.parametrize("given", [None, "another", "none"])
def test_a_first_fit_warms_the_divergence_up_and_no_other_does(given, x):
    vae = VAE.from_architecture("topdown_mlp", SHAPE, 2, "bernoulli", width=8, seed=0)
    vae.compile("adam")
    if given == "none":
        vae.levels.warmup_epochs = 0
    callbacks = [KLWarmup(2)] if given == "another" else []
    first = vae.fit(x, epochs=2, verbose=0, callbacks=callbacks).history
    assert ("kl_weight" in first) == (given != "none")
    if given != "none":
        assert first["kl_weight"][-1] < (0.6 if given is None else 1.1)
        assert first["kl_weight"] == sorted(first["kl_weight"])
    assert "kl_weight" not in vae.fit(x, epochs=1, verbose=0).history
    assert float(vae.kl_weight) == 1.0


def test_a_model_that_was_loaded_remembers_that_it_was_trained(x, tmp_path):
    vae = VAE.from_architecture("topdown_mlp", SHAPE, 2, "bernoulli", width=8, seed=0)
    vae.compile("adam")
    vae.fit(x, epochs=1, verbose=0)
    vae.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    loaded.compile("adam")
    assert "kl_weight" not in loaded.fit(x, epochs=1, verbose=0).history
