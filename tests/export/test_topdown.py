"""A hierarchy of latents leaves as the same files as one level."""

import keras
import numpy as np
import onnxruntime
import pytest

from export import convert
from export.runtime import OnnxVAE
from keras_vae import VAE, noise


@pytest.fixture(scope="module")
def hierarchy():
    vae = VAE.from_architecture(
        "topdown", (10, 8, 1), 1, "bernoulli", seed=0, width=4, num_groups=(2,), num_classes=3
    )
    rng = np.random.default_rng(0)
    vae.set_weights(
        [w + 0.1 * rng.normal(size=w.shape).astype("float32") for w in vae.get_weights()]
    )
    return vae


@pytest.fixture(scope="module")
def bundle(hierarchy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hierarchy") / "bundle"
    hierarchy.export(folder, precision=("float16",), x=_x(40), label=np.arange(40) % 3)
    return OnnxVAE(folder)


def _x(count):
    return (np.random.default_rng(1).random((count, 10, 8, 1)) < 0.4).astype("float32")


def test_the_manifest_names_the_groups(bundle):
    told = [{"name": f"z_{i}", "shape": [5, 4, 1]} for i in (1, 2)]
    assert bundle.manifest["groups"] == told


def test_z_is_the_noise_to_the_bit(bundle):
    session = onnxruntime.InferenceSession(bundle.path / "sampler.onnx")
    scalars = {name: np.array(value) for name, value in (("seed", 3), ("first", 7), ("count", 5))}
    given = {**scalars, "temperature": np.array(1, "float32"), "label": np.array(1)}
    (z,) = session.run(["z"], given)
    np.testing.assert_array_equal(z, noise.latent(3, 7, 5, 40))


def test_a_model_of_mixed_precision_is_exported_in_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = VAE.from_architecture("topdown_mlp", (4,), 1, "normal", seed=0, width=8)
        full = convert.float32(vae)
    finally:
        keras.config.set_dtype_policy(policy)
    idle = keras.Model, keras.layers.InputLayer  # they compute nothing themselves
    computing = [layer for layer in full._flatten_layers() if not isinstance(layer, idle)]
    assert {layer.compute_dtype for layer in computing} == {"float32"}
    np.testing.assert_allclose(full.sample(3), vae.sample(3), atol=0.05)


def test_all_that_one_level_does(bundle, hierarchy):
    vae = hierarchy
    x, label = _x(4), np.array([0, 2, 1, 1])
    for ours, theirs in zip(bundle.encode(x), vae.encode(x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    given = {"label": label, "num_samples": 20, "seed": 1, "index": np.arange(4)}
    scores, expected = bundle.score(x, **given), vae.score(x, **given)
    for name in scores:
        np.testing.assert_allclose(scores[name], expected[name], rtol=1e-5, err_msg=name)
    samples = bundle.sample(5, seed=3, label=1)
    np.testing.assert_allclose(samples, vae.sample(5, seed=3, label=1), atol=1e-5)


def test_one_group_is_a_hierarchy_too():
    vae = VAE.from_architecture("topdown_mlp", (4, 4, 1), 2, width=8, num_groups=(1,))
    names = [output.name for output in convert.encoder(vae).graph.output]
    assert names == ["z_mean", "z_log_var"]
