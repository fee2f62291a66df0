"""Nodes by what they are for: `noise/Add_3`, `prior/Gemm_0`, `decoder/Conv_1`, for viewers."""

NOISE, OUTPUTS = "noise", "outputs"


def groups(graph):
    """The group of each node of a composed graph, and of those within it, by its first output.

    A part that is inlined keeps its own group, which the names of its nodes say: `decoder` of
    `Inline_0__decoder/Conv_1`. What comes before a part makes its noise, and the rest the outputs.
    A graph without parts has no groups.

    Args:
        graph: an `onnx.GraphProto`.
    """
    nodes = list(_all(graph))
    known = {node.output[0]: _part(node.name) for node in nodes if _part(node.name)}
    producer = {name: node for node in nodes for name in node.output}
    waiting = [node for node in nodes if known.get(node.output[0])]
    while waiting:
        for name in waiting.pop().input:
            source = producer.get(name)
            if source is not None and source.output[0] not in known:
                known[source.output[0]] = NOISE
                waiting.append(source)
    rest = OUTPUTS if known else None
    return {node.output[0]: known.get(node.output[0], rest) for node in nodes}


def graphs(node):
    """The graphs within a node, such as the body of a loop."""
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _all(graph):
    for node in graph.node:
        yield node
        for inner in graphs(node):
            yield from _all(inner)


def _part(name):
    """The group in a name, perhaps with prefixes before it.

    Example:

    >>> [_part(name) for name in ("Inline_0__densities/Relu_0", "mean/decoder/Exp_0", "Add_0")]
    ['densities', 'decoder', '']
    """
    return name.rpartition("/")[0].rpartition("__")[2].rpartition("/")[2]
