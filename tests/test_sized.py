"""Laws of counts given their total: scipy's numbers, what does not matter, draws, the export."""

import json

import keras
import numpy as np
import pytest
import scipy.stats
from scipy import sparse

import keras_vae
from export.runtime import OnnxVAE
from keras_vae import evaluation, noise
from keras_vae.distributions import SizedCounts, Transformed, likelihoods
from keras_vae.distributions.sized import COUNTS
from tests.tensors import array, value_and_gradients

NAMES = sorted(COUNTS)
D = 6


def raw_of(name, rng, *shape):
    return rng.normal(size=(*shape, likelihoods.get(name).num_params(D))).astype("float32")


def with_means(name, raw, total):
    """The raw parameters of the counts alone, whose means are total times softmax, in float64."""
    logits, *others = np.split(raw.astype("float64"), likelihoods.get(name).params_per_element, -1)
    return np.concatenate([np.log(total) + scipy.special.log_softmax(logits, -1), *others], -1)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_likelihood_of_the_counts_with_the_mean_of_the_total(name, rng):
    x = rng.poisson(4, (5, D)).astype("float32")
    raw = raw_of(name, rng, 3, 5)
    inner = with_means(name, raw, x.sum(-1, keepdims=True)).astype("float32")
    expected = array(likelihoods.get(name).element_log_prob(x, inner))
    sized = SizedCounts(name, 3.0, 1.0)
    np.testing.assert_allclose(array(sized.element_log_prob(x, raw)), expected, rtol=2e-4)
    np.testing.assert_allclose(array(sized.log_prob(x, raw)), expected.sum(-1), rtol=1e-5)
    at_median = with_means(name, raw, np.exp(3.0)).astype("float32")
    mean = array(likelihoods.get(name).mean(at_median))
    np.testing.assert_allclose(array(sized.mean(raw)), mean, rtol=1e-5)


