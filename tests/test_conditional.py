"""The conditional model p(x|z, y): labels that go in, and labels that are refused."""

import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops

import keras_vae
from keras_vae import evaluation
from keras_vae.datasets import DynamicBinarization
from keras_vae.plotting import gallery
from tests.tensors import stream

CLASSES = 3


@pytest.fixture
def vae(make_vae):
    return make_vae(num_classes=CLASSES)


@pytest.fixture
def x(digits):
    return digits[:60]


@pytest.fixture
def y():
    return np.arange(60) % CLASSES


def linear_vae(rng):
    """x = W z + V[y] + b + 0.8 noise, of arbitrary weights."""
    vae = keras_vae.VAE.from_architecture(
        "mlp", (6,), 2, keras_vae.distributions.Normal(scale=0.8), hidden=(), num_classes=CLASSES
    )
    for weight in (*vae.encoder.trainable_weights, *vae.decoder.trainable_weights):
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return vae


def test_the_log_likelihood_is_the_exact_one_given_the_label(rng):
    vae, x, y = linear_vae(rng), rng.normal(0, 1, (20, 6)), rng.integers(0, CLASSES, 20)
    weights, b = vae.decoder.get_weights()
    W, V = weights[:2].T, weights[2:]  # (6, latent_dim), (CLASSES, 6)
    px = scipy.stats.multivariate_normal(b, W @ W.T + 0.8**2 * np.eye(6))
    found = evaluation.importance_sample(vae, x, num_samples=2000, label=y)
    z = (found.log_likelihood - px.logpdf(x - V[y])) / found.monte_carlo_error
    assert np.abs(z).max() < 4.5  # of 20 examples: false alarms once in 7,000 seeds
    other = evaluation.log_likelihood(vae, x, num_samples=2000, label=(y + 1) % CLASSES)
    assert np.abs(other - found.log_likelihood).max() > 0.1


def test_the_mean_of_x_follows_the_label(rng):
    vae = linear_vae(rng)
    V = vae.decoder.get_weights()[0][2:]
    x_hat = vae.decode(np.zeros((CLASSES, 2)), label=np.arange(CLASSES))
    np.testing.assert_allclose(np.diff(x_hat, axis=0), np.diff(V, axis=0), atol=1e-6)


def test_fit_takes_labels_in_every_form_and_they_agree(make_vae, x, y):
    batches = {"batch_size": 20}
    forms = {
        "arrays": ((x, y), batches),
        "column": ((x, y[:, None].astype("int32")), batches),
        "list": ((x, list(y)), batches),
        "tensors": ((ops.convert_to_tensor(x), ops.convert_to_tensor(y)), batches),
        "dataset": ((stream(x, y, batch_size=20),), {}),
    }
    validation = {"validation_data": (x, y), "validation_batch_size": 60, "verbose": 0}
    losses = {}
    for form, (arguments, options) in forms.items():
        keras.utils.set_random_seed(0)
        vae = make_vae(num_classes=CLASSES)
        history = vae.fit(*arguments, shuffle=False, **options, **validation).history
        losses[form] = [history["loss"][0], history["val_loss"][0]]
        np.testing.assert_allclose(losses[form], losses["arrays"], rtol=1e-6, err_msg=form)


def test_training_learns_what_the_label_says(make_vae, rng):
    """x is the label: nothing is left for z to tell."""
    y = rng.integers(0, 2, 400)
    x = np.broadcast_to(y[:, None, None, None], (400, 8, 8, 1))
    vae = make_vae(likelihood="bernoulli", num_classes=2)
    vae.compile(optimizer=keras.optimizers.Adam(1e-2))
    vae.fit(x, y, batch_size=40, epochs=10, verbose=0)
    assert vae.sample(20, label=1).min() > 0.9
    assert vae.sample(20, label=0).max() < 0.1
    assert vae.evaluate(x, y, return_dict=True, verbose=0)["loss"] < 1


