"""The graphs of K draws of z for each example: log-densities, their terms, and gaps filled."""

import keras
import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, build, inline
from spox import argument as spox_argument

from export import labels
from export.canonical import canonical
from export.converters import convert
from keras_vae.distributions import Likelihood, Prior

LATENTS = ("z", "log_pz", "log_qz_x", "kl")


def posterior_names(vae):
    """The names of what `vae.posterior` gives, the encoder's outputs."""
    return [*vae.levels.names][: len(vae.encoder.outputs)]


def argument(*shape):
    """A float32 input of a graph; axes may have names."""
    return spox_argument(Tensor(np.float32, shape))


def densities(vae, params):
    """Returns the ONNX model x, q(z|x), epsilon -> log_px_z, log_w, kl.

    All in nats, at the z (K, B, latent_dim) that the noise epsilon draws from q(z|x). log_px_z and
    log_w = log p(x|z) + log p(z) - log q(z|x) are (K, B); kl (B,) is in closed form where there is
    one, else the estimate from these z. A conditional model's has one more input, `label`.

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).
        params: its decoder, from `params`.

    Example:

    >>> import keras_vae
    >>> from export.convert import params
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [output.name for output in densities(vae, params(vae)).graph.output]
    ['log_px_z', 'log_w', 'kl']
    """
    inputs, latents, x_params = _of_draws(vae, params)
    log_px_z = _log_px_z(vae, inputs["x"], x_params)
    log_w = op.sub(op.add(log_px_z, latents["log_pz"]), latents["log_qz_x"])
    found = {"log_px_z": log_px_z, "log_w": log_w, "kl": latents["kl"]}
    return canonical(build(inputs, found), [*found], group="densities")


def elements(vae, params):
    """Returns the ONNX model with the inputs of `densities` -> terms: Σ over the draws, by element.

    None, if the likelihood has no terms by element.

    Example:

    >>> import keras_vae
    >>> from export.convert import params
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [output.name for output in elements(vae, params(vae)).graph.output]
    ['terms']
    """
    if type(vae.likelihood).element_log_prob is Likelihood.element_log_prob:
        return None

    def terms(x, x_params):
        return {"terms": keras.ops.sum(vae.likelihood.element_log_prob(x, x_params), axis=0)}

    inputs, _, x_params = _of_draws(vae, params, LATENTS[:1])
    shapes = {"x": vae.input_shape, "x_params": (None, *vae.decoder.output_shape[1:])}
    found = inline(convert(vae, terms, ["terms"], "densities", **shapes))(
        x=inputs["x"], x_params=x_params
    )
    return canonical(build(inputs, found), ["terms"], group="densities")


def filling(vae, params):
    """Returns the ONNX model of `vae.filled`: the inputs of `densities`, u, u_of_x -> x_filled.

    None, if nothing of x may be missing.

    Example:

    >>> import keras_vae
    >>> from export.convert import params
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> filling(vae, params(vae)) is None
    True
    """
    if not vae.likelihood.missing:
        return None

    def filled(**given):
        return {"x_filled": vae.filled(**given)}

    inputs, latents, x_params = _of_draws(vae, params)
    log_px_z = _log_px_z(vae, inputs["x"], x_params)
    log_w = op.sub(op.add(log_px_z, latents["log_pz"]), latents["log_qz_x"])
    noise_shape = vae.likelihood.noise_shape(vae.input_shape)
    inputs |= {"u": argument("batch"), "u_of_x": argument("batch", *noise_shape)}
    shapes = {"x": vae.input_shape, "log_w": (None,), "u": (), "u_of_x": noise_shape}
    shapes["x_params"] = (None, *vae.decoder.output_shape[1:])
    given = {"log_w": log_w, "x_params": x_params, **inputs}
    found = inline(convert(vae, filled, ["x_filled"], "filling", **shapes))(
        **{n: given[n] for n in shapes}
    )
    return canonical(build(inputs, found), ["x_filled"], group="filling")


def _of_draws(vae, params, known=LATENTS):
    """The inputs of a graph of K draws by name, what is `known` of their z, and their x_params.

    The decoder takes the draws as rows, and is the same graph everywhere.
    """
    inputs = {"x": argument("batch", *vae.input_shape)}
    for name, output in zip(posterior_names(vae), vae.encoder.outputs, strict=True):
        inputs[name] = argument("batch", *output.shape[1:])
    inputs["epsilon"] = argument("draws", "batch", vae.latent_dim)
    latents = inline(_latents(vae, known))(**{n: v for n, v in inputs.items() if n != "x"})
    draws = op.slice(op.shape(latents["z"]), op.const(np.array([0])), op.const(np.array([2])))
    rows = {"z": op.reshape(latents["z"], op.const(np.array([-1, vae.latent_dim])))}
    if vae.covariates:
        inputs["label"] = labels.argument(vae.covariates)
        rows["label"] = labels.of_draws(vae.covariates, inputs["label"], draws)
    event = op.const(np.array(vae.decoder.output_shape[1:]))
    x_params = inline(params)(**rows)["x_params"]
    x_params = op.reshape(x_params, op.concat([draws, event], axis=0), allowzero=True)
    return inputs, latents, x_params


def _latents(vae, known):
    """The graph of q(z|x) and epsilon -> z, log_pz and log_qz_x, (K, B), and kl, (B,)."""

    def latents(epsilon, **posterior):
        z, qz_x, _ = vae.draw(vae.levels.given(*posterior.values()), epsilon)
        if known == LATENTS[:1]:  # z alone, without a density of the prior, which may be large
            return {"z": z}
        log_pz, log_qz_x = vae.prior.log_prob(z), qz_x.log_prob(z)
        if type(vae.prior).kl_terms is Prior.kl_terms:  # traced once, since it may be large
            kl = keras.ops.mean(log_qz_x - log_pz, axis=0)
        else:
            kl = keras.ops.sum(vae.prior.kl_terms(qz_x, z), axis=-1)
        return {"z": z, "log_pz": log_pz, "log_qz_x": log_qz_x, "kl": kl}

    names, sizes = posterior_names(vae), [output.shape[1:] for output in vae.encoder.outputs]
    shapes = {**dict(zip(names, sizes, strict=True)), "epsilon": (None, vae.latent_dim)}
    return convert(vae, latents, known, "densities", **shapes)


def _log_px_z(vae, x, x_params):
    """log p(x|z) in a graph: x (B, ...), x_params (K, B, ...) -> (K, B)."""

    def log_prob(x, x_params):
        return {"log_px_z": vae.likelihood.log_prob(x, x_params)}

    shapes = {"x": vae.input_shape, "x_params": (None, *vae.decoder.output_shape[1:])}
    return inline(convert(vae, log_prob, ["log_px_z"], "densities", **shapes))(
        x=x, x_params=x_params
    )["log_px_z"]
