"""The sampling layer and the clip of the log-variance."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vae.distributions import FullNormal
from keras_vae.layers import Z_LOG_VAR_RANGE, Sampling, clip_z_log_var
from tests.tensors import value_and_gradients


def test_sampling_is_the_formula(rng):
    z_mean, z_log_var, epsilon = rng.normal(size=(3, 4, 2)).astype("float32")
    z = Sampling()([z_mean, z_log_var], epsilon=epsilon)
    np.testing.assert_allclose(z, z_mean + np.exp(z_log_var / 2) * epsilon, rtol=1e-6)


def test_sampling_of_a_full_normal_has_its_correlations(rng):
    parameters = [rng.normal(size=(4, size)).astype("float32") for size in (3, 3, 3)]
    epsilon = rng.normal(size=(5, 4, 3)).astype("float32")
    expected = FullNormal(*parameters).transform(epsilon)
    np.testing.assert_array_equal(Sampling()(parameters, epsilon=epsilon), expected)
    assert Sampling(seed=0)(parameters, num_samples=5).shape == (5, 4, 3)


def test_sampling_draws_from_the_posterior():
    z_mean, z_log_var = np.full((1, 2), 3.0, "float32"), np.full((1, 2), -2.0, "float32")
    z = np.asarray(Sampling(seed=0)([z_mean, z_log_var], num_samples=50_000))
    # 5 standard errors; the seed is fixed.
    assert np.abs(z.mean(0) - 3).max() < 5 * np.exp(-1) / np.sqrt(50_000)
    assert np.abs(z.var(0) / np.exp(-2) - 1).max() < 5 * np.sqrt(2 / 50_000)


@pytest.mark.parametrize("num_samples", [None, 1, 4])
def test_shapes_and_fresh_noise(num_samples):
    layer, zeros = Sampling(seed=1), np.zeros((3, 2), "float32")
    first, second = (np.asarray(layer([zeros, zeros], num_samples=num_samples)) for _ in range(2))
    assert first.shape == ((3, 2) if num_samples is None else (num_samples, 3, 2))
    assert not np.array_equal(first, second)


def test_gradients_reach_mean_and_log_variance(rng):
    parameters = [keras.Variable(np.zeros((1, 2), "float32")) for _ in range(2)]
    epsilon = rng.normal(size=(1, 2)).astype("float32")
    sampling = Sampling()
    total = value_and_gradients(
        lambda epsilon: ops.sum(sampling([h.value for h in parameters], epsilon=epsilon)),
        parameters,
    )
    _, (by_mean, by_log_var) = total(epsilon)
    np.testing.assert_allclose(by_mean, 1)
    np.testing.assert_allclose(by_log_var, epsilon / 2, rtol=1e-6)


def test_clip_is_the_identity_within_its_range_and_finite_beyond():
    low, high = Z_LOG_VAR_RANGE
    inside = np.linspace(low, high, 101, dtype="float32")
    np.testing.assert_array_equal(clip_z_log_var(inside), inside)
    np.testing.assert_array_equal(clip_z_log_var(np.float32([-1e30, 1e30])), [low, high])


def test_clip_lets_the_gradient_through():
    x = keras.Variable([-1000.0, 0.0, 1000.0])
    _, (gradient,) = value_and_gradients(lambda: ops.sum(3 * clip_z_log_var(x.value)), [x])()
    np.testing.assert_array_equal(gradient, 3)


def test_a_log_variance_out_of_range_finds_its_way_back(make_vae, digits):
    vae = make_vae(compiled={"optimizer": keras.optimizers.Adam(0.1)})
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(3, 15.0))
    assert (vae.encode(digits[:256])[1] == Z_LOG_VAR_RANGE[1]).all()
    history = vae.fit(digits[:256], epochs=10, verbose=0).history
    assert sum(history["skipped_steps"]) == 0
    assert vae.encode(digits[:256])[1].max() < Z_LOG_VAR_RANGE[1]
