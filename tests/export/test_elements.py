"""elements.onnx: the terms of log p(x|z) by element, as Keras has them."""

import keras
import numpy as np
import onnxruntime
import pytest
from keras import ops

import keras_vae
from export.runtime import OnnxVAE

SHAPES = {"categorical": (6, 5), "mixture_of_discretized_logistics": (8, 8, 3)}


@keras.saving.register_keras_serializable("tests")
class Whole(keras_vae.distributions.Likelihood):
    """A likelihood of a user's own, that has no terms."""

    def log_prob(self, x, x_params):
        return -ops.sum(ops.square(x - x_params), axis=(-1, -2, -3))

    def mean(self, x_params):
        return x_params

    def draw(self, x_params, u):
        return x_params + u


@pytest.mark.parametrize("name", ["categorical", "mixture_of_discretized_logistics", "poisson"])
def test_they_are_those_of_keras(name, tmp_path):
    shape = SHAPES.get(name, (4, 4, 1))
    vae = keras_vae.VAE.from_architecture("mlp", shape, 2, name, seed=0, hidden=(16,))
    vae.export(tmp_path / "bundle")
    x, index = vae.sample(40, mean=False), np.arange(40)[::-1]
    bundle = OnnxVAE(tmp_path / "bundle")
    terms = bundle.element_log_prob(x, 20, seed=3, index=index)
    assert terms.shape == (40, *vae.likelihood.element_shape(shape))
    expected = vae.element_log_prob(x, 20, seed=3, index=index)
    np.testing.assert_allclose(terms, expected, rtol=1e-4, atol=1e-4)
    score = bundle.score(x, 20, seed=3, index=index)["reconstruction_loss"]
    np.testing.assert_allclose(terms.reshape(40, -1).sum(axis=1), -score, rtol=1e-5)


def test_the_graph_has_the_inputs_of_the_scorer(exported):
    scorer, elements = (
        onnxruntime.InferenceSession(exported / f"{stem}.onnx") for stem in ("scorer", "elements")
    )
    signature = [(value.name, value.type, value.shape) for value in scorer.get_inputs()]
    assert [(v.name, v.type, v.shape) for v in elements.get_inputs()] == signature


def test_a_likelihood_without_terms_has_no_such_file(tmp_path):
    vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), 2, Whole(), seed=0)
    vae.export(tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "elements.onnx").exists()
    x = np.zeros((1, 4, 4, 1), "float32")
    with pytest.raises(ValueError, match=r"holds no elements\.onnx: its likelihood has no terms"):
        OnnxVAE(tmp_path / "bundle").element_log_prob(x)
    with pytest.raises(ValueError, match="Whole has no terms by element"):
        vae.element_log_prob(x)
