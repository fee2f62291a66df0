"""One text of one model, in the forms that all runtimes compute."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from export.canonical import canonical

GRAPH = """
    <ir_version: 8, opset_import: ["": 18]>
    g (float[batch, 2, 3] x) => (float[batch, {sizes}] y)
      <int64[1] axes = {{{axis}}}, float[{sizes}] c = {{{values}}}> {{
      reduced = {op} <{keepdims}> (x, axes)
      y = Add (reduced, c)
    }}
"""


def reduced(op="ReduceSum", axis=-1, keepdims="keepdims = 0", sizes="2", values="1.0, 2.0"):
    text = GRAPH.format(op=op, axis=axis, keepdims=keepdims, sizes=sizes, values=values)
    return onnx.parser.parse_model(text)


def axes_of(model):
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type.startswith("Reduce")]
    return [held[node.input[1]].tolist() for node in nodes]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"op": "ReduceMax"},
        {"axis": 2},
        {"axis": -2, "sizes": "3", "values": "1.0, 2.0, 3.0"},
        {"keepdims": "keepdims = 1", "sizes": "2, 1"},
        {"keepdims": "noop_with_empty_axes = 0", "sizes": "2, 1"},
    ],
    ids=str,
)
def test_a_reduction_names_its_axes_from_the_front_and_computes_the_same(how):
    """Of an axis of -1, onnxruntime 1.30 makes another shape in a batch of 0."""
    given = reduced(**how)
    model = canonical(given, ["y"])
    assert axes_of(model) == [[how.get("axis", -1) % 3]]
    for batch in (0, 4):
        x = np.random.default_rng(0).normal(size=(batch, 2, 3)).astype("float32")
        ours, theirs = (
            onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"x": x})[0]
            for m in (model, given)
        )
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours, theirs)


def test_the_last_axis_goes_by_a_squeeze_of_its_own():
    """OpenVINO 2026.4 adds constants of columns at the wrong places to a sum without the axis."""
    kinds = [node.op_type for node in canonical(reduced(), ["y"]).graph.node]
    assert kinds == ["ReduceSum", "Squeeze", "Add"]
    other = canonical(reduced(axis=1, sizes="3", values="1.0, 2.0, 3.0"), ["y"])
    assert [node.op_type for node in other.graph.node] == ["ReduceSum", "Add"]
