"""vae.score: estimates from exactly the draws asked for, the same whatever way they are batched."""

import gc
import pickle
import weakref

import keras
import numpy as np
import pytest
import scipy.special

import keras_vae
from keras_vae import backend, noise
from keras_vae.distributions import likelihoods
from keras_vae.models import fused_noise, scoring

SCORES = ["elbo", "reconstruction_loss", "kl_loss", "log_likelihood"]


@pytest.fixture(scope="module")
def x(digits):
    return digits[:5]


@pytest.fixture
def vae(make_vae):
    return make_vae()


def as_float64(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def brute_force(vae, x, num_samples, seed):
    """All draws at once, in float64 from the log-densities on."""
    epsilon = noise.draws(seed, np.arange(len(x)), 0, num_samples, vae.latent_dim)
    x, epsilon = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(epsilon)
    qz_x = vae.posterior(x)
    z = qz_x.transform(epsilon)
    log_px_z = vae.likelihood.log_prob(x, vae.x_params(z))
    log_w = log_px_z + vae.prior.log_prob(z) - qz_x.log_prob(z)
    log_px_z, log_w = (as_float64(value) for value in (log_px_z, log_w))
    kl = as_float64(vae.prior.kl_divergence(qz_x, z))
    log_likelihood = scipy.special.logsumexp(log_w, axis=0) - np.log(num_samples)
    scores = (log_px_z.mean(0) - kl, -log_px_z.mean(0), kl, log_likelihood)
    return dict(zip(SCORES, scores, strict=True))


@pytest.mark.parametrize("num_samples", [1, 3, 300])
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_scores_are_their_formulas(vae, x, num_samples, batch_size):
    if num_samples == 300 and batch_size == 1:
        num_samples = 30  # one z at a time is slow
    score = vae.score(x, num_samples, seed=-3, batch_size=batch_size)
    expected = brute_force(vae, x, num_samples, seed=-3)
    assert list(score) == SCORES
    for name in SCORES:
        np.testing.assert_allclose(score[name], expected[name], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_an_example_has_its_score_whatever_stands_beside_it(vae, x, batch_size):
    """And in whatever order: its noise is that of its index."""
    index = np.array([2**33, 0, 2**44 - 1, 7, 12])
    whole = vae.score(x, 20, seed=5, index=index)
    for rows in ([3], [4, 1], [2, 0, 4, 3, 1]):
        part = vae.score(x[rows], 20, seed=5, index=index[rows], batch_size=batch_size)
        for name in SCORES:
            np.testing.assert_allclose(part[name], whole[name][rows], rtol=1e-6)


@pytest.mark.parametrize("batch_size", [7, 256])
def test_with_one_index_for_all_equal_examples_have_equal_scores(vae, x, batch_size):
    scores = vae.score(x[[0, 1, 2, 1, 0]], 20, index=7, batch_size=batch_size)
    alone = vae.score(x[:1], 20, index=[7])
    for name, values in scores.items():
        np.testing.assert_allclose(values[:2], values[[4, 3]], rtol=1e-6)
        np.testing.assert_allclose(values[:1], alone[name], rtol=1e-6)


def test_examples_count_from_0_where_no_index_is_given(vae, x):
    counted, given = vae.score(x, 4), vae.score(x, 4, index=np.arange(len(x), dtype="uint8"))
    for name in SCORES:
        np.testing.assert_array_equal(counted[name], given[name])


def test_examples_and_seeds_have_noise_of_their_own(vae, x):
    twice = vae.score(np.concatenate([x[:1], x[:1]]), 4, seed=0)["elbo"]
    assert twice[0] != twice[1]
    assert vae.score(x[:1], 4, seed=1)["elbo"] != twice[0]


def test_more_draws_raise_the_estimate_and_leave_the_elbo(vae, digits):
    x = digits[:200]
    one, many = vae.score(x, 1), vae.score(x, 50)
    means = [one["elbo"].mean(), one["log_likelihood"].mean(), many["log_likelihood"].mean()]
    assert means[2] > max(means[:2])
    assert (many["log_likelihood"] > many["elbo"]).all()
    gap = many["elbo"] - one["elbo"]
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))  # seeds are fixed


def test_the_elbo_is_minus_the_loss(vae, x):
    epsilon = noise.draws(0, np.arange(len(x)), 0, 1, vae.latent_dim)
    loss = keras.ops.convert_to_numpy(vae.bound(x, epsilon).loss)
    np.testing.assert_allclose(vae.score(x, 1)["elbo"], -loss, rtol=1e-6)


def test_weights_far_below_the_least_float_are_summed(make_vae, x):
    vae = make_vae(likelihood=keras_vae.distributions.Normal(scale=1e-3))  # log p(x|z) about -1e7
    score = vae.score(x, 8)
    assert (score["log_likelihood"] < -1e5).all()
    assert np.isfinite(score["log_likelihood"]).all()


