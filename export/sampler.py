"""sampler.onnx and generator.onnx, the generative model: its means, and its draws."""

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, argument, build, inline

from export import noise
from export.canonical import canonical
from keras_vae import conditions


def sampler(parts):
    """Returns the ONNX model seed, first, count, temperature -> z, x_hat.

    Args:
        parts: the converted VAE, a `convert.Parts`.

    Returns:
        An `onnx.ModelProto`. Its inputs are scalars: `seed`, `first`, `count` (int64) and
        `temperature` (float32); a conditional model has `label` too, of the form of one y (see
        `keras_vae.conditions.form`). Its outputs are `z` (count, latent_dim) and `x_hat` (count,
        *input_shape). No input has a default value, since
        onnxruntime-web, onnxruntime-node and OpenVINO treat an input with a default as a constant:
        they ignore or refuse a value for it.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [value.name for value in sampler(convert.parts(vae)).graph.output]
    ['z', 'x_hat']
    """
    inputs, given = _latents(parts, _scalars())
    x_hat = inline(parts.decoder)(**_apart(given))["x_hat"]
    return canonical(build(inputs, {"z": given["z"], "x_hat": x_hat}), ["z", "x_hat"])


def generator(parts):
    """Returns the ONNX model seed, first, count, temperature -> z, x: x is drawn from p(x|z).

    Args:
        parts: the converted VAE, a `convert.Parts`.

    Returns:
        An `onnx.ModelProto` with the inputs of `sampler`, and the same `z`. `x` is
        (count, *input_shape): draw i of a seed is always the same one. None, if one x takes more
        noise than there is.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [value.name for value in generator(convert.parts(vae)).graph.output]
    ['z', 'x']
    """
    if parts.draw is None:
        return None
    scalars = _scalars()
    inputs, given = _latents(parts, scalars)
    x_params = inline(parts.params)(**_apart(given))["x_params"]
    u = noise.event(**scalars, shape=parts.noise_shape)
    x = inline(parts.draw)(x_params=x_params, u=u)["x"]
    return canonical(build(inputs, {"z": given["z"], "x": x}), ["z", "x"])


def _scalars():
    return {name: argument(Tensor(np.int64, ())) for name in ("seed", "first", "count")}


def _latents(parts, scalars):
    """The inputs of the graph, and what the decoder is given: `z`, and of some models `label`."""
    temperature = argument(Tensor(np.float32, ()))
    latent = noise.latent(**scalars, latent_dim=parts.latent_dim)
    epsilon = op.mul(temperature, latent)
    inputs, label = {**scalars, "temperature": temperature}, {}
    if parts.covariates:
        dtype, one = conditions.form(parts.covariates)
        inputs["label"] = argument(Tensor(dtype, one))
        label["label"] = op.add(inputs["label"], _zeros(latent, dtype, one))
    seen = label if parts.prior_sees_label else {}
    z = inline(parts.prior)(epsilon=epsilon, u=noise.component(**scalars), **seen)["z"]
    return inputs, {"z": z, **label}


def _apart(given):
    """What the decoder reads, apart from the output z: a tool may quantize the one alone."""
    return {**given, "z": op.identity(given["z"])}


def _zeros(latent, dtype, one):
    """Zeros (count,) or (count, 1), made of `latent`: tract must see that both have one count."""
    nothing = op.mul(latent, op.const(np.float32(0)))
    zeros = op.reduce_sum(nothing, op.const(np.array([1])), keepdims=bool(one))
    return zeros if dtype == np.float32 else op.cast(zeros, to=dtype)
