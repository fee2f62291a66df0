"""One model, one text: the same ONNX graph always gets the same order and the same names."""

import copy
from importlib import metadata

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper, shape_inference

from export.grouping import graphs, groups

BATCH = "batch"
BATCHES = (1009, 2003)
"""Lengths of a batch that no size of a model is taken for, both."""
OPSET = 18
IR_VERSION = 8  # the lowest that allows opset 18, so that older runtimes load the file too
PRODUCER = "keras-vae"


def canonical(model, outputs, keep=(), group=None):
    """Rewrites an ONNX model so that its bytes depend on what it computes and on nothing else.

    Converters name and order things by counters and hash tables, which differ between processes.
    Here dead nodes are removed. The others stand in depth-first order from `outputs`; a node has
    the name of its group and operator (`decoder/Conv_0`), and a constant that of its operand
    (`decoder/Conv_0.W`). Equal constants become one, which stands in the outermost graph. A
    computed shape of which all but the batch is known becomes a constant. A reduction names its
    axes from the front, and keeps them until a Squeeze: see `_plain_reductions`.

    Args:
        model: an `onnx.ModelProto`.
        outputs: the names of the outputs, in the order wanted.
        keep: names of intermediate tensors that keep their name.
        group: of all nodes, such as `"decoder"`; None: as `grouping.groups` has it.

    Returns:
        A new `onnx.ModelProto` of opset 18. The dynamic axes of its inputs and outputs have the
        name `batch`, and all shapes are inferred.

    Raises:
        ValueError: the graph lacks one of `outputs`.

    Example:

    >>> node = helper.make_node("Relu", ["x"], ["b"], name="relu__17")
    >>> x, y = (helper.make_tensor_value_info(n, 1, [None, 2]) for n in "xb")
    >>> model = helper.make_model(helper.make_graph([node], "g", [x], [y]))
    >>> canonical(model, ["b"], group="decoder").graph.node[0].name
    'decoder/Relu_0'
    """
    graph = _plain_reductions(_fix_reshapes(model)).graph
    named = {value.name: value for value in [*graph.input, *graph.output]}
    inputs = [value.name for value in graph.input]
    known = groups(graph)
    of = known if group is None else dict.fromkeys(known, group)
    rewriter = _Rewriter([*named, *keep], inputs, of)
    nodes = rewriter.nodes(graph, outputs)
    graph = helper.make_graph(
        nodes, PRODUCER, list(graph.input), [named[name] for name in outputs], rewriter.weights()
    )
    return _infer(_model(graph))


def version():
    """The version of keras-vae that writes the files, for the people who read them.

    A source tree that is not installed does not know its version: `"0+source"`.
    """
    try:
        return metadata.version(PRODUCER)
    except metadata.PackageNotFoundError:
        return "0+source"


def _model(graph):
    domains = sorted({node.domain for node in graph.node} - {""})
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)]
        + [helper.make_opsetid(domain, 1) for domain in domains],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=version(),
    )


def _infer(model):
    """Fills in all shapes. An axis is named `batch` if it is as long as the batch for any batch.

    onnxruntime lets values share their memory where axes have one name, so a name must be true:
    rows of pixels are more than examples. Other axes have no name, since tract refuses one that is
    computed inside.
    """
    long = [_at_batch(model, batch) for batch in BATCHES]
    model = shape_inference.infer_shapes(model, data_prop=True)
    _name(model.graph, long)
    for dim in _unknown(model.graph.output):
        dim.dim_param = BATCH
    return model


def _at_batch(model, batch):
    """The shapes by name, if the batch is so long, and two draws of each example."""
    model = copy.deepcopy(model)
    for value in model.graph.input:
        for place, dim in enumerate(reversed(_unknown([value]))):
            dim.dim_value = 2 if place else batch
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    return {v.name: _shape(v) for v in [*graph.input, *graph.value_info, *graph.output]}


def _name(graph, long):
    """Names the axes that are as long as the batch, forgets other names, and sorts the values."""
    values = sorted(graph.value_info, key=lambda value: value.name)
    del graph.value_info[:]
    graph.value_info.extend(values)
    for value in [*graph.input, *graph.value_info, *graph.output]:
        lengths = [shapes.get(value.name) for shapes in long]
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_value"):
                continue
            dim.Clear()
            if lengths and all(lengths) and [shape[axis] for shape in lengths] == [*BATCHES]:
                dim.dim_param = BATCH
    for node in graph.node:
        for inner in graphs(node):
            _name(inner, ())


def _unknown(values):
    dims = (dim for value in values for dim in value.type.tensor_type.shape.dim)
    return [dim for dim in dims if not dim.HasField("dim_value")]


def _fix_reshapes(model):
    """Gives a Reshape the constant shape [-1, ...] if all but one axis of its result is known."""
    model = shape_inference.infer_shapes(model, data_prop=True)
    known = {v.name: _shape(v) for v in [*model.graph.value_info, *model.graph.output]}
    for index, node in enumerate(model.graph.node):
        shape = known.get(node.output[0], [])
        if node.op_type == "Reshape" and shape.count(-1) == 1:
            node.input[1] = f"shape__{index}"
            constant = numpy_helper.from_array(np.array(shape, np.int64), node.input[1])
            model.graph.initializer.append(constant)
    return model


