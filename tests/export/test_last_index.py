"""2^44 samples and examples have noise of their own: the last is drawn and scored everywhere."""

import keras
import numpy as np
import onnxruntime
import pytest

from export import runtime
from keras_vae import noise

LAST = 2**44 - 1
SEED = -3


def run(path, outputs, **feeds):
    given = {
        name: np.array(value, np.float32 if name in ("x", "temperature") else np.int64)
        for name, value in feeds.items()
    }
    return onnxruntime.InferenceSession(path).run(outputs, given)


@pytest.fixture(scope="module")
def models(vae, exported):
    """The model, and its bundle, which have the same methods."""
    return {"keras": vae, "onnx": runtime.OnnxVAE(exported)}


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).integers(0, 2, (2, 8, 8, 1)).astype("float32")


def test_the_last_index_is_not_that_of_another_sample():
    """Its words are those of the counter that the specification gives it."""
    counter = (np.uint32(2**32 - 1), np.uint32((2**12 - 1) * 2**20))
    key = (np.uint32(2**32 + SEED), np.uint32(2**32 - 1))
    expected = noise.threefry(key, counter)
    np.testing.assert_array_equal(noise.words(SEED, LAST, 0), expected)
    np.testing.assert_array_equal(
        noise.latent(SEED, LAST - 1, 2, 3)[1:], noise.latent(SEED, LAST, 1, 3)
    )
    assert np.isfinite(noise.draws(SEED, [LAST], 0, 4, 3)).all()


@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_it_is_sampled(models, vae, name):
    z = noise.latent(SEED, LAST - 1, 2, 3)
    expected = vae.decode(z)
    for first, count in ((LAST - 1, 2), (LAST, 1), (2**44, 0)):
        x_hat = models[name].sample(count, seed=SEED, first=first)
        np.testing.assert_allclose(x_hat, expected[2 - count :], atol=1e-5)


def test_it_is_sampled_and_scored_by_the_graphs(vae, exported, x):
    draw = {"seed": SEED, "first": LAST - 1, "count": 2, "temperature": 1.0}
    (z,) = run(exported / "sampler.onnx", ["z"], **draw)
    np.testing.assert_array_equal(z, noise.latent(SEED, LAST - 1, 2, 3))
    given = {"x": x, "num_samples": 4, "seed": SEED, "index": [LAST, LAST - 1]}
    (elbo,) = run(exported / "scorer.onnx", ["elbo"], **given)
    np.testing.assert_allclose(elbo, vae.score(**given)["elbo"], rtol=1e-5)


@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_it_is_scored(models, vae, x, name):
    """By the noise of the specification: the ELBO by hand."""
    epsilon = noise.draws(SEED, [LAST], 0, 4, 3)
    bound = vae.bound(x[1:], epsilon)
    expected = -keras.ops.convert_to_numpy(bound.reconstruction_loss + bound.kl_loss)
    for index, some in (([LAST], x[1:]), ([LAST - 1, LAST], x)):
        elbo = models[name].score(some, 4, SEED, index)["elbo"]
        np.testing.assert_allclose(elbo[-1:], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_the_one_after_it_is_refused(models, x, name):
    model = models[name]
    for first, count in ((2**44, 1), (LAST, 2)):
        with pytest.raises(ValueError, match=r"first . count must be at most 2\*\*44"):
            model.sample(count, first=first)
    for index in (2**44, [LAST, 2**44]):
        with pytest.raises(ValueError, match=r"index must be .*, got 17592186044416"):
            model.score(x, 4, index=index)
