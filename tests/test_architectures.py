"""Encoders and decoders fit each other at any size, and start from their seed."""

import itertools

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import architectures

SHAPES = [(8, 8, 1), (28, 28, 1), (9, 31, 3), (1, 1, 2)]


ONE_LEVEL = sorted(name for name in architectures.ARCHITECTURES if "topdown" not in name)


@pytest.mark.parametrize("name", ONE_LEVEL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("params_per_element", [1, 2])
def test_shapes_of_images(name, shape, params_per_element):
    encoder, decoder = architectures.get(name)(shape, 5, params_per_element * shape[-1])
    assert [h.shape for h in encoder.outputs] == [(None, 5), (None, 5)]
    assert decoder.output_shape == (None, *shape[:-1], shape[-1] * params_per_element)
    x_params = decoder(encoder(np.zeros((3, *shape), "float32"))[0])
    assert tuple(x_params.shape) == (3, *decoder.output_shape[1:])


@pytest.mark.parametrize("shape", [(64,), 64])
def test_mlp_takes_vectors(shape):
    encoder, decoder = architectures.mlp(shape, 2)
    assert encoder.input_shape == decoder.output_shape == (None, 64)


def test_conv_refuses_vectors_and_says_what_to_use():
    with pytest.raises(ValueError, match=r"conv needs images .*mlp"):
        architectures.conv((64,), 2)


@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
def test_seed_fixes_the_initial_weights_and_no_two_layers_share_them(name):
    def weights(seed):
        models = architectures.get(name)((8, 8, 1), 4, seed=seed)
        return [w for model in models for w in model.get_weights()]

    assert all(np.array_equal(a, b) for a, b in zip(weights(1), weights(1), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights(1), weights(2), strict=True))
    kernels = [w for w in weights(1) if w.ndim > 1 and w.any()]
    pairs = itertools.combinations((w.ravel()[:9] for w in kernels), 2)
    assert not any(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
@pytest.mark.parametrize("latent_dim", [0, -3, 2.5, "2"])
def test_a_bad_latent_dim_is_refused(name, latent_dim):
    with pytest.raises(ValueError, match="latent_dim must be a whole number >= 1"):
        architectures.get(name)((8, 8, 1), latent_dim)


@pytest.mark.parametrize("shape", [(), (8, 0, 1), (None, 8, 1), "8"])
def test_a_bad_input_shape_is_refused(shape):
    with pytest.raises(ValueError, match="input_shape must be whole numbers"):
        architectures.mlp(shape, 2)


def test_a_gated_layer_is_a_product():
    encoder, _ = architectures.mlp((3,), 2, hidden=(4,), gated=True, seed=0)
    dense = [layer for layer in encoder.layers if layer.name.startswith("dense")]
    linear, gate = sorted(dense, key=lambda layer: layer.activation is keras.activations.sigmoid)
    x = np.linspace(-2, 2, 15, dtype="float32").reshape(5, 3)
    (w, b), (v, c) = (layer.get_weights() for layer in (linear, gate))
    h = (x @ w + b) / (1 + np.exp(-(x @ v + c)))
    z_mean = keras.ops.convert_to_numpy(encoder(x)[0])
    kernel, bias = encoder.get_layer("z_mean").get_weights()
    np.testing.assert_allclose(z_mean, h @ kernel + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("groups", [None, 2])
def test_residual_blocks_begin_as_the_identity(groups):
    encoder, _ = architectures.resnet((8, 8, 1), 2, width=4, depth=3, groups=groups)
    blocks = [layer.output for layer in encoder.layers if "add" in layer.name]
    x = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
    first, *others = map(keras.ops.convert_to_numpy, keras.Model(encoder.inputs, blocks)(x))
    assert len(others) == 2
    for output in others:
        np.testing.assert_array_equal(output, first)


@pytest.mark.parametrize(("size", "sizes"), [(28, 3), (32, 3), (64, 4), (256, 6)])
def test_resnet_goes_down_as_far_as_the_image_asks(size, sizes):
    encoder, decoder = architectures.resnet((size, size, 3), 2, width=2)
    assert sum("add" in layer.name for layer in encoder.layers) == sizes
    assert decoder.output_shape == (None, size, size, 3)


def test_groups_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="groups must divide width, which is 16, got 3"):
        architectures.resnet((8, 8, 1), 2, groups=3)


@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
def test_a_decoder_begins_where_it_is_told_to(name):
    _, decoder = architectures.get(name)((9, 10, 3), 2, 4, seed=0)
    z = np.random.default_rng(0).normal(size=(5, decoder.input_shape[-1]))
    start = np.array([0.5, -1.0, 0.0, 2.0])
    before = keras.ops.convert_to_numpy(decoder(z))
    architectures.heads.begin(decoder, None)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(decoder(z)), before)
    architectures.heads.begin(decoder, start)
    x_params = keras.ops.convert_to_numpy(decoder(z))
    np.testing.assert_array_equal(x_params, np.broadcast_to(start, (5, 9, 10, 4)))


def test_a_decoder_without_a_bias_at_its_end_stays_as_it_is():
    z = keras.Input((2,), name="z")
    decoder = keras.Model(z, keras.layers.Dense(4, use_bias=False, name="x_params")(z))
    before = decoder.get_weights()[0]
    architectures.heads.begin(decoder, np.zeros(4))
    np.testing.assert_array_equal(decoder.get_weights()[0], before)


@pytest.mark.parametrize("likelihood", ["discretized_logistic", "mixture_of_discretized_logistics"])
@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
def test_a_new_model_begins_where_its_likelihood_says(name, likelihood):
    vae = keras_vae.VAE.from_architecture(name, (9, 10, 3), 2, likelihood, seed=0)
    x_params = keras.ops.convert_to_numpy(vae.decoder(np.ones((2, vae.latent_dim))))
    start = vae.likelihood.start(3).astype("float32")
    np.testing.assert_array_equal(x_params, np.broadcast_to(start, x_params.shape))
