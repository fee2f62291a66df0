"""`augment`: what is done to x in training alone, in the step."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, backend, datasets
from keras_vae.models import augment as augments
from keras_vae.models import load_model
from keras_vae.models.augment import Binarize
from tests.tensors import Batches


def mlp(likelihood="bernoulli", **options):
    vae = VAE.from_architecture(
        "mlp", (8, 8, 1), 2, likelihood, seed=0, hidden=(8,), **{"augment": "binarize", **options}
    )
    vae.compile("adam")
    return vae


def values(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_a_pixel_is_1_as_often_as_its_grey_level_says():
    x, binarize = np.linspace(0, 1, 11, dtype="float32"), Binarize(seed=0)
    draws = np.stack([values(binarize(np.tile(x, (500, 1)))) for _ in range(8)]).reshape(-1, 11)
    assert set(np.unique(draws)) == {0.0, 1.0}
    assert (draws[:, 0] == 0).all()
    assert (draws[:, -1] == 1).all()
    error = np.sqrt(x * (1 - x) / len(draws))
    assert (np.abs(draws.mean(0) - x) <= 4.5 * error).all()  # false in 1 of 10,000 seeds
    together = np.corrcoef(draws[:, 1:-1].T) - np.eye(9)  # the pixels are drawn one by one
    assert np.abs(together).max() < 5 / np.sqrt(len(draws))


def test_a_grey_level_below_that_of_a_byte_counts_too():
    """On JAX and PyTorch a number has a byte of its own, and shares what is below it."""
    share = 1e-3
    x = np.full((4096, 64), share, "float32")
    found = values(Binarize(seed=0)(x)).mean()
    assert abs(found - share) < 4.5 * np.sqrt(share / x.size)  # false in 1 of 100,000 seeds


def test_whole_grey_levels_mean_the_same_as_their_share_of_255():
    levels = np.arange(256, dtype="uint8")[None]
    whole, shares = (values(Binarize(seed=1)(x)) for x in (levels, levels / np.float32(255)))
    np.testing.assert_array_equal(whole, shares)
    assert whole.dtype == np.float32


def test_each_call_draws_anew_and_a_saved_layer_goes_on(tmp_path):
    x = np.full((4, 8, 8, 1), 0.5, "float32")
    vae = mlp()
    first = values(vae.augment(x))
    vae.save(tmp_path / "model.keras")
    second, loaded = values(vae.augment(x)), load_model(tmp_path / "model.keras")
    assert (first != second).any()
    np.testing.assert_array_equal(values(loaded.augment(x)), second)
    assert loaded.augment.get_config() == vae.augment.get_config()


def test_training_alone_is_augmented(digits):
    vae, plain = mlp(), mlp(augment=None)
    binary = datasets.binarize(digits)
    for part in ("evaluate", "predict"):
        results = [getattr(model, part)(binary, verbose=0) for model in (vae, plain)]
        np.testing.assert_allclose(*results, rtol=1e-5)
    with pytest.raises(ValueError, match="Bernoulli is for binary data"):
        vae.evaluate(digits, verbose=0)


def test_a_bernoulli_learns_grey_images_to_their_levels():
    """Where every image is the same grey, x_hat comes to be that grey."""
    x = np.tile(np.linspace(0.1, 0.9, 64, dtype="float32").reshape(1, 8, 8, 1), (512, 1, 1, 1))
    vae = mlp()
    vae.compile(keras.optimizers.Adam(0.02))
    vae.fit(x, epochs=40, batch_size=64, verbose=0)
    assert np.abs(values(vae.sample(1)) - x[:1]).max() < 0.1  # of 2,560 draws of each pixel


@pytest.mark.parametrize("form", ["array", "uint8", "data set", "sparse"])
def test_every_form_of_data_is_augmented(form, digits):
    x, shape = digits[:128], (64,) if form == "sparse" else (8, 8, 1)
    vae = VAE.from_architecture("mlp", shape, 2, "bernoulli", augment="binarize")
    vae.compile("adam")
    if form == "uint8":
        x = np.rint(x * 255).astype("uint8")
    elif form == "data set":
        x = Batches(x)
    elif form == "sparse":
        x = pytest.importorskip("scipy.sparse").csr_array(x.reshape(-1, 64))
    history = vae.fit(x, epochs=1, verbose=0).history
    assert history["skipped_steps"] == [0]
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.RandomFlip("horizontal", seed=1),
        keras.layers.RandomTranslation(0.1, 0.1, seed=1),
        keras.layers.GaussianNoise(0.1, seed=1),
    ],
    ids=lambda layer: layer.name,
)
def test_random_layers_of_keras_serve_too(layer, digits, tmp_path):
    vae = mlp("normal", augment=layer)
    history = vae.fit(digits[:256], epochs=2, batch_size=32, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    assert history["skipped_steps"] == [0, 0]
    vae.save(tmp_path / "model.keras")
    assert type(load_model(tmp_path / "model.keras").augment) is type(layer)


def test_what_does_not_fit_is_refused(digits):
    with pytest.raises(ValueError, match="Unknown augment: 'binarise'"):
        mlp(augment="binarise")
    with pytest.raises(ValueError, match=r"grey levels .* got values from 0 to 16: scale it"):
        mlp().fit(digits * 16, verbose=0)
    with pytest.raises(ValueError, match=r"must leave the shape .* RandomCrop makes \(4, 4, 1\)"):
        mlp(augment=keras.layers.RandomCrop(4, 4)).fit(digits, verbose=0)
    with pytest.raises(ValueError, match="Bernoulli is for binary data"):
        mlp(augment=keras.layers.GaussianNoise(0.1)).fit(datasets.binarize(digits), verbose=0)
    with pytest.raises(ValueError, match="validation_data are not augmented: Bernoulli is for"):
        mlp().fit(digits, validation_split=0.1, verbose=0)
    with pytest.raises(ValueError, match="NaN"):
        mlp().fit(np.full((8, 8, 8, 1), np.nan), verbose=0)


def test_batches_that_are_not_grey_are_skipped(digits):
    with pytest.raises(FloatingPointError, match="32 training steps in a row"):
        mlp().fit(Batches(np.tile(digits[:1024] * 16, (2, 1, 1, 1))), verbose=0)


def test_a_name_takes_a_seed_of_its_own_that_follows_from_the_model():
    """Of one seed both would draw from the same words: on TensorFlow the second line is 0 then."""
    assert augments.get("binarize", 0).seed == augments.get("binarize", 0).seed
    assert len({0, 1, *(augments.get("binarize", seed).seed for seed in (0, 1))}) == 4
    assert augments.get(None) is None


def test_the_noise_of_z_does_not_follow_from_that_of_x():
    """With the seed 0; of another, beyond the bound once in 50,000 times."""
    vae, count = mlp(), 10_000
    u = values(backend.uniform((count,), vae.augment.seed_generator, "float32"))
    epsilon = values(backend.normal((1, count), vae.sampling.seed_generator, "float32"))[0]
    radii = (epsilon.reshape(-1, 2) ** 2).sum(axis=-1)  # of Box-Muller: -2 log u, of some u
    for some in (u[::2], u[1::2], 1 - u[::2], 1 - u[1::2]):
        assert abs(np.corrcoef(radii, np.log(some))[0, 1]) < 4.3 / np.sqrt(count / 2)
