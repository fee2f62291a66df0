"""The graphs: names, shapes, opset, and bytes that follow from the model alone."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from export import convert, validate
from keras_vae import VAE
from keras_vae.distributions import Columns
from keras_vae.tables import Column

ROOT = Path(__file__).parents[2]
IN_A_PROCESS = """
import hashlib, sys, keras
for _ in range(int(sys.argv[1])):  # Keras numbers its layers by how many there were before
    keras.layers.Dense(1)
from export import convert
vae = keras.saving.load_model(sys.argv[2])
for model in (convert.encoder(vae), convert.decoder(vae)):
    print(hashlib.sha256(model.SerializeToString()).hexdigest())
"""


def signature(values):
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in values
    }


def operators(model):
    return [node.op_type for node in model.graph.node]


@pytest.fixture(scope="module")
def encoder(vae):
    return convert.encoder(vae)


@pytest.fixture(scope="module")
def decoder(vae):
    return convert.decoder(vae)


def test_encoder_maps_x_to_z_mean_and_z_log_var(encoder):
    assert signature(encoder.graph.input) == {"x": ["batch", 8, 8, 1]}
    assert signature(encoder.graph.output) == {"z_mean": ["batch", 3], "z_log_var": ["batch", 3]}
    assert [value.name for value in encoder.graph.output] == ["z_mean", "z_log_var"]


def test_decoder_maps_z_to_x_hat(decoder):
    assert signature(decoder.graph.input) == {"z": ["batch", 3]}
    assert signature(decoder.graph.output) == {"x_hat": ["batch", 8, 8, 1]}


def test_every_model_keeps_its_raw_parameters_as_x_params(decoder, mlp):
    for model in (decoder, convert.decoder(mlp)):
        assert "x_params" in {name for node in model.graph.node for name in node.output}


def test_opset_is_18_and_nothing_else_is_needed(encoder, decoder):
    for model in (encoder, decoder):
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
        assert model.ir_version == 8
        assert model.producer_name == "keras-vae"


def test_all_tensors_have_inferred_shapes_with_the_batch_first(encoder, decoder):
    for model in (encoder, decoder):
        known = signature([*model.graph.value_info, *model.graph.output])
        assert known.keys() == {name for node in model.graph.node for name in node.output}
        assert {dims[0] for dims in known.values()} == {"batch"}


def test_conv_decoder_holds_at_most_one_transpose(decoder):
    assert operators(decoder).count("Transpose") <= 1


def test_shapes_are_constants_and_not_computed(encoder, decoder):
    computed = {"Shape", "Gather", "Slice", "Concat", "Cast"}
    assert not computed & {*operators(encoder), *operators(decoder)}


def test_biases_are_in_the_file(decoder, vae):
    stored = [onnx.numpy_helper.to_array(t).ravel() for t in decoder.graph.initializer]
    for weight in vae.decoder.weights:
        if weight.name == "bias":
            bias = keras.ops.convert_to_numpy(weight)
            assert any(np.array_equal(bias, array) for array in stored)


def test_same_model_gives_the_same_bytes_in_any_process(saved, encoder, decoder):
    here = [hashlib.sha256(m.SerializeToString()).hexdigest() for m in (encoder, decoder)]
    there = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, "5", str(saved)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "17"},
        capture_output=True,
        text=True,
    )
    assert there.stdout.split() == here, there.stderr


def test_same_model_gives_the_same_bytes_twice(vae, encoder, decoder):
    assert convert.encoder(vae) == encoder
    assert convert.decoder(vae) == decoder


def test_another_weight_gives_other_bytes(decoder, make_vae):
    other = make_vae("conv", filters=(4, 8), units=16)
    other.decoder.weights[-1].assign(other.decoder.weights[-1] + 1e-3)
    assert convert.decoder(other).SerializeToString() != decoder.SerializeToString()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_reduced_precision_is_exported_as_float32(policy, tmp_path, make_vae, save_graphs):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        half = make_vae("conv", filters=(4,), units=8)
    finally:
        keras.config.set_dtype_policy(before)
    full = convert.float32(half)
    for model in (convert.encoder(full), convert.decoder(full)):
        values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
        assert {value.type.tensor_type.elem_type for value in values} == {onnx.TensorProto.FLOAT}
        assert "Cast" not in operators(model)
    save_graphs(full, tmp_path)
    assert max(validate.check(full, tmp_path).values()) <= 1e-5
    z = np.ones((2, 3), "float32")
    np.testing.assert_allclose(full.decode(z), half.decode(z), atol=0.02)


def test_full_precision_is_left_alone(vae):
    assert convert.float32(vae) is vae


def test_names_of_types_that_are_data_are_left_alone():
    column = Column("type", "category", categories=("float16", "float32", "float64"))
    vae = VAE.from_architecture("mlp", (1,), 2, Columns([column]), seed=0)
    assert convert.float32(vae) is vae


@pytest.mark.parametrize("shape", [(5,), (7, 5, 3), (1, 9, 2)])
@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_any_data_shape_converts_and_agrees(shape, likelihood, tmp_path, make_vae, save_graphs):
    vae = make_vae("mlp" if len(shape) == 1 else "conv", shape, likelihood)
    save_graphs(vae, tmp_path)
    assert max(validate.check(vae, tmp_path).values()) <= 1e-5


@pytest.mark.parametrize(
    ("architecture", "options"),
    [("mlp", {"gated": True}), ("resnet", {"width": 4}), ("resnet", {"width": 4, "groups": 2})],
    ids=["gated mlp", "resnet", "resnet, normalized"],
)
def test_every_architecture_converts_and_agrees(
    architecture, options, tmp_path, make_vae, save_graphs
):
    vae = make_vae(architecture, (9, 11, 2), "normal", **options)
    for weight in vae.trainable_variables:  # no block is the identity any more
        weight.assign(weight + 0.1 * np.random.default_rng(0).standard_normal(weight.shape))
    save_graphs(vae, tmp_path)
    assert max(validate.check(vae, tmp_path).values()) <= 1e-5


def test_a_step_of_the_optimizer_that_fails_is_left_out(monkeypatch):
    """It is tried without copies of the graph first, and that is known to nobody else."""
    from tf2onnx import optimizer

    from export.converters import tensorflow

    class Broken:
        def optimize(self, graph, iteration):
            tried.append(tensorflow.COPIES in os.environ)
            raise KeyError("a defect of tf2onnx")

    tried = []
    monkeypatch.delenv(tensorflow.COPIES, raising=False)
    monkeypatch.setitem(optimizer._optimizers, "broken", Broken)
    model = tensorflow.convert(lambda x: {"y": 2 * x}, x=(3,))
    assert [node.op_type for node in model.graph.node] == ["Mul"]
    assert tried[:2] == [True, False]
    assert tensorflow.COPIES not in os.environ
