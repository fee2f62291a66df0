"""The densities of many draws of z, without keeping what the decoder computed for all of them."""

import keras
from keras import ops

from keras_vae.objectives import Densities

MAX_DRAWS = 64
"""Draws of z for each example that are decoded at once."""


def in_chunks(densities, model):
    """`densities`, computed at most `MAX_DRAWS` draws at a time, forward and backward.

    Value and gradient are those of all draws at once, to rounding: instead of keeping what the
    decoder computed, the gradient computes it again, for every chunk but the first. Only the first
    chunk changes what a forward pass may change: the moving averages of BatchNormalization, which
    normalises each chunk by itself, and the seed of Dropout, so the other chunks share its masks.

    Args:
        densities: `(qz_x, z) → Densities, x_params`, with z of shape `(K, B, latent_dim)`.
        model: the one whose weights `densities` depends on.

    Returns:
        A function like `densities`; its x_params are those of the first chunk, which has 1 to
        `MAX_DRAWS` draws.
    """

    def chunked(qz_x, z):
        num_samples = z.shape[0]
        rest = (num_samples - 1) // MAX_DRAWS  # whole chunks after the first
        if rest == 0:
            return densities(qz_x, z)
        first = num_samples - rest * MAX_DRAWS
        by_draw = len(qz_x.mean.shape) == len(z.shape)  # the parameters have an axis of draws too
        begin = type(qz_x)(*(h[:first] for h in qz_x)) if by_draw else qz_x
        results, x_params = densities(begin, z[:first])

        def chunks(h):
            return ops.reshape(h[first:], (rest, MAX_DRAWS, *ops.shape(h)[1:]))

        pure = _recomputed(densities, model, type(qz_x))
        if by_draw:
            others = ops.map(lambda columns: pure(*columns), [chunks(z), [chunks(h) for h in qz_x]])
        else:
            others = ops.map(lambda z: pure(z, list(qz_x)), chunks(z))
        return _join(results, Densities(*others), first / num_samples), x_params

    return chunked


def _recomputed(densities, model, posterior):
    """`(z, qz_x) → densities(qz_x, z)`, which keeps nothing for its gradient but these."""
    trained = model.trainable_variables
    weights = [ops.copy(v) for v in trained]
    state = [(v, ops.copy(v)) for v in model.non_trainable_variables]

    @keras.remat  # which passes gradients to arguments alone
    def pure(z, qz_x, weights):
        with keras.StatelessScope([*state, *zip(trained, weights, strict=True)]):
            return tuple(densities(posterior(*qz_x), z)[0])

    return lambda z, qz_x: pure(z, qz_x, weights)


def _join(first, others, share):
    """The densities of all draws: `share` of them in `first`, and `others` of `(chunks, ...)`."""
    log_densities = (
        ops.concatenate([a, ops.reshape(b, (-1, ops.shape(a)[1]))])
        for a, b in zip(first[:3], others[:3], strict=True)
    )
    kl_terms = share * first.kl_terms + (1 - share) * ops.mean(others.kl_terms, axis=0)
    return Densities(*log_densities, kl_terms)
