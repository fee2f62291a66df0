"""Layers as people build them: each is exported and computes what Keras does, or is refused."""

import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers, ops

import keras_vae
from export import bundle, convert

IMAGE, STEPS, VOXELS = (8, 8, 2), (3, 2), (4, 4, 4, 2)


class Position(layers.Layer):
    """Keeps a tensor that is no weight, as positional codes are often kept."""

    def build(self, shape):
        self.code = ops.convert_to_tensor(np.sin(np.arange(shape[-1], dtype="float32")))

    def call(self, x):
        return x + self.code


class Counted(layers.Layer):
    """Counts along an axis as it computes."""

    def call(self, x):
        return x * ops.arange(x.shape[-1], dtype=x.dtype)


def scaled():
    """A function over a tensor."""
    scale = ops.arange(200, dtype="float32")
    return layers.Lambda(lambda x: scale * x)


class Twice(layers.Layer):
    """Not registered, as most people write a layer."""

    def call(self, x):
        return 2 * x


class Loop(layers.Layer):
    def call(self, x):
        return ops.fori_loop(0, 3, lambda i, v: 1.1 * v, x)


class LogDet(layers.Layer):
    def call(self, x):
        return ops.slogdet(ops.reshape(x, (-1, 8, 16))[:, :, :8])[1][:, None]


def adapted():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (20, *IMAGE)).astype("float32"))
    return layer


def vae_of(*hidden, shape=IMAGE):
    """A VAE whose encoder holds these layers."""
    x = h = keras.Input(shape)
    for layer in hidden:
        h = layer(h)
    h = layers.Flatten()(h)
    encoder = keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)])
    z = keras.Input((2,))
    decoder = keras.Model(z, layers.Reshape(shape)(layers.Dense(int(np.prod(shape)))(z)))
    vae = keras_vae.VAE(encoder, decoder, likelihood="normal", seed=0)
    rng = np.random.default_rng(1)  # no weight is where it began
    vae.set_weights([w + 0.1 * rng.normal(size=w.shape).astype(w.dtype) for w in vae.get_weights()])
    return vae


LAYERS = {
    "gelu": (lambda: layers.Dense(4, activation="gelu"), IMAGE),
    "celu": (lambda: layers.Activation("celu"), IMAGE),
    "normalization": (adapted, IMAGE),
    "position": (Position, (200,)),
    "counted": (Counted, IMAGE),
    "lambda": (scaled, (200,)),
    "grouped": (lambda: layers.Conv2D(4, 3, groups=2), IMAGE),
    "conv3d": (lambda: layers.Conv3D(3, 3, strides=2, padding="same"), VOXELS),
    "lstm": (lambda: layers.LSTM(2), STEPS),
    "gru": (lambda: layers.GRU(2, return_sequences=True), STEPS),
    "bidirectional": (lambda: layers.Bidirectional(layers.SimpleRNN(2)), STEPS),
}


def differences(vae):
    """Of z_mean and z_log_var from those of Keras, for batches of 1, 3 and 0, relative above 1."""
    session = onnxruntime.InferenceSession(convert.encoder(vae).SerializeToString())
    for batch in (1, 3, 0):
        x = np.random.default_rng(batch).normal(size=(batch, *vae.input_shape)).astype("float32")
        computed = session.run(None, {"x": x})
        assert [array.shape for array in computed] == [(batch, 2)] * 2
        if batch:  # TensorFlow itself has no LSTM of an empty one
            for ours, theirs in zip(computed, vae.posterior(x), strict=True):
                gaps = np.abs(ours - (theirs := ops.convert_to_numpy(theirs)))
                yield np.max(gaps / np.maximum(np.abs(theirs), 1))


@pytest.mark.parametrize(("hidden", "shape"), LAYERS.values(), ids=LAYERS)
def test_a_layer_is_exported_and_computes_what_keras_does(hidden, shape):
    assert max(differences(vae_of(hidden(), shape=shape))) <= 1e-5


def test_a_recurrent_layer_is_left_as_it_was():
    layer = layers.GRU(2)
    vae = vae_of(layer, shape=STEPS)
    convert.encoder(vae)
    assert not layer.unroll


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Loop(name="turning"), r"layer 'turning' \(Loop\): it holds control flow"),
        (LogDet(name="volume"), r"layer 'volume' \(LogDet\): there is no ONNX operator"),
    ],
    ids=["loop", "operator"],
)
def test_a_refusal_names_the_layer(layer, reason):
    with pytest.raises(ValueError, match=reason):
        convert.encoder(vae_of(layer))


def test_an_axis_is_named_batch_only_where_it_is_as_long():
    """Dense makes rows of pixels of a batch, and onnxruntime shares memory by names."""
    model = convert.encoder(vae_of(layers.Dense(5), layers.Dense(7)))
    shapes = {v.name: v.type.tensor_type.shape.dim for v in model.graph.value_info}
    firsts = {dims[-1].dim_value: dims[0].dim_param for dims in shapes.values() if len(dims) == 2}
    assert firsts[7] == firsts[5] == ""
    assert "batch" in {dims[0].dim_param for dims in shapes.values() if dims}


@pytest.mark.parametrize(
    "layer", [Twice, lambda: layers.Lambda(lambda x: 2 * x)], ids=["own", "lambda"]
)
def test_mixed_precision_goes_to_float32_with_layers_that_are_not_registered(layer):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = vae_of(layers.Dense(3), layer())
    finally:
        keras.config.set_dtype_policy(policy)
    full = convert.float32(vae)
    assert {inner.compute_dtype for inner in full._flatten_layers()} == {"float32"}
    for ours, theirs in zip(full.get_weights(), vae.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_model_that_no_file_can_hold_is_refused_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "MOST", 1000)
    with pytest.raises(ValueError, match=r"at most 0\.00 GB, and the weights of this model take"):
        bundle.write(vae_of(), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
