"""imputer.onnx: x, num_samples, seed, index -> x with its gaps filled."""

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import build, inline

from export import noise
from export.canonical import canonical
from export.scorer import arguments

OUTPUT = "x_filled"


def imputer(parts):
    """Returns the ONNX model of `keras_vae.VAE.impute`.

    All `num_samples` draws are decoded at once, so memory grows with them and with the batch.

    Args:
        parts: the converted VAE, a `convert.Parts`.

    Returns:
        An `onnx.ModelProto` with the inputs of `scorer`, where NaN in `x` is an entry that is
        missing, and the output `x_filled` (batch, *input_shape), float32. None, if nothing of x
        may be missing.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> imputer(convert.parts(vae)) is None
    True
    """
    if parts.filling is None or parts.draw is None:
        return None
    inputs, examples, num_samples = arguments(parts)
    seed = inputs["seed"]
    keys, powers = noise.example_keys(seed, inputs["index"]), noise.runtime_powers(seed)
    draw = op.cast(op.range(op.const(np.int64(0)), num_samples, op.const(np.int64(1))), to=np.int32)
    u, u_of_x = noise.filling(keys, parts.noise_shape, powers)
    given = {
        **examples,
        **inline(parts.posterior)(x=examples["x"]),
        "epsilon": noise.draws(keys, draw, parts.latent_dim, powers),
        "u": u,
        "u_of_x": u_of_x,
    }
    filled = inline(parts.filling)(**given)[OUTPUT]
    return canonical(build(inputs, {OUTPUT: filled}), [OUTPUT])
