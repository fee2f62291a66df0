"""Graphs of a model with `preprocessing` take and give x in its own unit."""

import json

import numpy as np
import pytest
from keras import layers

import keras_vae
from export.runtime import OnnxVAE, cli
from keras_vae import plotting


def bundle(folder, likelihood, preprocessing, shape):
    vae = keras_vae.VAE.from_architecture(
        "mlp", shape, 2, likelihood, seed=0, hidden=(16,), preprocessing=preprocessing
    )
    vae.export(folder / "bundle")
    return vae, OnnxVAE(folder / "bundle")


@pytest.mark.parametrize("likelihood", ["discretized_logistic", "normal"])
def test_pixels_as_the_file_holds_them(likelihood, tmp_path, rng):
    x = rng.integers(0, 256, (5, 8, 8, 1)).astype("uint8")
    vae, exported = bundle(tmp_path, likelihood, layers.Rescaling(1 / 255), (8, 8, 1))
    np.testing.assert_allclose(exported.encode(x), vae.encode(x), atol=1e-5)
    for name, score in exported.score(x, 10).items():
        np.testing.assert_allclose(score, vae.score(x, 10)[name], rtol=1e-5, atol=1e-4)
    for mean in (True, False):
        drawn, expected = (model.sample(9, seed=3, mean=mean) for model in (exported, vae))
        np.testing.assert_allclose(drawn, expected, rtol=1e-5, atol=1e-3)
    assert np.abs(exported.sample(64)).mean() > 10
    seen = exported.as_seen(exported.sample(64))
    assert 0 <= seen.min() <= seen.max() <= 1 or likelihood == "normal"
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_bytes())
    assert manifest["preprocessing"] == {"location": 0.0, "scale": 255.0}
    assert manifest["x"] == {"dtype": "float32", "support": vae.likelihood.support}
    assert "in its own unit" in (tmp_path / "bundle" / "README.md").read_text()
    if likelihood == "discretized_logistic":
        np.testing.assert_array_equal(drawn, np.round(drawn))
        with pytest.raises(ValueError, match="where x = 0 is 0 and x = 255 is 1"):
            exported.score(x / np.float32(255))


def test_centred_pixels_are_shown_as_the_file_holds_them(tmp_path):
    layer = layers.Rescaling(1 / 127.5, offset=-1)
    vae, exported = bundle(tmp_path, "normal", layer, (8, 8, 1))
    x = np.linspace(0, 255, 64, dtype="float32").reshape(1, 8, 8, 1)
    for model in (vae, exported):
        np.testing.assert_allclose(plotting.as_seen(model, x), x / 255, rtol=1e-6)


def test_columns_in_metres_and_kilograms(tmp_path, rng):
    x = ([1.7, 65.0] + [0.1, 12.0] * rng.normal(size=(50, 2))).astype("float32")
    layer = layers.Normalization()
    layer.adapt(x)
    vae, exported = bundle(tmp_path, "heteroscedastic_normal", layer, (2,))
    np.testing.assert_allclose(
        exported.score(x, 20)["elbo"], vae.score(x, 20)["elbo"], rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(exported.sample(9, mean=False), vae.sample(9, mean=False), rtol=1e-5)
    assert abs(exported.sample(500, mean=False).mean(axis=0) - [1.7, 65]).max() < 5


def test_a_picture_is_of_what_the_model_sees(tmp_path):
    """Else one of pixels up to 255 would be white."""
    bundle(tmp_path, "discretized_logistic", layers.Rescaling(1 / 255), (8, 8, 1))
    out = tmp_path / "samples.png"
    assert cli.main([str(tmp_path / "bundle"), "--count", "16", "--draw", "--out", str(out)]) == 0
    from PIL import Image

    for path in (out, tmp_path / "bundle" / "samples.png"):
        grey = np.asarray(Image.open(path).convert("L"))
        assert 60 < grey.mean() < 200
