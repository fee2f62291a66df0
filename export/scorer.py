"""scorer.onnx: x, num_samples, seed, index -> the scores of each example."""

import math

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, argument, build, inline

from export import noise
from export.canonical import canonical
from keras_vae import conditions

OUTPUTS = ("elbo", "reconstruction_loss", "kl_loss", "log_likelihood")
ROWS = 256  # latents decoded at once; fewer if the examples are large
VALUES = 2**22
LOWEST = np.finfo(np.float32).min  # instead of -inf: -inf - -inf is not a number


def scorer(parts):
    """Returns the ONNX model x, num_samples, seed, index -> the scores of each example, in nats.

    A loop decodes a few draws at a time, so that memory does not grow with `num_samples`.

    Args:
        parts: the converted VAE, a `convert.Parts`.

    Returns:
        An `onnx.ModelProto`. Its inputs are `x` (batch, *input_shape), float32, the int64 scalars
        `num_samples` and `seed`, and `index` (batch,), int64; a conditional model has `label`
        too, (batch,), int64, or (batch, C), float32. The noise of an example is that of its index,
        so a batch may hold any examples in any order. Its outputs are (batch,), float32, as
        `keras_vae.VAE.score` defines them.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [value.name for value in scorer(convert.parts(vae)).graph.output]
    ['elbo', 'reconstruction_loss', 'kl_loss', 'log_likelihood']
    """
    inputs, examples, num_samples = arguments(parts)
    log_densities = inline(parts.densities)

    def add(totals, given):
        return _add(totals, **log_densities(**given))

    totals = over_draws(parts, inputs, examples, num_samples, _nothing, add)
    scores = _scores(*totals, op.cast(num_samples, to=np.float32))
    return canonical(build(inputs, dict(zip(OUTPUTS, scores, strict=True))), OUTPUTS)


def arguments(parts):
    """The inputs of the graph by name, those that are examples, and how many draws are asked for.

    A runtime that looks at the indices of Gather refuses a `num_samples` below 1.
    """
    examples = {"x": argument(Tensor(np.float32, ("batch", *parts.input_shape)))}
    if parts.covariates:
        dtype, one = conditions.form(parts.covariates)
        examples["label"] = argument(Tensor(dtype, ("batch", *one)))
    scalars = {name: argument(Tensor(np.int64, ())) for name in ("num_samples", "seed")}
    index = argument(Tensor(np.int64, ("batch",)))
    return {**examples, **scalars, "index": index}, examples, _positive(scalars["num_samples"])


def _positive(count):
    """`count`, by an index that is none if it is below 1."""
    one = op.const(np.int64(1))
    nothing = op.gather(op.const(np.array([0])), op.sub(one, op.min([count, one])))
    return op.add(count, nothing)


def _scores(log_px_z, kl, greatest, weights, num_samples):
    """The outputs, from the totals of all draws; see `_nothing`."""
    reconstruction_loss = op.neg(op.div(log_px_z, num_samples))
    kl_loss = op.div(kl, num_samples)
    elbo = op.neg(op.add(reconstruction_loss, kl_loss))
    log_likelihood = op.add(greatest, op.log(op.div(weights, num_samples)))
    return elbo, reconstruction_loss, kl_loss, log_likelihood


def _nothing(nothing):
    """Over no draws: Σ log_px_z, Σ kl, m = max log_w, Σ exp(log_w − m), each (batch,)."""
    return nothing, nothing, op.add(nothing, op.const(LOWEST)), nothing


def over_draws(parts, inputs, examples, num_samples, start, add):
    """What comes of all draws, a few at a time.

    Args:
        parts: the converted VAE.
        inputs, examples, num_samples: see `arguments`.
        start: a function of zeros (batch,) to the totals of no draws, a tuple.
        add: a function of totals and of what the densities of some draws are given, by name, to
            the totals with these.
    """
    seed, index = inputs["seed"], inputs["index"]
    batch = op.gather(op.shape(examples["x"]), op.const(np.array([0])))
    index = op.expand(index, batch)
    batch = op.squeeze(batch)
    given = {**examples, **inline(parts.posterior)(x=examples["x"])}
    keys, powers = noise.example_keys(seed, index), noise.runtime_powers(seed)
    at_once = _draws_at_once(parts.input_shape, batch, num_samples)

    def body(step, go_on, *totals):
        start = op.mul(op.squeeze(step), at_once)
        end = op.min([op.add(start, at_once), num_samples])
        draw = op.cast(op.range(start, end, op.const(np.int64(1))), to=np.int32)  # (K,)
        epsilon = noise.draws(keys, draw, parts.latent_dim, powers)  # (K, B, latent_dim)
        return go_on, *add(totals, {**given, "epsilon": epsilon})

    steps = op.div(op.sub(op.add(num_samples, at_once), op.const(np.int64(1))), at_once)
    nothing = op.cast(op.mul(keys[0], noise.const(0)), to=np.float32)  # (B,)
    yes = op.const(np.array([True]))
    return op.loop(op.reshape(steps, op.const(np.array([1]))), yes, start(nothing), body=body)


def _add(totals, log_px_z, log_w, kl):
    """The totals with some more draws, (K, B) each."""
    sum_log_px_z, sum_kl, greatest, weights = totals
    top = op.max([greatest, op.reduce_max(log_w, op.const(np.array([0])), keepdims=False)])
    weights = op.mul(weights, op.exp(op.sub(greatest, top)))
    return (
        op.add(sum_log_px_z, _sum(log_px_z)),
        op.add(sum_kl, _sum(kl)),
        top,
        op.add(weights, _sum(op.exp(op.sub(log_w, top)))),
    )


def _draws_at_once(input_shape, batch, num_samples):
    """How many draws for each example make about `ROWS` rows; 1 to num_samples."""
    rows = max(1, min(ROWS, VALUES // math.prod(input_shape)))
    one = op.const(np.int64(1))
    draws = op.div(op.const(np.int64(rows)), op.max([batch, one]))
    return op.max([op.min([draws, num_samples]), one])


def _sum(values):
    return op.reduce_sum(values, op.const(np.array([0])), keepdims=False)