def _plain_reductions(model):
    """Writes reductions in the one form that all runtimes compute.

    onnxruntime 1.30 takes no axis of -1 where there is nothing to reduce, in a batch of 0. OpenVINO
    2026.4 errs where the last axis goes and what is left is added to a constant of each column.
    """
    graph = model.graph
    known = {v.name: _shape(v) for v in [*graph.input, *graph.value_info, *graph.output]}
    held = {tensor.name: tensor for tensor in graph.initializer}
    held |= {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant"}
    for index, node in enumerate(list(graph.node)):
        shape = known.get(node.input[0]) if node.op_type.startswith("Reduce") else None
        if shape and len(node.input) == 2 and node.input[1] in held:
            axes = [axis % len(shape) for axis in numpy_helper.to_array(held[node.input[1]])]
            node.input[1] = f"axes__{index}"
            array = np.array(axes, np.int64)
            graph.initializer.append(numpy_helper.from_array(array, node.input[1]))
            if len(shape) > 2 and len(shape) - 1 in axes:
                graph.node.extend(_squeezed(node))
    return model


def _squeezed(node):
    """Has a reduction keep its axes; returns the node that takes them away, if they shall go."""
    for attribute in node.attribute:
        if attribute.name == "keepdims" and not attribute.i:
            attribute.i = 1
            inner, result = f"{node.output[0]}__kept", node.output[0]
            node.output[0] = inner
            return [helper.make_node("Squeeze", [inner, node.input[1]], [result])]
    return []


def _shape(value):
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims]


def _depth_first(graph, outputs):
    """The nodes that `outputs` need, each after those that it needs, without the constants."""
    producer = {name: node for node in graph.node for name in node.output}
    done, stack = {}, [producer[name] for name in reversed(outputs) if name in producer]
    while stack:
        node = stack[-1]
        sources = [producer[name] for name in _sources(node) if name in producer]
        waiting = [source for source in sources if source.output[0] not in done]
        if waiting:
            stack.append(waiting[0])
        else:
            done.setdefault(stack.pop().output[0], node)
    return [node for node in done.values() if node.op_type != "Constant"]


def _sources(node):
    """The names that a node reads, and those that the graphs within it read."""
    yield from node.input
    for graph in graphs(node):
        for inner in graph.node:
            yield from _sources(inner)
        yield from (value.name for value in graph.output)


class _Rewriter:
    """New names for the nodes, values and constants of a graph and the graphs within."""

    def __init__(self, kept, defaults, groups):
        self.names = {name: name for name in kept}
        self.defaults, self.groups = defaults, groups
        self.constants, self.counts, self.labels = {}, {}, {}

    def nodes(self, graph, outputs):
        """The nodes that `outputs` need, in order and with new names."""
        self.constants.update({tensor.name: tensor for tensor in graph.initializer})
        self.constants.update(
            {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant"}
        )
        nodes = [self._node(node) for node in _depth_first(graph, outputs)]
        missing = [name for name in outputs if name not in self.names]
        if missing:
            raise ValueError(f"the converted graph does not compute {missing[0]!r}")
        return nodes

    def weights(self):
        """The constants that the nodes use, and the defaults of inputs."""
        defaults = [self.constants[name] for name in self.defaults if name in self.constants]
        return [*self.labels.values(), *defaults]

    def _node(self, node):
        group = self.groups[node.output[0]]
        kind = f"{group}/{node.op_type}" if group else node.op_type
        index = self.counts[kind] = self.counts.get(kind, -1) + 1
        name = f"{kind}_{index}"
        for position, source in enumerate(node.input):
            if source in self.constants and source not in self.names:
                self.names[source] = self._constant(source, f"{name}.{_operand(node, position)}")
        for position, output in enumerate(node.output):
            self.names.setdefault(output, f"{name}.{position}" if position else name)
        copy = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=name)
        copy.input.extend(self.names[source] if source else "" for source in node.input)
        copy.output.extend(self.names[output] if output else "" for output in node.output)
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        copy.attribute.extend(self._attribute(attribute, name) for attribute in attributes)
        return copy

    def _constant(self, source, label):
        tensor = numpy_helper.to_array(self.constants[source])
        key = (tensor.dtype.str, tensor.shape, tensor.tobytes())
        return self.labels.setdefault(key, numpy_helper.from_array(tensor, label)).name

    def _attribute(self, attribute, name):
        if not attribute.HasField("g"):
            return attribute
        graph = attribute.g
        label = f"{name}.{attribute.name}"
        self.names.update({v.name: f"{label}.{i}" for i, v in enumerate(graph.input)})
        nodes = self.nodes(graph, [value.name for value in graph.output])
        for value in [*graph.input, *graph.output]:
            value.name = self.names[value.name]
        inner = helper.make_graph(nodes, label, list(graph.input), list(graph.output))
        return helper.make_attribute(attribute.name, inner)


def _operand(node, position):
    known = defs.has(node.op_type, OPSET, node.domain)
    operands = defs.get_schema(node.op_type, OPSET, node.domain).inputs if known else []
    return operands[position].name if position < len(operands) else f"input_{position}"
