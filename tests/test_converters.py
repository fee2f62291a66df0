"""Two converters, one meaning: what jax2onnx and tf2onnx make of a model computes the same."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import onnxruntime
import pytest

import keras_vae
from export import convert
from keras_vae.distributions import FlowMatchingPrior
from tests.export import test_layers

MODELS = {
    "bernoulli": {},
    "continuous_bernoulli": {"likelihood": "continuous_bernoulli"},
    "normal": {"likelihood": "normal", "prior": "vamp"},
    "heteroscedastic_normal": {"likelihood": "heteroscedastic_normal", "prior": "flow"},
    "discretized_logistic": {"likelihood": "discretized_logistic", "num_classes": 3},
    "mixture": {"likelihood": "mixture_of_discretized_logistics", "shape": (4, 4, 3)},
    "categorical": {"likelihood": "categorical", "prior": "mixture_of_normals", "shape": (4, 3)},
    "poisson": {"likelihood": "poisson"},
    "negative_binomial": {"likelihood": "negative_binomial"},
    "zero_inflated": {"likelihood": "zero_inflated_negative_binomial"},
    "conv": {"architecture": "conv", "shape": (8, 8, 1)},
    "resnet": {"architecture": "resnet", "shape": (8, 8, 1), "prior": "flow"},
    "topdown": {"architecture": "topdown", "shape": (6, 4, 1), "num_classes": 3, "width": 4},
    "flow_matching": {"shape": (4,), "prior": FlowMatchingPrior((8,), steps=2, inversions=4)},
}
OTHER = """
import sys
from pathlib import Path
from keras_vae.models import load_model
from export import convert
for path in map(Path, sys.argv[1:]):
    parts = convert.parts(load_model(path))
    for name in "encoder posterior params mean draw prior densities elements".split():
        data = getattr(parts, name).SerializeToString()
        (path.parent / f"{path.stem}-{name}.onnx").write_bytes(data)
"""
pytestmark = [
    pytest.mark.only_on("jax"),
    pytest.mark.skipif(not importlib.util.find_spec("jax2onnx"), reason="jax2onnx is missing"),
]


def vae_of(architecture="mlp", shape=(4, 4, 1), **options):
    return keras_vae.VAE.from_architecture(architecture, shape, latent_dim=2, seed=0, **options)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """By model: it, and a folder where tf2onnx's parts of it lie, made by one other process."""
    folder, models = tmp_path_factory.mktemp("models"), {}
    for name, how in MODELS.items():
        vae = models[name] = vae_of(**how)
        rng = np.random.default_rng(0)
        shaken = [w + 0.05 * rng.normal(size=w.shape).astype(w.dtype) for w in vae.get_weights()]
        vae.set_weights(shaken)
        vae.save(folder / f"{name}.keras")
    paths = [folder / f"{name}.keras" for name in models]
    env = os.environ | {"KERAS_BACKEND": "tensorflow"}
    subprocess.run([sys.executable, "-c", OTHER, *paths], check=True, env=env)
    return models, folder


@pytest.mark.parametrize("name", MODELS)
def test_both_converters_make_graphs_that_compute_the_same(converted, name):
    models, folder = converted
    vae, rng = models[name], np.random.default_rng(1)
    for part, model in convert.parts(vae)._asdict().items():
        if not (folder / f"{name}-{part}.onnx").exists():
            continue
        ours = onnxruntime.InferenceSession(model.SerializeToString())
        theirs = onnxruntime.InferenceSession(folder / f"{name}-{part}.onnx")
        assert [v.name for v in ours.get_inputs()] == [v.name for v in theirs.get_inputs()]
        feeds = {}
        for value in ours.get_inputs():
            free = [axis for axis in value.shape if not isinstance(axis, int)]
            length = iter((2, 3) if len(free) == 2 else (3,))
            shape = [axis if isinstance(axis, int) else next(length) for axis in value.shape]
            feeds[value.name] = _values(vae, value, shape, rng)
        outputs = [value.name for value in theirs.get_outputs()]
        for a, b in zip(ours.run(outputs, feeds), theirs.run(outputs, feeds), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=part)


def _values(vae, value, shape, rng):
    """Some input: of x what the likelihood may draw, of u uniform numbers."""
    if value.name == "label":
        return np.arange(shape[0]) % 3
    if value.name == "u":
        return rng.random(shape).astype("float32")
    if value.name != "x":
        return rng.normal(size=shape).astype("float32")
    u = rng.random((shape[0], *vae.likelihood.noise_shape(vae.input_shape))).astype("float32")
    x_params = rng.normal(size=(shape[0], *vae.decoder.output_shape[1:])).astype("float32")
    return keras.ops.convert_to_numpy(vae.likelihood.draw(x_params, u))


def test_a_refusal_names_the_layer():
    class Loop(keras.layers.Layer):
        def call(self, x):
            return keras.ops.fori_loop(0, 3, lambda i, v: 1.1 * v, x)

    x, z = keras.Input((4,)), keras.Input((2,))
    h = Loop(name="turning")(x)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    vae = keras_vae.VAE(encoder, keras.Model(z, keras.layers.Dense(4)(z)), likelihood="normal")
    with pytest.raises(ValueError, match=r"layer 'turning' \(Loop\): it holds control flow"):
        convert.encoder(vae)


@pytest.mark.parametrize("name", [n for n in test_layers.LAYERS if n != "conv3d"])
def test_a_layer_is_exported_and_computes_what_keras_does(name):
    hidden, shape = test_layers.LAYERS[name]
    assert max(test_layers.differences(test_layers.vae_of(hidden(), shape=shape))) <= 1e-5


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (test_layers.LogDet, test_layers.IMAGE),
        (lambda name: keras.layers.Resizing(4, 4, name=name), test_layers.IMAGE),
        (lambda name: keras.layers.Conv3D(3, 3, name=name), test_layers.VOXELS),
    ],
    ids=["operator", "shape", "layout"],
)
def test_what_jax2onnx_fails_at_is_refused_by_its_name(layer, shape):
    """Whatever it raises, and wherever: as it traces the layer, or as it converts what that did."""
    filtered = keras.config.is_traceback_filtering_enabled()
    with pytest.raises(ValueError, match=r"^cannot export layer 'volume' \(\w+\): jax2on") as error:
        convert.encoder(test_layers.vae_of(layer(name="volume"), shape=shape))
    assert "\n" not in str(error.value)
    assert keras.config.is_traceback_filtering_enabled() == filtered


def test_a_bundle_is_exported_without_tensorflow(tmp_path):
    code = (
        "import sys, keras_vae; sys.modules['tensorflow'] = None\n"
        "vae = keras_vae.VAE.from_architecture('mlp', (4, 4, 1), latent_dim=2)\n"
        "vae.export(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "bundle"], check=True)
    assert (tmp_path / "bundle" / "scorer.onnx").is_file()
