"""OnnxVAE.score: the numbers of Keras, in any chunks."""

import numpy as np
import pytest

from export.runtime import OnnxVAE
from export.runtime import vae as module

SCORES = ["elbo", "reconstruction_loss", "kl_loss", "log_likelihood"]


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(3).integers(0, 2, (9, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("chunk", [1, 4, 512])
def test_scores_are_those_of_keras_in_any_chunks(exported, vae, x, monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    scores, expected = (v.score(x, 20, -3, 2**32 - 5) for v in (OnnxVAE(exported), vae))
    assert list(scores) == SCORES
    for name in SCORES:
        np.testing.assert_allclose(scores[name], expected[name], rtol=1e-5)


def test_no_examples_have_no_scores(onnx_vae, x):
    shapes = {name: score.shape for name, score in onnx_vae.score(x[:0]).items()}
    assert shapes == dict.fromkeys(SCORES, (0,))


def test_an_example_without_density_is_refused(onnx_vae, x):
    x = x.copy()
    x[4, 3] = 0.5
    with pytest.raises(ValueError, match=r"x\[4\] holds values without density: .* binary data"):
        onnx_vae.score(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 0}, "num_samples must be a whole number from 1"),
        ({"num_samples": 2.5}, "num_samples must be a whole number from 1"),
        ({"seed": 2**63}, "seed must be a whole number"),
        ({"first": -1}, "first must be a whole number >= 0, got -1"),
        ({"first": 2**44}, "first . count must be at most"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(onnx_vae, x, options, message):
    with pytest.raises(ValueError, match=message):
        onnx_vae.score(x, **options)


def test_data_of_another_shape_are_refused(onnx_vae, x):
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 8, 8, 1\), got \(9, 64\)"):
        onnx_vae.score(x.reshape(9, 64))