def test_it_is_scipys(rng):
    x, raw = rng.poisson(4, (5, D)).astype("float32"), raw_of("negative_binomial", rng, 5)
    mean, r = np.exp(np.split(with_means("negative_binomial", raw, x.sum(-1)[:, None]), 2, -1))
    expected = scipy.stats.nbinom.logpmf(x, r, r / (r + mean)).sum(-1)
    np.testing.assert_allclose(array(SizedCounts().log_prob(x, raw)), expected, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_added_to_all_logits_and_how_much_was_measured_do_not_matter(name, rng):
    x, raw, sized = (
        rng.poisson(4, (5, D)).astype("float32"),
        raw_of(name, rng, 5),
        SizedCounts(name),
    )
    shifted = raw + np.where(np.arange(raw.shape[-1]) < D, 5.0, 0.0).astype("float32")
    expected = array(sized.log_prob(x, raw))
    np.testing.assert_allclose(array(sized.log_prob(x, shifted)), expected, rtol=1e-4)
    # Ten times the counts are the same features: the shares are.
    np.testing.assert_allclose(array(sized.features(10 * x)), array(sized.features(x)), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_of_zeros_is_certain_and_its_gradient_is_zero(name, rng):
    x, sized = np.zeros((2, D), "float32"), SizedCounts(name)
    raw = keras.Variable(raw_of(name, rng, 2))
    value, (gradient,) = value_and_gradients(
        lambda x: keras.ops.sum(sized.log_prob(x, keras.ops.convert_to_tensor(raw))), [raw]
    )(x)
    assert float(value) == 0
    assert not array(gradient).any()
    assert not array(sized.features(x)).any()


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_totals_of_the_data_and_the_shares_of_the_model(name):
    count, raw = 4000, np.zeros((1, likelihoods.get(name).num_params(D)), "float32")
    raw[0, :D] = np.log([0.3, 0.3, 0.2, 0.1, 0.06, 0.04])
    raw[0, D:] = 8.0 if name == "negative_binomial" else -8.0  # counts nearly Poisson, few lost
    if name == "zero_inflated_negative_binomial":
        raw[0, D : 2 * D] = 8.0
    sized = SizedCounts(name, np.log(2000.0), 0.5)
    u = noise.event(0, 0, count, sized.noise_shape((D,)))
    x = array(sized.draw(np.repeat(raw, count, axis=0), u))
    logs = np.log(x.sum(-1))
    assert scipy.stats.kstest(logs, "norm", (np.log(2000.0), 0.5)).pvalue > 1e-3
    np.testing.assert_allclose(
        (x / x.sum(-1, keepdims=True)).mean(0), np.exp(raw[0, :D]), rtol=0.02
    )
    again = array(sized.draw(np.repeat(raw, 2, axis=0)[None], u[None, :2]))
    np.testing.assert_array_equal(again[0], x[:2])


def test_of_finds_the_totals_of_arrays_and_sparse_rows(rng):
    x = rng.poisson(4, (50, D))
    x[3] = 0
    logs = np.log(x.sum(1)[x.sum(1) > 0])
    for form in (x, x.astype("float32"), sparse.csr_array(x), sparse.coo_matrix(x)):
        config = SizedCounts.of("poisson", form).get_config()
        assert config["log_total_mean"] == pytest.approx(logs.mean(), rel=1e-6)
        assert config["log_total_deviation"] == pytest.approx(logs.std(), rel=1e-6)
        assert SizedCounts.from_config(config).get_config() == config
        assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SizedCounts("normal"), "likelihood with a size factor.*normal"),
        (lambda: SizedCounts(log_total_deviation=-1.0), "at least 0, got -1.0"),
        (lambda: SizedCounts(log_total_mean=np.inf), "finite number, got inf"),
        (lambda: SizedCounts.of("poisson", np.zeros((3, 2))), "zeros alone"),
        (lambda: vae_of(SizedCounts(), (8, 8, 1)), r"vectors of counts.*\(8, 8, 1\): flatten"),
        (lambda: SizedCounts().check(np.array([[0.0, 0.5]])), r"counts.*0\.5.*as they are"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def vae_of(likelihood, shape=(D,), **options):
    return keras_vae.VAE.from_architecture("mlp", shape, 2, likelihood, seed=0, **options)


def simulated(rng, count, columns=40, median=200.0, deviation=0.7):
    """Counts of two kinds of cells, of any total, and the log-totals."""
    profiles = rng.normal(0, 1, (2, columns))[rng.integers(2, size=count)]
    shares = scipy.special.softmax(profiles, -1)
    total = median * np.exp(rng.normal(0, deviation, (count, 1)))
    x = rng.poisson(rng.gamma(5, total * shares / 5)).astype("float32")
    return x, np.log(np.maximum(x.sum(1), 1))


def explained(z, target):
    """The share of the variance of `target` that is linear in z."""
    design = np.c_[z, np.ones(len(z))]
    residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    return 1 - residual.var() / target.var()


def test_z_tells_the_total_only_where_the_likelihood_is_not_given_it():
    x, log_total = simulated(np.random.default_rng(0), 1500)
    told = {}
    for likelihood in ("negative_binomial", SizedCounts.of("negative_binomial", x)):
        vae = keras_vae.VAE.from_architecture("mlp", (40,), 3, likelihood, seed=0)
        vae.compile(keras.optimizers.Adam(3e-3))
        vae.fit(x, epochs=15, batch_size=64, verbose=0)
        told[type(vae.likelihood).__name__] = explained(vae.encode(x)[0], log_total)
    assert told["NegativeBinomial"] > 0.7
    assert told["SizedCounts"] < 0.2


@pytest.mark.only_on("tensorflow")
@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_agrees(name, rng, tmp_path):
    x, _ = simulated(rng, 20, columns=5)
    x[0] = 0
    vae = vae_of(SizedCounts.of(name, x), (5,))
    vae.export(tmp_path / "bundle")
    onnx = OnnxVAE(tmp_path / "bundle")
    expected, found = (model.score(x, num_samples=7, seed=3) for model in (vae, onnx))
    for score in expected:
        np.testing.assert_allclose(found[score], expected[score], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(onnx.sample(9, seed=5), vae.sample(9, seed=5), rtol=1e-4)
    drawn = onnx.sample(9, seed=5, mean=False)
    assert (drawn == vae.sample(9, seed=5, mean=False)).mean() > 0.95
    likelihood = evaluation.likelihood_of(onnx)
    assert likelihood.get_config()["likelihood"] == name
    assert evaluation.bits.entries_of(onnx) is None  # of x given its total
    assert "given their total" in evaluation.comparison.measure(onnx)


def test_it_is_saved_and_may_be_of_another_unit(rng, tmp_path):
    x, _ = simulated(rng, 20, columns=D)
    vae = vae_of(SizedCounts.of("poisson", x), preprocessing=keras.layers.Rescaling(0.5))
    assert isinstance(vae.likelihood, Transformed)
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    score = vae.score(2 * x, num_samples=3)["elbo"]
    np.testing.assert_allclose(again.score(2 * x, num_samples=3)["elbo"], score, rtol=1e-6)
    plain = vae_of(SizedCounts.of("poisson", x))
    np.testing.assert_allclose(plain.score(x, num_samples=3)["elbo"], score, rtol=1e-4)
