"""The gate: what it lets pass, and what it refuses."""

import keras
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export import bundle, convert, loading, validate


@pytest.fixture
def folder(exported, tmp_path):
    for name in bundle.GRAPHS.keys() - {"imputer.onnx"}:  # which only tables have
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    return tmp_path


def damage(path, change):
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)


def nudge(name, amount=1e-3):
    def change(graph):
        for tensor in graph.initializer:
            if tensor.name == name:
                array = numpy_helper.to_array(tensor) + np.float32(amount)
                tensor.CopyFrom(numpy_helper.from_array(array, name))

    return change


def insert(op_type, domain="", **attributes):
    """Puts an operator between x_params and x_hat."""

    def change(graph):
        graph.node[-1].input[0] = "noisy"
        node = helper.make_node(op_type, ["x_params"], ["noisy"], domain=domain, **attributes)
        graph.node.insert(len(graph.node) - 1, node)

    return change


def test_differences_are_small_and_named_by_output(vae, folder):
    gaps = validate.check(vae, folder)
    scores = {"elbo", "reconstruction_loss", "kl_loss", "log_likelihood"}
    assert gaps.keys() == {
        "z_mean",
        "z_log_var",
        "x_params",
        "x_hat",
        "z",
        "x",
        *scores,
        "element_log_prob",
    }
    assert 0 < max(gaps.values()) <= 1e-5


def test_trained_like_weights_of_both_architectures_pass(mlp, tmp_path, save_graphs):
    save_graphs(mlp, tmp_path)
    assert max(validate.check(mlp, tmp_path).values()) <= 1e-5


@pytest.mark.parametrize(
    ("file", "weight", "output"),
    [
        ("decoder.onnx", "decoder/ConvTranspose_2.B", "x_params"),
        ("encoder.onnx", "encoder/Add_1.B", "z_mean"),
    ],
)
def test_changed_weight_is_refused_naming_file_batch_and_difference(
    vae, folder, file, weight, output
):
    damage(folder / file, nudge(weight))
    with pytest.raises(validate.ValidationError, match=rf"^{file}, batch 1: {output} .* 0\.001"):
        validate.check(vae, folder)


def test_tolerance_decides(vae, folder):
    damage(folder / "decoder.onnx", nudge("decoder/ConvTranspose_2.B"))
    with pytest.raises(validate.ValidationError, match=r"decoder\.onnx.*tolerance 0\.0005"):
        validate.check(vae, folder, tolerance=5e-4)
    with pytest.raises(validate.ValidationError, match=r"sampler\.onnx"):  # no more the same graph
        validate.check(vae, folder, tolerance=5e-3)


def test_difference_only_in_extreme_latents_is_refused(vae, folder):
    damage(folder / "decoder.onnx", insert("Clip"))
    damage(folder / "decoder.onnx", lambda graph: graph.node[-2].input.extend(["low", "high"]))
    z = np.random.default_rng(1).standard_normal((4096, 3), dtype=np.float32)
    x_params = keras.ops.convert_to_numpy(vae.decoder(z))
    for name, value in {"low": x_params.min(), "high": x_params.max()}.items():
        limit = numpy_helper.from_array(np.array(value, np.float32), name)
        damage(folder / "decoder.onnx", lambda graph, t=limit: graph.initializer.append(t))
    with pytest.raises(validate.ValidationError, match="extreme latents: x_hat"):
        validate.check(vae, folder, tolerance=1e-6)


def test_random_operator_is_refused(vae, folder):
    damage(folder / "decoder.onnx", insert("RandomNormalLike"))
    with pytest.raises(validate.ValidationError, match=r"decoder\.onnx: RandomNormalLike is rand"):
        validate.check(vae, folder)


def test_random_operator_inside_a_branch_is_refused(folder):
    def branch(graph):
        out = helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, [1])
        node = helper.make_node("RandomUniform", [], ["r"], shape=[1])
        inner = helper.make_graph([node], "inner", [], [out])
        truth = numpy_helper.from_array(np.array(True), "truth")
        graph.initializer.append(truth)
        graph.node.append(
            helper.make_node("If", ["truth"], ["s"], then_branch=inner, else_branch=inner)
        )

    damage(folder / "decoder.onnx", branch)
    with pytest.raises(validate.ValidationError, match="RandomUniform is random"):
        loading.load(folder / "decoder.onnx")


def test_foreign_domain_is_refused(vae, folder):
    damage(folder / "decoder.onnx", insert("Gelu", domain="com.microsoft"))
    model = onnx.load(folder / "decoder.onnx")
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, folder / "decoder.onnx")
    with pytest.raises(validate.ValidationError, match=r"Gelu is of domain 'com\.microsoft'"):
        validate.check(vae, folder)


def test_unknown_operator_is_refused_in_one_line(vae, folder):
    damage(folder / "decoder.onnx", insert("StatelessRandomNormalV2"))
    with pytest.raises(validate.ValidationError, match="StatelessRandomNormalV2") as caught:
        validate.check(vae, folder)
    assert "\n" not in str(caught.value)


def test_file_of_another_size_is_refused(folder, make_vae):
    other = make_vae("mlp", (8, 8, 1), hidden=(5,))
    with pytest.raises(validate.ValidationError, match="differs from Keras"):
        validate.check(other, folder)


def test_nan_is_refused(folder, make_vae):
    broken = make_vae("conv", filters=(4, 8), units=16)
    broken.decoder.weights[-1].assign(np.full(1, np.nan))
    onnx.save(convert.decoder(broken), folder / "decoder.onnx")
    with pytest.raises(validate.ValidationError, match="by nan"):
        validate.check(broken, folder)


def test_difference_is_absolute_up_to_one_and_relative_beyond():
    assert validate.difference(np.array([0.5]), np.array([0.25])) == 0.25
    assert validate.difference(np.array([100.0]), np.array([200.0])) == 0.5
    assert validate.difference(np.zeros((2, 1)), np.zeros(2)) == np.inf
