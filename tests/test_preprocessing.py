"""A model with `preprocessing` is the same model, in the data's own unit."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import keras_vae
from keras_vae import VAE, cli
from keras_vae.distributions import Transformed, VampPrior, likelihoods
from tests.tensors import array

PIXELS = ["bernoulli", "continuous_bernoulli", "discretized_logistic", "normal"]
MEAN, DEVIATION = np.array([1.7, 65.0, 0.0]), np.array([0.1, 12.0, 1e4])


def adapted(x):
    layer = layers.Normalization()
    layer.adapt(x)
    return layer


def build(name, preprocessing=None, shape=(8, 8, 1), **options):
    return keras_vae.VAE.from_architecture(
        "mlp", shape, 2, name, seed=0, hidden=(16,), preprocessing=preprocessing, **options
    )


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (40, 8, 8, 1)).astype("float32")


@pytest.fixture
def columns(rng):
    return (MEAN + DEVIATION * rng.normal(size=(200, 3))).astype("float32")


@pytest.mark.parametrize("name", PIXELS)
def test_a_model_of_pixels_is_that_of_scaled_ones(name, pixels):
    """Nats of a density fall by the logarithm of the unit; a probability stays as it is."""
    x = 255 * (pixels > 100) if name == "bernoulli" else pixels
    raw, scaled = build(name, layers.Rescaling(1 / 255)), build(name)
    scores, expected = raw.score(x, 20), scaled.score(x / 255, 20)
    shift = 64 * math.log(255) if name in ("continuous_bernoulli", "normal") else 0
    np.testing.assert_allclose(scores["elbo"], expected["elbo"] - shift, rtol=1e-5)
    np.testing.assert_allclose(scores["kl_loss"], expected["kl_loss"], rtol=1e-4)
    np.testing.assert_allclose(raw.encode(x)[0], scaled.encode(x / 255)[0], atol=1e-5)
    for mean in (True, False):
        drawn, other = (vae.sample(9, seed=3, mean=mean) for vae in (raw, scaled))
        np.testing.assert_allclose(drawn, 255 * other, rtol=1e-5, atol=1e-3)
    if name in ("bernoulli", "discretized_logistic"):
        np.testing.assert_array_equal(drawn, np.round(drawn))


def test_columns_in_their_units_are_scored_in_them(columns):
    layer = adapted(columns)
    raw, scaled = build("normal", layer, (3,)), build("normal", None, (3,))
    y = array(layer(columns))
    shift = np.log(columns.std(axis=0, dtype="float64")).sum()
    found, expected = raw.score(columns, 20)["elbo"], scaled.score(y, 20)["elbo"]
    np.testing.assert_allclose(found, expected - shift, rtol=1e-4)
    np.testing.assert_allclose(raw.reconstruct(columns), raw.predict(columns, verbose=0), rtol=1e-5)


def test_it_trains_and_is_saved_as_part_of_the_model(columns, tmp_path):
    vae = build("normal", adapted(columns), (3,))
    vae.compile(optimizer=keras.optimizers.Adam(0.01))
    losses = vae.fit(columns, epochs=60, verbose=0).history["loss"]
    entropy = (np.log(DEVIATION) + 0.5 * math.log(2 * math.pi * math.e)).sum()
    assert losses[-1] == pytest.approx(entropy, abs=0.5)  # of the data, in metres and kilograms
    vae.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for mean in (True, False):
        np.testing.assert_array_equal(loaded.sample(9, mean=mean), vae.sample(9, mean=mean))
    np.testing.assert_allclose(loaded.score(columns, 5)["elbo"], vae.score(columns, 5)["elbo"])


def test_augment_sees_x_as_the_model_does(pixels):
    vae = build("bernoulli", layers.Rescaling(1 / 255), augment="binarize")
    vae.compile(optimizer="adam")
    history = vae.fit(pixels.astype("uint8"), epochs=2, verbose=0).history
    assert history["skipped_steps"] == [0, 0]
    x, *_ = vae.augmented((pixels,))
    assert set(np.unique(array(x))) == {0.0, 255.0}
    assert array(x).mean() == pytest.approx(pixels.mean(), rel=0.05)
    with pytest.raises(ValueError, match="validation_data are not augmented"):
        vae.fit(pixels, validation_data=(pixels,), verbose=0)


@pytest.mark.parametrize("scale", [255.0, 3.0, 0.1, -7.0, 1e6])
def test_binary_data_of_any_two_numbers_are_binary(scale, pixels):
    x = 5 + scale * (pixels > 100)
    vae = build("bernoulli", layers.Rescaling(1 / scale, offset=-5 / scale))
    assert np.isfinite(vae.score(x.astype("float32"), 3)["elbo"]).all()


def test_layers_one_after_the_other_are_one_map(columns):
    first, second = adapted(columns), layers.Rescaling(0.5, offset=3.0)
    third = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 9.0, 16.0], invert=True)
    given = [first, second, third]
    for preprocessing in (given, keras.Sequential([keras.Input((3,)), *given])):
        map_ = Transformed.of(likelihoods.Normal(), preprocessing, (3,))
        y = array(third(second(first(columns))))
        np.testing.assert_allclose(array(map_.preprocess(columns)), y, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(array(map_.inverse(y)), columns, rtol=1e-4, atol=0.1)


def test_the_density_in_any_unit_integrates_to_one():
    likelihood = Transformed(likelihoods.Normal(scale=0.7), location=[3.0], scale=[-40.0])
    x = np.linspace(-400, 400, 80_001, dtype="float32")[:, None]
    log_prob = array(likelihood.log_prob(x, np.full_like(x, 0.2)))
    assert np.exp(log_prob.astype("float64")).sum() * 0.01 == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("preprocessing", "message"),
    [
        (lambda x: layers.Normalization(), "has seen no data: call its adapt"),
        (lambda x: layers.Rescaling(0.0), "must be invertible, but Rescaling has a scale of 0"),
        (lambda x: layers.Dense(3), "Rescaling or Normalization, or a list of them"),
        (lambda x: adapted(x * [1, 0, 1]), r"are constant at \[1\]"),
        (lambda x: layers.Rescaling([1.0, 2.0]), r"must fit one x, of shape \(3,\), .* \(2,\)"),
        (lambda x: layers.Normalization(mean=[0.0, 1.0], variance=[1.0, 1.0]), r"must fit one x"),
        (lambda x: [adapted(x), layers.Rescaling([1.0, 2.0])], r"must fit one x, of shape \(3,\)"),
        (lambda x: layers.Rescaling(np.ones((4, 3)).tolist()), r"must fit one x, of shape \(3,\)"),
        (lambda x: layers.Rescaling(math.inf), "must be invertible"),
        (lambda x: adapted(x[:, :2]), "must fit one x"),
    ],
)
def test_what_cannot_be_inverted_is_refused(columns, preprocessing, message):
    with pytest.raises(ValueError, match=message):
        build("normal", preprocessing(columns), (3,))


def test_a_refusal_speaks_in_the_unit_of_the_data(pixels):
    vae = build("discretized_logistic", layers.Rescaling(1 / 255))
    message = r"where x = 0 is 0 and x = 255 is 1, but x holds 17.5 .* \(x - 0\) / 255: give x as"
    vae.compile()
    for call in (vae.score, lambda x: vae.fit(x, verbose=0)):
        with pytest.raises(ValueError, match=message):
            call(np.where(pixels > 200, 17.5, pixels).astype("float32"))


def test_train_standardizes_vectors_of_any_numbers(columns, tmp_path, capsys):
    np.save(tmp_path / "people.npy", columns)
    run, flags = tmp_path / "run", ["--epochs", "2"]
    assert cli.main(["train", "--data", f"{tmp_path}/people.npy", "--out", str(run), *flags]) == 0
    assert "--preprocessing standardize" in capsys.readouterr().out
    likelihood = keras.saving.load_model(run / "model.keras").likelihood
    np.testing.assert_allclose(likelihood.scale, DEVIATION, rtol=0.3)
    flags += ["--preprocessing", "none", "--overwrite"]
    assert cli.main(["train", "--data", f"{tmp_path}/people.npy", "--out", str(run), *flags]) == 0
    assert type(keras.saving.load_model(run / "model.keras").likelihood).__name__ == "Normal"


@pytest.mark.parametrize(
    ("likelihood", "layer", "x"),
    [
        ("poisson", layers.Rescaling(255), np.arange(256) / 255),
        ("poisson", layers.Rescaling(100), np.arange(3000) / 100),
        ("poisson", layers.Rescaling(1 / 0.3, offset=-7), 0.3 * (np.arange(3000) + 7)),
        ("continuous_bernoulli", layers.Rescaling(1 / 13.9, offset=-12.2 / 13.9), [12.2, 26.1]),
        ("continuous_bernoulli", layers.Rescaling(1 / 39.6, offset=-19.8 / 39.6), [19.8, 59.4]),
    ],
)
def test_rounding_takes_no_value_out_of_the_support(likelihood, layer, x):
    x = np.float32(x)[:, None]
    unit = Transformed.of(likelihoods.get(likelihood), layer, (1,))
    assert array(unit.in_support(x)).all()
    y = array(unit.preprocess(x))
    np.testing.assert_array_equal(y, np.round(y))
    assert not array(unit.in_support(x + np.float32(0.004 * np.ptp(x) / len(x)))).all()


def test_a_vamp_prior_that_has_no_model_yet_has_a_config():
    prior = VampPrior(3)
    again = VampPrior.from_config(prior.get_config())
    assert again.get_config() == prior.get_config()


@pytest.mark.parametrize(
    ("likelihood", "layer", "low", "high"),
    [
        ("normal", layers.Normalization(mean=65.0, variance=144.0), 40, 90),
        ("continuous_bernoulli", layers.Rescaling(1 / 255), 0, 255),
        ("poisson", None, 0, 3),
        ("bernoulli", None, 0, 1),
    ],
)
def test_the_pseudo_inputs_of_a_vamp_prior_lie_where_the_data_do(likelihood, layer, low, high):
    prior = VampPrior(50)
    vae = VAE.from_architecture("mlp", (4,), 2, likelihood, prior, preprocessing=layer, seed=0)
    seen = []
    prior.posterior = lambda u: seen.append(array(u))
    assert prior.components is None
    assert low <= seen[0].min() < seen[0].max() <= high
    assert seen[0].std() > 0.01 * (high - low)
    assert vae.prior is prior
