"""elements.onnx: x, num_samples, seed, index -> where each example is strange."""

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import build, inline

from export.canonical import canonical
from export.scorer import arguments, over_draws

OUTPUT = "element_log_prob"


def elements(parts):
    """Returns the ONNX model of `keras_vae.VAE.element_log_prob`.

    Args:
        parts: the converted VAE, a `convert.Parts`.

    Returns:
        An `onnx.ModelProto` with the inputs of `scorer`, and the output `element_log_prob`
        (batch, ...), float32: the terms of log p(x|z) by element, in nats, their mean over the
        draws of z. None, if the likelihood has no such terms.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [value.name for value in elements(convert.parts(vae)).graph.output]
    ['element_log_prob']
    """
    if parts.elements is None:
        return None
    inputs, examples, num_samples = arguments(parts)
    terms = inline(parts.elements)

    def start(nothing):  # (batch,) zeros
        shape = parts.element_shape
        rows = op.reshape(nothing, op.const(np.array([-1] + [1] * len(shape))))
        return (op.expand(rows, op.const(np.array([1, *shape]))),)

    def add(totals, given):
        return (op.add(totals[0], terms(**given)["terms"]),)

    (total,) = over_draws(parts, inputs, examples, num_samples, start, add)
    mean = op.div(total, op.cast(num_samples, to=np.float32))
    return canonical(build(inputs, {OUTPUT: mean}), [OUTPUT])
