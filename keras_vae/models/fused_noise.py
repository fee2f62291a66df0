"""`noise.draws` by the compiler of a backend, for many draws: the same to the bit, and faster."""

import functools

import numpy as np
from keras import ops

from keras_vae import noise
from keras_vae.backend import fused

WORTH_FUSING = 2**23
"""For so many numbers of noise, compiling takes less time than it saves."""


def fastest_draws(numbers):
    """`noise.draws`, or what is faster if so many `numbers` will be drawn in all."""
    return noise.draws if fused is None or numbers < WORTH_FUSING else _draws


def _draws(seed, index, start, num_samples, latent_dim):
    low, high = noise.example_keys(seed, index)
    draw = np.arange(start, start + num_samples, dtype=np.uint32)
    return _compiled(latent_dim)(low, high, draw)


@functools.cache
def _compiled(latent_dim):
    """The noise for z of one size, of keys `(B,)` each and indices `(K,)`, all uint32."""
    position = np.arange((latent_dim + 1) // 2, dtype=np.uint32)
    table = noise.table()

    def epsilon(low, high, index):
        counter = (index[:, None, None], position)
        pair = ops.stack(noise.threefry((low[:, None], high[:, None]), counter), axis=-1)
        parts = (pair & np.uint32(0xFFFF), pair >> np.uint32(16))
        a, b = (ops.take(table, part, axis=0) for part in parts)
        pairs = (a + b) * noise.SQRT_HALF  # (K, B, positions, 2)
        return ops.reshape(pairs, (*pairs.shape[:-2], 2 * len(position)))[..., :latent_dim]

    return fused(epsilon)
