"""A hierarchy of latents leaves as the same files as one level."""

import numpy as np
import onnxruntime
import pytest

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
