"""A VAE as two ONNX graphs: the encoder x -> z_mean, z_log_var; the decoder z -> x_hat."""

import onnx.compose
import onnx.defs
import tensorflow as tf
import tf2onnx

import keras_vae
from export.canonical import OPSET, canonical

HALF = {"float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}


def encoder(vae):
    """Return the ONNX model x -> z_mean, z_log_var: the posterior q(z|x) = N(z_mean, e^z_log_var).

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).

    Returns:
        An `onnx.ModelProto`; input `x` (batch, *input_shape), outputs `z_mean` and
        `z_log_var` (batch, latent_dim), all float32. The same weights give the same bytes.

    Raises:
        ValueError: the model holds something that ONNX cannot say, such as a loop.

    Example:

    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [output.name for output in encoder(vae).graph.output]
    ['z_mean', 'z_log_var']
    """

    def posterior(x):
        z_mean, z_log_var = vae.posterior(x)
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    return _canonical(_convert(posterior, x=vae.input_shape), ["z_mean", "z_log_var"])


def decoder(vae):
    """Return the ONNX model z -> x_hat: the mean of the likelihood p(x|z).

    The decoder's raw output stands in the graph as the tensor `x_params`, not as an output.

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).

    Returns:
        An `onnx.ModelProto`; input `z` (batch, latent_dim), output `x_hat`
        (batch, *input_shape), float32. The same weights give the same bytes.

    Raises:
        ValueError: the model holds something that ONNX cannot say, such as a loop.

    Example:

    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> decoder(vae).graph.output[0].name
    'x_hat'
    """
    shape = vae.decoder.output_shape[1:]
    params = _convert(lambda z: {"x_params": vae.decoder(z)}, z=(vae.latent_dim,))
    mean = _convert(lambda x_params: {"x_hat": vae.likelihood.mean(x_params)}, x_params=shape)
    # Converted apart and joined, because the converter moves operators across x_params.
    mean = onnx.compose.add_prefix(mean, "mean/", rename_inputs=False, rename_outputs=False)
    whole = onnx.compose.merge_models(params, mean, io_map=[("x_params", "x_params")])
    return _canonical(whole, ["x_hat"], keep=["x_params"])


def prior(vae):
    """Return the ONNX model epsilon -> z: the prior's function of standard normal noise.

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).

    Example:

    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> prior(vae).graph.output[0].name
    'z'
    """

    def transform(epsilon):
        return {"z": vae.prior.transform(epsilon)}

    return _canonical(_convert(transform, epsilon=(vae.latent_dim,)), ["z"])


def float32(vae):
    """Return the VAE itself, or a float32 copy with the same weights if it computes in less.

    Args:
        vae: a `keras_vae.VAE`, perhaps trained with a `mixed_float16` policy.

    Example:

    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> float32(vae) is vae
    True
    """
    config = vae.get_config()
    full = _full_precision(config)
    if full == config:
        return vae
    copy = type(vae).from_config(full)
    copy.set_weights(vae.get_weights())
    return copy


def _full_precision(config):
    if isinstance(config, dict):
        return {key: _full_precision(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_full_precision(value) for value in config)
    return "float32" if isinstance(config, str) and config in HALF else config


def _convert(function, **shapes):
    signature = [tf.TensorSpec((None, *s), tf.float32, name=name) for name, s in shapes.items()]
    traced = tf.function(function, input_signature=signature)
    model, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=OPSET)
    for node in model.graph.node:
        if not onnx.defs.has(node.op_type, OPSET, node.domain):
            raise ValueError(
                f"cannot export the TensorFlow operation {node.op_type} ({node.name}): the "
                "converter knows no ONNX operator for it; use another layer or activation"
            )
    return model


def _canonical(model, outputs, keep=()):
    return canonical(model, outputs, keep, version=keras_vae.__version__)