def test_no_examples_have_no_scores(vae, x):
    assert {name: value.shape for name, value in vae.score(x[:0]).items()} == dict.fromkeys(
        SCORES, (0,)
    )


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_no_samples_have_the_shape_of_none(make_vae, architecture):
    vae = make_vae(architecture)
    assert vae.sample(0).shape == (0, 8, 8, 1)
    assert vae.encode(np.zeros((0, 8, 8, 1)))[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 0}, "num_samples must be a whole number from 1 to 2.*31 - 1, got 0"),
        ({"num_samples": 1.5}, "num_samples must be a whole number"),
        ({"num_samples": 2**31}, "num_samples must be a whole number"),
        ({"seed": 2**63}, "seed must be"),
        ({"index": range(4)}, r"index must be one whole number, or 5 of them.* shape \(4,\)"),
        ({"index": np.zeros((5, 1), int)}, r"index must be .*, got shape \(5, 1\)"),
        ({"index": [0, 1, 2, 3, -4]}, "index must be .* from 0 to 2.*44 - 1, got -4"),
        ({"index": 2**44}, "index must be .*, got 17592186044416"),
        ({"index": np.arange(5.0)}, "index must be .*, got dtype float64"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(vae, x, options, message):
    with pytest.raises(ValueError, match=message):
        vae.score(x, **options)


def test_data_that_have_no_score_are_refused(make_vae, x):
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 8, 8, 1\)"):
        make_vae().score(x[..., 0, 0])
    with pytest.raises(ValueError, match="Bernoulli is for binary data"):
        make_vae(likelihood="bernoulli").score(x)


@pytest.mark.parametrize("likelihood", sorted(likelihoods.LIKELIHOODS))
def test_integers_score_as_the_same_numbers(likelihood):
    x = np.eye(4, dtype="int64")[[0, 2, 3]]  # in every support
    vae = keras_vae.VAE.from_architecture("mlp", (4,), 2, likelihood, hidden=(4,), seed=0)
    scores, expected = vae.score(x, 3), vae.score(x.astype("float32"), 3)
    for name in SCORES:
        np.testing.assert_array_equal(scores[name], expected[name])
    np.testing.assert_array_equal(vae.reconstruct(x), vae.reconstruct(x.astype("float32")))


def in_parts(vae, x):
    """Scores in enough batches to be compiled, and in too few where compiling has a price."""
    return vae.score(x, 40, batch_size=5), vae.score(x, 40)


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_a_compiled_score_is_that_of_one_batch(make_vae, x, architecture):
    compiled, whole = in_parts(make_vae(architecture), x)
    for name in SCORES:
        np.testing.assert_allclose(compiled[name], whole[name], rtol=1e-6, atol=1e-5)


def test_what_is_compiled_sees_new_weights_and_parts(vae, make_vae, x):
    before, _ = in_parts(vae, x)
    vae.set_weights([1.1 * w if w.dtype == "float32" else w for w in vae.get_weights()])
    compiled, whole = in_parts(vae, x)
    assert np.abs(compiled["elbo"] - before["elbo"]).min() > 1e-3
    np.testing.assert_allclose(compiled["elbo"], whole["elbo"], rtol=1e-6, atol=1e-5)
    vae.encoder.trainable = False  # the variables stand in another order now
    np.testing.assert_array_equal(in_parts(vae, x)[0]["elbo"], compiled["elbo"])
    vae.likelihood = keras_vae.distributions.Normal(scale=3.0)
    compiled, whole = in_parts(vae, x)
    np.testing.assert_allclose(compiled["elbo"], whole["elbo"], rtol=1e-6, atol=1e-5)


def test_what_is_compiled_sees_a_weight_that_was_added(vae, x):
    before, _ = in_parts(vae, x)
    dense = next(layer for layer in vae.decoder.layers if hasattr(layer, "enable_lora"))
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(keras.ops.ones(dense.lora_kernel_b.shape))
    compiled, whole = in_parts(vae, x)
    assert np.abs(compiled["elbo"] - before["elbo"]).min() > 1e-3
    np.testing.assert_allclose(compiled["elbo"], whole["elbo"], rtol=1e-6, atol=1e-5)


def test_what_is_compiled_goes_with_its_model(make_vae, x, tmp_path):
    vae = make_vae()
    scores, _ = in_parts(vae, x)
    vae.save(tmp_path / "model.keras")
    copy = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(in_parts(copy, x)[0]["elbo"], scores["elbo"])
    gone = weakref.ref(vae)
    del vae
    gc.collect()
    assert gone() is None


