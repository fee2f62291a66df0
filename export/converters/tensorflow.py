"""The converter of Keras on TensorFlow: tf2onnx, and what it lacks."""

import contextlib
import os

import onnx
import tensorflow as tf
import tf2onnx

from export.canonical import OPSET
from export.converters import refusals
from export.grouping import graphs

COPIES = "TF2ONNX_CATCH_ERRORS"


def convert(function, layers=(), **shapes):
    """Returns the ONNX model of a function of tensors.

    Args:
        function: of float32 tensors by name to a dictionary of tensors.
        layers: the `keras.Layer`s that it calls, which a refusal names.
        **shapes: of each input, the shape behind its first axis, which has any length.

    Raises:
        ValueError: it holds something that ONNX cannot say, such as a loop.

    Example:

    >>> model = convert(lambda x: {"y": 2 * x}, x=(3,))
    >>> [value.name for value in (*model.graph.input, *model.graph.output)]
    ['x', 'y']
    """
    signature = [tf.TensorSpec((None, *shape), name=name) for name, shape in shapes.items()]

    @tf.function(input_signature=signature)
    def traced(*tensors):
        return function(**dict(zip(shapes, tensors, strict=True)))

    with _inlined():
        concrete = traced.get_concrete_function()
        try:
            with _copies_nothing():
                model = _converted(traced, signature)
        except Exception:  # with copies, tf2onnx leaves out a step of its optimizer that fails
            model = _converted(traced, signature)
    _hold(model.graph, concrete.graph.captures)
    for node in model.graph.node:
        _check(node, layers)
    _take_zeros_as_they_are(model.graph)
    return model


def _converted(function, signature):
    model, _ = tf2onnx.convert.from_function(
        function, input_signature=signature, opset=OPSET, custom_op_handlers=HANDLERS
    )
    return model


@contextlib.contextmanager
def _copies_nothing():
    """Keeps tf2onnx from copying the graph, weights and all, before each step of its optimizer.

    It reads this variable whenever it converts.
    """
    if COPIES in os.environ:
        yield
        return
    os.environ[COPIES] = "FALSE"
    try:
        yield
    finally:
        del os.environ[COPIES]


@contextlib.contextmanager
def _inlined():
    """Has functions that are compiled on their own traced as a part of what calls them.

    Keras compiles grouped convolutions by XLA, since TensorFlow has no other for CPUs.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _hold(graph, captures):
    """Makes constants of the tensors that layers keep: tf2onnx takes them for inputs."""
    held = {placeholder.name: value for value, placeholder in captures}
    for value in [value for value in graph.input if value.name in held]:
        graph.input.remove(value)
        array = held[value.name].numpy()
        graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))


def _check(node, layers):
    if not onnx.defs.has(node.op_type, OPSET, node.domain):
        raise refusals.no_operator(f"the TensorFlow operation {node.op_type}", node.name, layers)
    if any(graphs(node)):
        raise refusals.control_flow(node.op_type, node.name, layers)


def _take_zeros_as_they_are(graph):
    """In a shape that is computed, 0 means an empty batch, not "as it was", which ONNX assumes."""
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] not in constants:
            node.CopyFrom(
                onnx.helper.make_node("Reshape", node.input, node.output, node.name, allowzero=1)
            )


def _erfc(context, node, name, args):
    """erfc(x) = 1 − erf(x), of `gelu`."""
    _combined(context, node, "Erf", lambda one, value: [one, value])


def _expm1(context, node, name, args):
    """expm1(x) = e^x − 1, of `celu`."""
    _combined(context, node, "Exp", lambda one, value: [value, one])


def _combined(context, node, kind, order):
    """Replaces a node of x by a difference of 1 and another of x."""
    dtype, shape = context.get_dtype(node.output[0]), context.get_shape(node.output[0])
    one = context.make_const(
        tf2onnx.utils.make_name("one"), tf2onnx.utils.map_onnx_to_numpy_type(dtype)(1)
    )
    inner = context.make_node(kind, node.input, name=tf2onnx.utils.make_name(node.name))
    outputs = node.output
    context.remove_node(node.name)
    inputs = order(one.output[0], inner.output[0])
    context.make_node(
        "Sub", inputs, name=node.name, outputs=outputs, dtypes=[dtype], shapes=[shape]
    )


HANDLERS = {"Erfc": (_erfc, []), "Expm1": (_expm1, [])}
