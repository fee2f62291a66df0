"""A bundle whose posterior is a full normal: one more output of the encoder, all else the same."""

import numpy as np
import onnxruntime
import pytest

from export.runtime import OnnxVAE


@pytest.fixture(scope="module", params=["standard_normal", "vamp"])
def full(request, make_vae):
    vae = make_vae("mlp", (3, 3, 1), "normal", prior=request.param, posterior="full_normal")
    layer = vae.encoder.get_layer("z_correlation")  # zero in a new model
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(0, 0.2, w.shape) for w in layer.get_weights()])
    return vae


@pytest.fixture(scope="module")
def folder(full, tmp_path_factory):
    path = tmp_path_factory.mktemp("full") / "bundle"
    x = full.sample(8, seed=1)
    full.export(path, precision=("float16", "int8"), x=x, budget=100)  # the gate is passed
    return path


def test_the_scores_are_those_of_keras(full, folder):
    x = full.sample(5, seed=2)
    computed, expected = OnnxVAE(folder).score(x, 30), full.score(x, 30)
    for name, score in expected.items():
        np.testing.assert_allclose(computed[name], score, atol=1e-4)


def test_the_encoder_gives_the_correlations_too(full, folder):
    x = full.sample(5, seed=2)
    session = onnxruntime.InferenceSession(folder / "encoder.onnx")
    assert [h.name for h in session.get_outputs()] == ["z_mean", "z_log_var", "z_correlation"]
    qz_x = full.posterior(x)
    for computed, expected in zip(session.run(None, {"x": x}), qz_x, strict=True):
        np.testing.assert_allclose(computed, expected, atol=1e-5)
    z_mean, z_log_var = OnnxVAE(folder).encode(x)
    np.testing.assert_allclose(z_mean, qz_x.mean, atol=1e-5)
    np.testing.assert_allclose(z_log_var, qz_x.log_var, atol=1e-5)
