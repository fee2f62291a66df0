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

    All in nats and (K, B), at the z (K, B, latent_dim) that the noise epsilon draws from q(z|x):
    log_w = log p(x|z) + log p(z) - log q(z|x), and kl is in closed form where there is one, else
    log q(z|x) - log p(z). A conditional model's has one more input, `label`.

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
    """The inputs of a graph of K draws by name, what is `known` of them but z, and their x_params.

    Latents and decoder take the draws as rows, each an example with one draw: no converter need
    know of two axes of unknown length that become one.
    """
    sizes = [output.shape[1:] for output in vae.encoder.outputs]
    names = posterior_names(vae)
    posterior = {n: argument("batch", *size) for n, size in zip(names, sizes, strict=True)}
    label = {"label": labels.argument(vae.covariates)} if vae.covariates else {}
    epsilon = argument("draws", "batch", vae.latent_dim)
    inputs = {"x": argument("batch", *vae.input_shape), **posterior, "epsilon": epsilon, **label}
    draws = op.slice(op.shape(epsilon), op.const(np.array([0])), op.const(np.array([2])))
    posterior, label = (_rows(given, draws) for given in (posterior, label))
    epsilon = op.reshape(epsilon, op.const(np.array([-1, vae.latent_dim])))
    given = {"y": labels.encoded(vae.labels, label["label"])} if _sees_label(vae, known) else {}
    latents = inline(_latents(vae, known))(**posterior, epsilon=epsilon, **given)
    x_params = inline(params)(z=latents["z"], **label)["x_params"]
    latents = {name: _by_draw(latents[name], draws) for name in known[1:]}
    return inputs, latents, _by_draw(x_params, draws)


def _rows(given, draws):
    """What is given of each example, (B, ...), by name, for all its draws: (K · B, ...)."""
    rows = {}
    for name, values in given.items():
        one = np.array(values.unwrap_tensor().shape[1:], np.int64)
        many = op.expand(values, op.concat([draws, op.const(one)], axis=0))
        rows[name] = op.reshape(many, op.const(np.array([-1, *one])))
    return rows


def _by_draw(rows, draws):
    """(K · B, ...) -> (K, B, ...)."""
    one = np.array(rows.unwrap_tensor().shape[1:], np.int64)
    return op.reshape(rows, op.concat([draws, op.const(one)], axis=0), allowzero=True)


def _sees_label(vae, known):
    """Whether what is known of the latents depends on the label, which the prior alone sees."""
    return vae.prior.conditional and known != LATENTS[:1]


def _latents(vae, known):
    """The graph of q(z|x) and epsilon -> z, log_pz, log_qz_x and kl, row by row.

    Where the prior sees the label, it has the input y too, the label as the decoder takes it.
    """

    def latents(epsilon, y=None, **posterior):
        drawn = vae.draw(vae.levels.given(*posterior.values()), epsilon[None])  # K = 1
        z = drawn.z[0]
        if known == LATENTS[:1]:  # z alone, without a density of the prior, which may be large
            return {"z": z}
        pz = vae.prior.given(y)
        log_pz, log_qz_x = pz.log_prob(z), drawn.qz_x.log_prob(drawn.z)[0]
        if type(vae.prior).kl_terms is Prior.kl_terms:  # traced once, since it may be large
            kl = log_qz_x - log_pz
        else:
            kl = keras.ops.sum(pz.kl_terms(drawn.qz_x, drawn.z), axis=-1)
        return {"z": z, "log_pz": log_pz, "log_qz_x": log_qz_x, "kl": kl}

    names, sizes = posterior_names(vae), [output.shape[1:] for output in vae.encoder.outputs]
    shapes = {**dict(zip(names, sizes, strict=True)), "epsilon": (vae.latent_dim,)}
    shapes |= {"y": labels.width(vae.labels)} if _sees_label(vae, known) else {}
    return convert(vae, latents, known, "densities", **shapes)


def _log_px_z(vae, x, x_params):
    """log p(x|z) in a graph: x (B, ...), x_params (K, B, ...) -> (K, B)."""

    def log_prob(x, x_params):
        return {"log_px_z": vae.likelihood.log_prob(x, x_params)}

    shapes = {"x": vae.input_shape, "x_params": (None, *vae.decoder.output_shape[1:])}
    return inline(convert(vae, log_prob, ["log_px_z"], "densities", **shapes))(
        x=x, x_params=x_params
    )["log_px_z"]
