"""Convolutions with few outputs become transposed ones, which runtimes compute faster."""

import numpy as np
from onnx import helper, numpy_helper

FEW = 8
"""Outputs below which the transposed form was faster in every trial: 1.4 to 7 times.

onnxruntime computes outputs in blocks of 8 or 16 and throws away those that nobody asked for. A
transposed convolution multiplies the inputs by the kernel first, as one product of matrices, and
then adds up its few results: `python benchmarks/convolution.py`.
"""


def transpose_few(graph, few=FEW):
    """Replaces each Conv from many inputs to fewer than `few` outputs by an equal ConvTranspose.

    The kernel w is reversed, since output i of a convolution is Σ_j w_j x_(i + j), and output i of
    a transposed one is Σ_j w_j x_(i − j). The graph is changed in place.

    Example:

    >>> kernel = numpy_helper.from_array(np.ones((1, 16, 3, 3), "float32"), "W")
    >>> node = helper.make_node("Conv", ["x", "W"], ["y"], pads=[1, 1, 0, 0])
    >>> graph = helper.make_graph([node], "g", [], [], [kernel])
    >>> transpose_few(graph)
    >>> graph.node[0].op_type, list(graph.node[0].attribute[-1].ints)
    ('ConvTranspose', [1, 1, 2, 2])
    """
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for index, node in enumerate(graph.node):
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type != "Conv" or node.input[1] not in tensors or not _plain(attributes):
            continue
        kernel = numpy_helper.to_array(tensors[node.input[1]])
        outputs, inputs, *size = kernel.shape
        if outputs >= min(few, inputs):
            continue
        pads = attributes.get("pads", [0] * 2 * len(size))
        pads = [k - 1 - p for k, p in zip(2 * size, pads, strict=True)]
        if min(pads) < 0:
            continue
        turned = np.flip(kernel.swapaxes(0, 1), axis=range(2, kernel.ndim))
        tensor = numpy_helper.from_array(np.ascontiguousarray(turned), f"turned__{index}")
        graph.initializer.append(tensor)
        operands = [node.input[0], tensor.name, *node.input[2:]]
        options = {"name": node.name, "kernel_shape": size, "pads": pads}
        node.CopyFrom(helper.make_node("ConvTranspose", operands, node.output, **options))


def _plain(attributes):
    """Whether a convolution has one group, strides and dilations of 1, and explicit padding."""
    steps = [*attributes.get("strides", [1]), *attributes.get("dilations", [1])]
    padded = attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
    return padded and attributes.get("group", 1) == 1 and set(steps) == {1}