def test_binary_images_are_drawn_beside_their_labels(x, y):
    data = DynamicBinarization(x, batch_size=25, seed=1, y=y)
    for _ in range(2):
        batches = [data[i] for i in range(len(data))]
        assert [len(labels) for _, labels in batches] == [25, 25, 10]
        for x_binary, labels in batches:
            for image, label in zip(x_binary, labels, strict=True):
                possible = x[y == label]  # a pixel of grey value 0 is 0, of 1 is 1
                fits = (image >= (possible == 1)) & (image <= (possible > 0))
                assert fits.reshape(len(possible), -1).all(axis=1).any()
        data.on_epoch_end()


def test_a_sample_is_the_same_alone_and_decodes_its_z(vae):
    x_hat = vae.sample(5, seed=3, label=2)
    alone = vae.sample(1, seed=3, first=4, label=2)[0]
    np.testing.assert_allclose(alone, x_hat[4], rtol=0, atol=2**-22)  # one row, other products
    z = keras_vae.noise.latent(3, 0, 5, 3)
    np.testing.assert_allclose(vae.decode(z, label=2), x_hat, atol=1e-6)
    assert np.abs(vae.sample(5, seed=3, label=1) - x_hat).max() > 1e-3
    assert gallery(vae).shape == (8 * CLASSES, 8, 8, 1)


def test_predict_reconstructs_given_the_label(vae, x, y):
    np.testing.assert_allclose(
        vae.predict([x, y], verbose=0), vae.reconstruct(x, label=y), atol=1e-6
    )


def test_a_saved_model_knows_its_labels(vae, x, y, tmp_path):
    vae.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.num_classes == CLASSES
    score, again = (model.score(x, 3, label=y)["elbo"] for model in (vae, loaded))
    np.testing.assert_array_equal(score, again)


LABELS = np.arange(60) % CLASSES
BAD = {
    "missing": None,
    "too large": LABELS + 1,
    "negative": LABELS - 1,
    "not whole": LABELS + 0.5,
    "no numbers": LABELS.astype(str),
    "too few": LABELS[:5],
    "one-hot": keras.utils.to_categorical(LABELS),
}


@pytest.mark.parametrize("y", BAD.values(), ids=BAD)
def test_labels_that_are_missing_or_unknown_are_refused(y, vae, x):
    before = vae.get_weights()
    calls = [
        lambda: vae.fit(x, y),
        lambda: vae.fit(x, LABELS, validation_data=(x, y)),
        lambda: vae.evaluate(x, y),
        lambda: vae.predict([x, y]) if y is not None else vae.predict(x),
        lambda: vae.score(x, label=y),
        lambda: vae.decode(np.zeros((60, 3)), label=y),
        lambda: vae.sample(4, label=None if y is None else y[-1] + 5 if y.ndim == 1 else y),
    ]
    for call in calls[:6] if y is not None and y.dtype.kind == "U" else calls:
        with pytest.raises(ValueError, match="label"):
            call()
    for weight, was in zip(vae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, was)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_stream_of_unknown_labels_is_refused(method, vae, x, y):
    with pytest.raises(ValueError, match="labels that are no whole numbers from 0 to 2"):
        getattr(vae, method)(stream(x, y + 1), verbose=0)
    with pytest.raises(ValueError, match="the data hold none"):
        getattr(vae, method)(stream(x), verbose=0)


@pytest.mark.only_on("tensorflow")  # other backends know no words, and refuse them by themselves
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_stream_of_words_for_labels_is_refused(method, vae, x, y):
    with pytest.raises(ValueError, match="from 0 to 2, got labels of dtype"):
        getattr(vae, method)(stream(x, y.astype(str)), verbose=0)


def test_a_model_without_labels_refuses_one(make_vae, x, y):
    vae = make_vae()
    assert vae.num_classes is None
    for call in (
        lambda: vae.sample(2, label=0),
        lambda: vae.decode(np.zeros((2, 3)), label=0),
        lambda: vae.score(x, label=y),
    ):
        with pytest.raises(ValueError, match="this model knows none"):
            call()
    vae.fit(x, y, verbose=0)  # as Keras' habit is; they are ignored


@pytest.mark.parametrize("num_classes", [0, -1, 1.5, "ten"])
def test_a_wrong_number_of_classes_is_refused(num_classes, make_vae):
    with pytest.raises(ValueError, match="num_classes must be a whole number >= 1"):
        make_vae(num_classes=num_classes)
