"""The noise of `keras_vae.noise` as a graph, by the names that it has there.

All is computed in int32, by operations that every runtime was seen to do alike: sums and products
modulo 2^32, bitwise ones, and quotients of numbers of at most 24 significant bits by powers of
two, which stay exact where a runtime divides by way of float32. Unsigned shifts, which would be
shorter, are silently wrong in some runtimes.
"""

import numpy as np
import spox.opset.ai.onnx.v18 as op

from keras_vae import noise


def latent(seed, first, count, latent_dim):
    """`noise.latent` as a graph: float32, (count, latent_dim)."""
    low, high = (_column(word) for word in split(_range(first, count)))
    return _entries(split(seed), low, high, latent_dim)


def component(seed, first, count):
    """`noise.component` as a graph: float32, (count,)."""
    low, high = split(_range(first, count))
    position = op.add(op.mul(high, const(noise.HIGH_INDEX)), const(noise.COMPONENT))
    return uniform(words(split(seed), low, position)[0])


def example_keys(seed, first, count):
    """The keys of the seeds that `count` given examples have: two int32 tensors, (count,)."""
    low, high = split(_range(first, count))
    position = op.add(op.mul(high, const(noise.HIGH_INDEX)), const(noise.EXAMPLE))
    return words(split(seed), low, position)


def draws(keys, index, latent_dim):
    """`noise.draws` as a graph, of draws `index` < 2^31: float32, (K, B, latent_dim).

    Args:
        keys: `example_keys`, (B,) each.
        index: int32, (K,).
    """
    keys = [_column(key) for key in keys]  # (B, 1) each
    return _entries(keys, _column(_column(index)), const(0), latent_dim)


def words(keys, low, high):
    """Threefry-2x32 of the counter (low, high): two int32 tensors."""
    keys = (*keys, op.bitwise_xor(op.bitwise_xor(*keys), const(noise.PARITY)))
    x0, x1 = op.add(low, keys[0]), op.add(high, keys[1])
    for s in range(1, 6):
        for r in noise.ROTATIONS[(s - 1) % 2]:
            x0 = op.add(x0, x1)
            x1 = op.bitwise_xor(rotate_left(x1, r), x0)
            x0, x1 = fence(x0), fence(x1)
        x0 = op.add(x0, keys[s % 3])
        x1 = op.add(op.add(x1, keys[(s + 1) % 3]), const(s))
    return x0, x1


def uniform(word):
    """Words to numbers of (0, 1): (floor(word / 2^9) + 1/2) / 2^23, exact in float32."""
    steps = op.cast(shift_right(word, 9), to=np.float32)
    return op.mul(op.add(steps, op.const(np.float32(0.5))), op.const(np.float32(2**-23)))


def normal(word):
    """Words to standard normal numbers: a sum of two values of the table, times 1/sqrt(2)."""
    table = op.const(noise.table())
    parts = (op.bitwise_and(word, const(0xFFFF)), shift_right(word, 16))
    return op.mul(op.add(*(op.gather(table, p) for p in parts)), op.const(noise.SQRT_HALF))


def split(x):
    """The low and the high 32 bits of int64 as int32, by way of four parts of 16 bits."""
    parts = []
    for _ in range(4):
        part = op.bitwise_and(x, op.const(np.int64(0xFFFF)))
        x = op.div(op.sub(x, part), op.const(np.int64(0x10000)))
        parts.append(op.cast(part, to=np.int32))
    low, high = (op.add(a, op.mul(b, const(0x10000))) for a, b in (parts[:2], parts[2:]))
    return low, high


def rotate_left(x, r):
    return op.bitwise_or(op.mul(x, const(2**r)), shift_right(x, 32 - r))


def shift_right(x, k):
    """Logical shift; each quotient is of at most 24 significant bits, so exact in float32 too."""
    if k < 8:
        low = op.div(op.bitwise_and(x, const(0x10000 - 2**k)), const(2**k))
        return op.bitwise_or(op.mul(shift_right(x, 16), const(2 ** (16 - k))), low)
    quotient = op.div(op.bitwise_and(x, const(2**32 - 2**k)), const(2**k))
    return op.bitwise_and(quotient, const(2 ** (32 - k) - 1))


def fence(x):
    """x itself, behind a Gather: tract's analysis of a chain without one takes exponential time."""
    return op.gather(op.unsqueeze(x, op.const(np.array([0]))), op.const(np.int64(0)), axis=0)


def const(word):
    """A 32-bit word as an int32 constant."""
    return op.const(np.array(word, np.uint32).view(np.int32)[()])


def _entries(keys, low, high, latent_dim):
    """The latent noise of the index (low, high) under the keys: (..., 1) → (..., latent_dim)."""
    position = np.arange((latent_dim + 1) // 2, dtype=np.int32)
    counter = op.add(op.mul(high, const(noise.HIGH_INDEX)), op.const(position))
    pair = [_column(normal(w)) for w in words(keys, low, counter)]
    pairs = op.concat(pair, axis=-1)  # (..., positions, 2)
    kept = len(pairs.unwrap_tensor().shape) - 2
    shape = np.array([0] * kept + [2 * len(position)])  # 0: as it was
    start, end = (op.const(np.array([at])) for at in (0, latent_dim))
    return op.slice(op.reshape(pairs, op.const(shape)), start, end, op.const(np.array([-1])))


def _range(first, count):
    zero, one = op.const(np.int64(0)), op.const(np.int64(1))
    return op.add(first, op.range(zero, count, one))


def _column(x):
    """x with a last axis of length 1."""
    return op.unsqueeze(x, op.const(np.array([-1])))
