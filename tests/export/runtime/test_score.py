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
    index = 2**32 - 5 + np.random.default_rng(0).permutation(len(x))
    scores, expected = (v.score(x, 20, -3, index) for v in (OnnxVAE(exported), vae))
    assert list(scores) == SCORES
    for name in SCORES:
        np.testing.assert_allclose(scores[name], expected[name], rtol=1e-5)


@pytest.mark.parametrize("chunk", [1, 4, 512])
def test_an_example_has_its_score_whatever_stands_beside_it(exported, x, monkeypatch, chunk):
    """And in whatever order: its noise is that of its index."""
    monkeypatch.setattr(module, "CHUNK", chunk)
    onnx_vae, index = OnnxVAE(exported), np.array([2**33, 0, 2**44 - 1, 7, 12, 3, 9, 1, 2])
    whole = onnx_vae.score(x, 20, 5, index)
    for rows in ([3], [4, 1], [8, 2, 0, 6, 4, 3, 7, 5, 1]):
        for name, values in onnx_vae.score(x[rows], 20, 5, index[rows]).items():
            np.testing.assert_allclose(values, whole[name][rows], rtol=1e-6)


def test_with_one_index_for_all_equal_examples_have_equal_scores(onnx_vae, x):
    scores, alone = onnx_vae.score(x[[0, 1, 1, 0]], 20, index=7), onnx_vae.score(x[:1], 20, index=7)
    for name, values in scores.items():
        np.testing.assert_allclose(values[:2], values[[3, 2]], rtol=1e-6)
        np.testing.assert_allclose(values[:1], alone[name], rtol=1e-6)


def test_examples_count_from_0_where_no_index_is_given(onnx_vae, x):
    counted, given = onnx_vae.score(x, 4), onnx_vae.score(x, 4, index=list(range(len(x))))
    for name in SCORES:
        np.testing.assert_array_equal(counted[name], given[name])


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
        ({"index": range(4)}, r"index must be one whole number, or 9 of them.* shape \(4,\)"),
        ({"index": np.zeros((9, 1), int)}, r"index must be .*, got shape \(9, 1\)"),
        ({"index": -4}, "index must be .* from 0 to 2.*44 - 1, got -4"),
        ({"index": [*range(8), 2**44]}, "index must be .*, got 17592186044416"),
        ({"index": np.arange(9.0)}, "index must be .*, got dtype float64"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(onnx_vae, x, options, message):
    with pytest.raises(ValueError, match=message):
        onnx_vae.score(x, **options)


def test_data_of_another_shape_are_refused(onnx_vae, x):
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 8, 8, 1\), got \(9, 64\)"):
        onnx_vae.score(x.reshape(9, 64))
