"""A convolution to few outputs becomes an equal transposed one."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, reference

from export.convolution import FEW, transpose_few


def convolution(outputs, inputs=9, kernel=(3, 3), **attributes):
    """A model x → y of one Conv with random weights."""
    rng = np.random.default_rng(0)
    w, b = (rng.standard_normal(s).astype("float32") for s in ((outputs, inputs, *kernel), outputs))
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in "xy")
    constants = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")]
    return helper.make_model(
        helper.make_graph([node], "g", [x], [y], constants),
        opset_imports=[helper.make_opsetid("", 18)],
    )


@pytest.mark.parametrize("outputs", [1, 3, FEW - 1])
@pytest.mark.parametrize(
    ("kernel", "pads"), [((3, 3), [1, 1, 1, 1]), ((2, 4), [0, 1, 1, 2]), ((1, 1), None)]
)
def test_the_sums_are_the_same(outputs, kernel, pads):
    model = convolution(outputs, kernel=kernel, **({"pads": pads} if pads else {}))
    x = np.random.default_rng(1).standard_normal((2, 9, 6, 7)).astype("float32")
    want = reference.ReferenceEvaluator(model).run(None, {"x": x})[0]
    transpose_few(model.graph)
    assert [node.op_type for node in model.graph.node] == ["ConvTranspose"]
    got = reference.ReferenceEvaluator(model).run(None, {"x": x})[0]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        {"outputs": FEW},
        {"outputs": 3, "inputs": 3},
        {"outputs": 1, "strides": [2, 2]},
        {"outputs": 1, "dilations": [2, 1]},
        {"outputs": 3, "inputs": 4, "group": 3},
        {"outputs": 1, "auto_pad": "SAME_UPPER"},
        {"outputs": 1, "pads": [3, 3, 3, 3]},
    ],
)
def test_others_stay_as_they_are(other):
    model = convolution(**other)
    before = model.SerializeToString()
    transpose_few(model.graph)
    assert model.SerializeToString() == before
