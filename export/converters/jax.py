"""The converter of Keras on JAX: jax2onnx."""

import jax
import jax2onnx
import onnx
from jax.extend import core

from export.canonical import OPSET
from export.converters import refusals
from export.grouping import graphs

LOOPS = ("while", "scan", "cond")
"""The primitives of JAX that are control flow."""


def convert(function, layers=(), **shapes):
    """Returns the ONNX model of a function of tensors, as `converters.tensorflow.convert` does."""
    axes = {name: _axes(shape) for name, shape in shapes.items()}
    outputs = []

    def traced(*tensors):
        found = function(**dict(zip(shapes, tensors, strict=True)))
        outputs[:] = found
        return [*found.values()]

    try:
        model = jax2onnx.to_onnx(
            traced, inputs=[*axes.values()], input_names=[*shapes], opset=OPSET
        )
    except NotImplementedError as error:
        place = _place(traced, axes, str(error).split())
        raise refusals.no_operator(f"an operation of JAX ({error})", place, layers) from error
    for node in model.graph.node:
        if any(graphs(node)):
            raise refusals.control_flow(node.op_type, _place(traced, axes, LOOPS), layers)
    _rename_outputs(model, outputs)
    return model


def _axes(shape):
    """The lengths of an input's axes: those of K draws and of the batch have names."""
    return ("batch", *shape) if None not in shape else ("draws", "batch", *shape[1:])


def _place(function, axes, primitives):
    """Where the first of these primitives stands, such as `"decoder/dense_1"`; `""` if nowhere."""
    sizes = {"batch": 2, "draws": 3}
    arguments = [
        jax.ShapeDtypeStruct([sizes.get(axis, axis) for axis in shape], "float32")
        for shape in axes.values()
    ]
    equations = _equations(jax.make_jaxpr(function)(*arguments).jaxpr)
    found = (e for e in equations if {e.primitive.name, e.primitive.name + ":"} & {*primitives})
    equation = next(found, None)
    return "" if equation is None else str(equation.source_info.name_stack)


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for inner in core.jaxprs_in_params(equation.params):
            yield from _equations(inner)


def _rename_outputs(model, names):
    """Gives the outputs the names that the function has for them."""
    for value, name in zip(model.graph.output, names, strict=True):
        identity = onnx.helper.make_node("Identity", [value.name], [name])
        model.graph.node.append(identity)
        value.name = name
