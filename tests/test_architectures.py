"""Encoders and decoders fit each other at any size, and start from their seed."""

import numpy as np
import pytest

from keras_vae import architectures

SHAPES = [(8, 8, 1), (28, 28, 1), (9, 31, 3), (1, 1, 2)]


@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
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
    with pytest.raises(ValueError, match=r"conv needs images .*channel axis.*mlp"):
        architectures.conv((64,), 2)


@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
def test_seed_fixes_the_initial_weights_and_no_two_layers_share_them(name):
    def weights(seed):
        models = architectures.get(name)((8, 8, 1), 4, seed=seed)
        return [w for model in models for w in model.get_weights()]

    assert all(np.array_equal(a, b) for a, b in zip(weights(1), weights(1), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights(1), weights(2), strict=True))
    z_mean, z_log_var = [w for w in weights(1) if w.shape[-1] == 4 and w.ndim == 2][:2]
    assert not np.array_equal(z_mean, z_log_var)


@pytest.mark.parametrize("name", sorted(architectures.ARCHITECTURES))
@pytest.mark.parametrize("latent_dim", [0, -3, 2.5, "2"])
def test_a_bad_latent_dim_is_refused(name, latent_dim):
    with pytest.raises(ValueError, match="latent_dim must be a whole number >= 1"):
        architectures.get(name)((8, 8, 1), latent_dim)


@pytest.mark.parametrize("shape", [(), (8, 0, 1), (None, 8, 1), "8"])
def test_a_bad_input_shape_is_refused(shape):
    with pytest.raises(ValueError, match="input_shape must be whole numbers"):
        architectures.mlp(shape, 2)
