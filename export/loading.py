"""An ONNX file of the bundle, read again as any runtime would."""

import onnx
import onnxruntime
from onnx import checker

from export.grouping import graphs

DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}


class ValidationError(ValueError):
    """An exported file is not the model that it was made from."""


def load(path):
    """Reads an ONNX file, and refuses what no other runtime could load or repeat.

    Raises:
        ValidationError: the checker complains, or an operator is random or not a standard one.
    """
    try:
        model = onnx.load(path)
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValidationError(f"{path.name}: {' '.join(str(error).split())}") from error
    for node in operators(model):
        if node.domain not in DOMAINS:
            raise ValidationError(f"{path.name}: {node.op_type} is of domain {node.domain!r}")
        if node.op_type in RANDOM:
            raise ValidationError(f"{path.name}: {node.op_type} is random; give noise as an input")
    return model


def operators(model):
    """Yields every node of a model, with those of its functions and inner graphs."""
    pending = [*model.graph.node, *(node for f in model.functions for node in f.node)]
    while pending:
        node = pending.pop()
        yield node
        for graph in graphs(node):
            pending.extend(graph.node)


def session(model):
    """onnxruntime with a model that `load` has read, by the CPU."""
    providers = ["CPUExecutionProvider"]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers)
