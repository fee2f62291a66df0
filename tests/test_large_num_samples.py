"""Many draws of z a step: decoded in chunks, with the value and the gradient of all at once."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vae import VAE, noise, objectives
from keras_vae.models import chunks
from tests.tensors import array, value_and_gradients

CASES = [
    (objectives.ELBO, "reparameterized", "mixture_of_normals"),
    (objectives.IWAE, "sticking_the_landing", "vamp"),
    (objectives.IWAE, "doubly_reparameterized", "standard_normal"),
]


@pytest.fixture
def loss_and_gradients(digits, monkeypatch):
    """A function of a model and of how many draws it may decode at once, of K = 11."""
    x = digits[:5]
    epsilon = noise.draws(0, np.arange(len(x)), 0, 11, 3)

    def compute(vae, max_draws):
        monkeypatch.setattr(chunks, "MAX_DRAWS", max_draws)
        mean = value_and_gradients(
            lambda epsilon: ops.mean(vae.bound(x, epsilon).loss), vae.trainable_variables
        )
        return mean(epsilon)

    return compute


def with_layer(layer):
    """A VAE whose decoder has `layer` in its middle."""
    vae = VAE.from_architecture("mlp", (8, 8, 1), 3, "normal", hidden=(4,), seed=0)
    z = keras.Input((3,))
    h = layer(keras.layers.Dense(8, activation="relu")(z))
    x_params = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(h))
    decoder = keras.Model(z, x_params)
    objective = objectives.IWAE(num_samples=11)
    return VAE(vae.encoder, decoder, "normal", objective=objective, seed=0)


@pytest.mark.parametrize(("kind", "estimator", "prior"), CASES)
def test_chunks_change_neither_the_loss_nor_a_gradient(loss_and_gradients, kind, estimator, prior):
    objective = kind(num_samples=11, estimator=estimator)
    parts = {"likelihood": "normal", "prior": prior, "objective": objective, "seed": 0}
    vae = VAE.from_architecture("mlp", (8, 8, 1), 3, hidden=(4,), **parts)
    loss, gradients = loss_and_gradients(vae, 11)
    loss_in_chunks, gradients_in_chunks = loss_and_gradients(vae, 4)  # of 3, 4 and 4 draws
    assert loss_in_chunks == pytest.approx(loss, rel=1e-5)
    for a, b in zip(gradients_in_chunks, gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_few_draws_are_decoded_at_once(make_vae, digits):
    vae = make_vae(hidden=(4,))
    epsilon = noise.draws(0, np.arange(2), 0, chunks.MAX_DRAWS + 1, 3)
    assert len(vae.bound(digits[:2], epsilon[:-1]).x_params) == chunks.MAX_DRAWS
    assert len(vae.bound(digits[:2], epsilon).x_params) == 1  # the first chunk


def test_fit_moves_the_averages_of_batch_normalization_once_a_step(digits, monkeypatch):
    monkeypatch.setattr(chunks, "MAX_DRAWS", 4)
    normalization = keras.layers.BatchNormalization(momentum=0.5, scale=False)
    vae = with_layer(normalization)
    vae.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=False)
    vae.fit(digits[:5], batch_size=5, verbose=0)
    once = array(normalization.moving_variance)
    assert 0.5 <= once.min() < 0.75  # each update halves what stood there


def test_dropout_trains_and_goes_on_with_other_masks(digits, monkeypatch):
    monkeypatch.setattr(chunks, "MAX_DRAWS", 4)
    dropout = keras.layers.Dropout(0.5, seed=0)
    vae = with_layer(dropout)
    vae.compile(optimizer="adam", jit_compile=False)
    before = array(dropout.seed_generator.state)
    vae.fit(digits[:12], batch_size=5, verbose=0)  # the last batch is smaller
    steps = array(dropout.seed_generator.state) - before
    np.testing.assert_array_equal(steps, [0, 3])
