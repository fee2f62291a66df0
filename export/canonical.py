"""One model, one text: the same ONNX graph always gets the same order and the same names."""

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper, shape_inference

BATCH = "batch"
OPSET = 18
IR_VERSION = 8  # the lowest that allows opset 18, so that older runtimes load the file too
PRODUCER = "keras-vae"


def canonical(model, outputs, keep=(), version=""):
    """Rewrite an ONNX model so that its bytes depend on what it computes and on nothing else.

    Converters name and order things by counters and hash tables that differ between processes.
    Here dead nodes go, the rest stand in depth-first order from `outputs`, named by their
    operator (`Conv_0`) and their operand (`Conv_0.W`); equal constants are one constant; a
    computed shape that is known but for the batch becomes a constant.

    Args:
        model: an `onnx.ModelProto` whose one dynamic axis is the batch.
        outputs: the names of the outputs, in the order wanted.
        keep: names of intermediate tensors that keep their name.
        version: the producer's version, to be written into the file.

    Returns:
        A new `onnx.ModelProto`: opset 18, the dynamic axes named `batch`, shapes inferred.

    Raises:
        ValueError: the graph holds control flow, or lacks one of `outputs`.

    Example:

    >>> node = helper.make_node("Relu", ["x"], ["b"], name="relu__17")
    >>> x, y = (helper.make_tensor_value_info(n, 1, [None, 2]) for n in "xb")
    >>> model = helper.make_model(helper.make_graph([node], "g", [x], [y]))
    >>> canonical(model, ["b"]).graph.node[0].name
    'Relu_0'
    """
    graph = _fix_reshapes(model).graph
    nodes = _depth_first(graph, outputs)
    _refuse_control_flow(nodes)
    named = {value.name: value for value in [*graph.input, *graph.output]}
    kept = {*named, *keep}
    nodes, weights = _rename(nodes, {t.name: t for t in graph.initializer}, kept)
    graph = helper.make_graph(
        nodes, PRODUCER, list(graph.input), [named[name] for name in outputs], weights
    )
    return _infer(_model(graph, version))


def _model(graph, version):
    domains = sorted({node.domain for node in graph.node} - {""})
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)]
        + [helper.make_opsetid(domain, 1) for domain in domains],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=version,
    )


def _infer(model):
    model = shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    values = sorted(graph.value_info, key=lambda value: value.name)
    del graph.value_info[:]
    graph.value_info.extend(values)
    for dim in _unknown([*graph.input, *graph.output]):
        dim.dim_param = BATCH
    for dim in _unknown(graph.value_info):
        if any(_unknown(graph.input)):
            dim.dim_param = BATCH
        else:  # the batch is made inside; tract refuses a name for what it counts itself
            dim.Clear()
    return model


def _unknown(values):
    dims = (dim for value in values for dim in value.type.tensor_type.shape.dim)
    return [dim for dim in dims if not dim.HasField("dim_value")]


def _fix_reshapes(model):
    """Give each Reshape whose result is known but for one axis the constant shape [-1, ...]."""
    model = shape_inference.infer_shapes(model, data_prop=True)
    known = {v.name: _shape(v) for v in [*model.graph.value_info, *model.graph.output]}
    for index, node in enumerate(model.graph.node):
        shape = known.get(node.output[0], [])
        if node.op_type == "Reshape" and shape.count(-1) == 1:
            node.input[1] = f"shape__{index}"
            constant = numpy_helper.from_array(np.array(shape, np.int64), node.input[1])
            model.graph.initializer.append(constant)
    return model


def _shape(value):
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims]


def _depth_first(graph, outputs):
    producer = {name: node for node in graph.node for name in node.output}
    missing = [name for name in outputs if name not in producer]
    if missing:
        raise ValueError(f"the converted graph does not compute {missing[0]!r}")
    done, stack = {}, [producer[name] for name in reversed(outputs)]
    while stack:
        node = stack[-1]
        sources = [producer[name] for name in node.input if name in producer]
        waiting = [source for source in sources if source.output[0] not in done]
        if waiting:
            stack.append(waiting[0])
        else:
            done.setdefault(stack.pop().output[0], node)
    return list(done.values())


def _refuse_control_flow(nodes):
    for node in nodes:
        if any(attribute.type in (5, 10) for attribute in node.attribute):  # GRAPH, GRAPHS
            raise ValueError(
                f"cannot export a model with control flow ({node.op_type}): "
                "use layers without loops or conditions, such as an RNN with unroll=True"
            )


def _rename(nodes, constants, kept):
    names = {name: name for name in kept}
    counts, weights, renamed = {}, {}, []
    for node in nodes:
        index = counts[node.op_type] = counts.get(node.op_type, -1) + 1
        name = f"{node.op_type}_{index}"
        for position, source in enumerate(node.input):
            if source in constants and source not in names:
                tensor = numpy_helper.to_array(constants[source])
                label = f"{name}.{_operand(node, position)}"
                key = (tensor.dtype.str, tensor.shape, tensor.tobytes())
                weights.setdefault(key, numpy_helper.from_array(tensor, label))
                names[source] = weights[key].name
        for position, output in enumerate(node.output):
            names.setdefault(output, f"{name}.{position}" if position else name)
        renamed.append(_node(node, name, names))
    return renamed, list(weights.values())


def _operand(node, position):
    known = defs.has(node.op_type, OPSET, node.domain)
    operands = defs.get_schema(node.op_type, OPSET, node.domain).inputs if known else []
    return operands[position].name if position < len(operands) else f"input_{position}"


def _node(node, name, names):
    copy = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=name)
    copy.input.extend(names[source] if source else "" for source in node.input)
    copy.output.extend(names[output] if output else "" for output in node.output)
    copy.attribute.extend(sorted(node.attribute, key=lambda attribute: attribute.name))
    return copy
