"""The converter of Keras on JAX: jax2onnx, and what it lacks."""

import contextlib
import traceback

import jax
import jax.numpy as jnp
import jax2onnx
import keras
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
        with _arange_from_zero():
            found = function(**dict(zip(shapes, tensors, strict=True)))
        outputs[:] = found
        return [*found.values()]

    try:
        with _whole_tracebacks():
            model = jax2onnx.to_onnx(
                traced, inputs=[*axes.values()], input_names=[*shapes], opset=OPSET
            )
    except Exception as error:  # it raises what its many parts happen to
        raise refusals.not_converted("jax2onnx", error, _place_of(error), layers) from error
    for node in model.graph.node:
        if any(graphs(node)):
            raise refusals.control_flow(node.op_type, _place(traced, axes, LOOPS), layers)
    _rename_outputs(model, outputs)
    return model


def _axes(shape):
    """The lengths of an input's axes: those of K draws and of the batch have names."""
    return ("batch", *shape) if None not in shape else ("draws", "batch", *shape[1:])


@contextlib.contextmanager
def _arange_from_zero():
    """Has `jnp.arange` take what Keras calls it with, `(n, None)`: that of jax2onnx does not."""
    arange = jnp.arange

    def of_keras(start, stop=None, step=None, **options):
        start, stop = (0, start) if stop is None else (start, stop)
        return arange(start, stop, 1 if step is None else step, **options)

    jnp.arange = of_keras
    try:
        yield
    finally:
        jnp.arange = arange


@contextlib.contextmanager
def _whole_tracebacks():
    """Keeps Keras from taking its layers out of tracebacks, which tell where an error arose."""
    filtered = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if filtered:
            keras.config.enable_traceback_filtering()


def _place_of(error):
    """Where it arose, such as `"decoder/dense_1"`: in a layer or in what it traced."""
    place = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        layer, equation = (frame.f_locals.get(name) for name in ("self", "eqn"))
        if isinstance(layer, keras.Layer):
            place = f"{place}/{layer.name}"
        elif hasattr(equation, "source_info"):
            place = str(equation.source_info.name_stack) or place
    return place


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