def test_many_batches_are_the_rows_of_one(vae, x):
    z = vae.encode(np.repeat(x, 4, axis=0), batch_size=2)[0]
    np.testing.assert_allclose(z[::4], vae.encode(x)[0], rtol=1e-5, atol=1e-6)
    x_hat = vae.sample(33, seed=3, batch_size=4)
    np.testing.assert_allclose(x_hat, vae.sample(33, seed=3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("num_samples", "batch_size"), [(100, 30), (3, 7), (1, 2), (9, 9)])
def test_parts_are_bounded_and_have_two_shapes_at_most(vae, x, num_samples, batch_size):
    parts = vae.densities_in_parts(x, num_samples, batch_size=batch_size)
    shapes = [densities.log_w.shape for _, densities in parts]
    sizes = [draws * examples for draws, examples in shapes]
    assert sum(sizes) == num_samples * len(x)
    assert max(sizes) <= batch_size
    assert len(set(shapes)) <= 2


@pytest.mark.only_on("jax")
@pytest.mark.parametrize("latent_dim", [1, 2, 3, 50])
def test_fused_noise_is_the_same_to_the_bit(latent_dim):
    draws = fused_noise.fastest_draws(fused_noise.WORTH_FUSING)
    assert draws is not noise.draws
    assert fused_noise.fastest_draws(0) is noise.draws
    arguments = (-5, [2**33, 2**44 - 1, 0], 2**31 - 7, 6, latent_dim)
    fused = keras.ops.convert_to_numpy(draws(*arguments))
    np.testing.assert_array_equal(fused.view("uint32"), noise.draws(*arguments).view("uint32"))


@pytest.mark.only_on("jax")
@pytest.mark.parametrize("batch_size", [13, None])
def test_scores_are_the_same_by_fused_noise(vae, x, monkeypatch, batch_size):
    request = {"num_samples": 30, "seed": 4, "index": [7, 2, 2**33, 0, 2], "batch_size": batch_size}
    expected = vae.score(x, **request)
    monkeypatch.setattr(fused_noise, "WORTH_FUSING", 0)
    for name, values in vae.score(x, **request).items():
        np.testing.assert_array_equal(values, expected[name])


def test_how_much_is_decoded_at_once_is_said_by_the_largest_layer(x):
    """Layers of several outputs, of unknown sizes, and in models within the decoder count too."""
    layers = keras.layers

    def at_once(body):
        z = keras.Input((2,))
        h = layers.Dense(64)(layers.Flatten()(body(z)))
        return scoring.rows_at_once(keras.Model(z, h))

    wide = keras.Sequential([keras.Input((2,)), layers.Dense(2**16), layers.Dense(4)])
    states = layers.GRU(4, return_state=True)
    assert at_once(wide) == backend.LIMITS.values // 2**16
    assert at_once(lambda z: states(layers.Reshape((2, 1))(z))[1]) == backend.LIMITS.rows
    assert at_once(lambda z: layers.Dense(2**20)(z)[:, :4]) == backend.LIMITS.values // 2**20


def test_the_last_index_is_sampled_and_scored_and_the_next_is_refused(vae, x):
    """Its noise is that of the specification; tests/export has the same law of a bundle."""
    last = 2**44 - 1
    z, epsilon = noise.latent(1, last, 1, 3), noise.draws(1, [last], 0, 4, 3)
    np.testing.assert_allclose(vae.sample(1, seed=1, first=last), vae.decode(z), atol=1e-6)
    bound = vae.bound(x[:1], epsilon)
    elbo = -keras.ops.convert_to_numpy(bound.reconstruction_loss + bound.kl_loss)
    np.testing.assert_allclose(vae.score(x[:1], 4, 1, index=last)["elbo"], elbo, rtol=1e-5)
    with pytest.raises(ValueError, match=r"first . count must be at most"):
        vae.sample(2, first=last)
    with pytest.raises(ValueError, match=r"index must be .*, got 17592186044416"):
        vae.score(x[:2], 4, index=[last, last + 1])


@pytest.mark.parametrize("name", ["continuous_bernoulli", "normal"])
def test_terms_by_element_are_those_of_the_reconstruction_and_of_the_index(make_vae, x, name):
    vae = make_vae(likelihood=name)
    index = np.arange(len(x))[::-1]
    terms = vae.element_log_prob(x, 20, seed=5, index=index)
    assert terms.shape == x.shape
    expected = -vae.score(x, 20, seed=5, index=index)["reconstruction_loss"]
    np.testing.assert_allclose(terms.sum(axis=(1, 2, 3)), expected, rtol=1e-5)
    alone = vae.element_log_prob(x[2:3], 20, seed=5, index=[index[2]], batch_size=3)
    np.testing.assert_allclose(alone[0], terms[2], rtol=1e-5, atol=1e-6)
    assert vae.element_log_prob(x[:0]).shape == (0, *x.shape[1:])
    strange = x.copy()
    strange[4, 3, 2] = 1 - strange[4, 3, 2]
    other = vae.element_log_prob(strange, 200) - vae.element_log_prob(x, 200)
    assert np.abs(other[4]).argmax() == 3 * 8 + 2
    with pytest.raises(ValueError, match="num_samples must be"):
        vae.element_log_prob(x, 0)
