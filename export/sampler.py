"""sampler.onnx, the generative model: seed, first, count, temperature[, label] -> z, x_hat."""

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, argument, build, inline

from export import noise
from export.canonical import canonical


def sampler(parts):
    """Returns the ONNX model seed, first, count, temperature -> z, x_hat.

    Args:
        parts: the converted VAE, a `convert.Parts`.

    Returns:
        An `onnx.ModelProto`. Its inputs are scalars: `seed`, `first`, `count` (int64) and
        `temperature` (float32); a conditional model has `label` (int64) too. Its outputs are `z`
        (count, latent_dim) and `x_hat` (count, *input_shape). No input has a default value, since
        onnxruntime-web, onnxruntime-node and OpenVINO treat an input with a default as a constant:
        they ignore or refuse a value for it.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [value.name for value in sampler(convert.parts(vae)).graph.output]
    ['z', 'x_hat']
    """
    scalars = {name: argument(Tensor(np.int64, ())) for name in ("seed", "first", "count")}
    temperature = argument(Tensor(np.float32, ()))
    latent = noise.latent(**scalars, latent_dim=parts.latent_dim)
    epsilon = op.mul(temperature, latent)
    z = inline(parts.prior)(epsilon=epsilon, u=noise.component(**scalars))["z"]
    inputs, given = {**scalars, "temperature": temperature}, {"z": z}
    if parts.num_classes is not None:
        inputs["label"] = argument(Tensor(np.int64, ()))
        given["label"] = op.add(inputs["label"], _zeros(latent))
    x_hat = inline(parts.decoder)(**given)["x_hat"]
    model = build(inputs, {"z": z, "x_hat": x_hat})
    return canonical(model, ["z", "x_hat"])


def _zeros(latent):
    """int64 zeros (count,), made of `latent`: tract must see that both have the same count."""
    nothing = op.mul(latent, op.const(np.float32(0)))
    return op.cast(op.reduce_sum(nothing, op.const(np.array([1])), keepdims=False), to=np.int64)
