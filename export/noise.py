"""The noise of `keras_vae.noise` as a graph. The functions have the same names as there.

A word is an int32. The graph uses only operations that gave the same result in every runtime that
was tried: sums and products modulo 2^32, bitwise operations, and divisions by powers of two. Some
runtimes divide integers in float32; so a number that is divided has at most 24 significant bits,
which float32 holds exactly. Unsigned shifts would be shorter, but some runtimes compute them wrong
without an error.

Seeds and indices are int64. They are split into words first. A runtime that divides int64 in
float32 splits them right only if they fit into int32.
"""

import functools

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, argument, build, inline

from keras_vae import noise


def latent(seed, first, count, latent_dim):
    """`noise.latent` as a graph: float32, (count, latent_dim)."""
    low, high = (_column(word) for word in split_index(_range(first, count)))
    return _entries(normal, split(seed), low, high, latent_dim, runtime_powers(seed))


def event(seed, first, count, shape):
    """`noise.event` as a graph: float32, (count, *shape)."""
    low, high = (_column(word) for word in split_index(_range(first, count)))
    size, powers = noise.event_size(shape), runtime_powers(seed)
    u = _entries(uniform, split(seed), low, high, size, powers, noise.EVENT)
    return op.reshape(u, op.const(np.array([0, *shape])))  # 0: as it was


def component(seed, first, count):
    """`noise.component` as a graph: float32, (count,)."""
    pair = _words_of(seed, _range(first, count), noise.COMPONENT)
    return uniform(_word(pair, 0), runtime_powers(seed))


def example_keys(seed, index):
    """`noise.example_keys` as a graph: two int32 tensors, (B,) each, of an int64 index (B,)."""
    pair = _words_of(seed, index, noise.EXAMPLE)
    return _word(pair, 0), _word(pair, 1)


def draws(keys, index, latent_dim, powers):
    """`noise.draws` as a graph, for draws `index` < 2^31: float32, (K, B, latent_dim).

    Args:
        keys: `example_keys`, (B,) each.
        index: the numbers of the draws, int32, (K,).
        powers: what `runtime_powers` returns.
    """
    keys = [_column(key) for key in keys]  # (B, 1) each
    index = _column(_column(index))
    return _entries(normal, keys, index, const(0), latent_dim, powers)


def filling(keys, shape, powers):
    """`noise.filling` as a graph: float32, (B,) and (B, *shape).

    Args:
        keys: `example_keys`, (B,) each.
        shape: of the numbers for one x.
        powers: what `runtime_powers` returns.
    """
    pair = words(keys, const(0), const(noise.COMPONENT), powers)
    columns = [_column(key) for key in keys]
    size, first = noise.event_size(shape), const(0)
    u_of_x = _entries(uniform, columns, first, first, size, powers, noise.EVENT)
    u_of_x = op.reshape(u_of_x, op.const(np.array([0, *shape])))  # 0: as it was
    return uniform(_word(pair, 0), powers), u_of_x


def words(keys, low, high, powers):
    """Threefry-2x32 of the counter (low, high): its two words as one int32 tensor, (2, ...)."""
    given = dict(zip(("key0", "key1", "low", "high"), (*keys, low, high), strict=True))
    rounds = _rounds(tuple(len(word.unwrap_tensor().shape) for word in given.values()))
    (pair,) = inline(rounds)(**given, **_named(powers)).values()
    return pair


@functools.cache
def _rounds(ranks):
    """`words` as a model of tensors of these ranks.

    spox infers the types of one operation at a time, and here are 300: more than half of the time
    that a graph takes, if each use builds them anew.
    """
    *keys, low, high = given = [argument(Tensor(np.int32, (None,) * rank)) for rank in ranks]
    powers = [argument(Tensor(np.int32, (1,))) for _ in range(32)]
    named = dict(zip(("key0", "key1", "low", "high"), given, strict=True)) | _named(powers)
    model = build(named, {"words": _threefry(keys, low, high, powers)})
    model.graph.output[0].name = model.graph.node.pop().input[0]  # spox ends with an Identity
    return model


def _named(powers):
    return {f"power{exponent}": power for exponent, power in enumerate(powers)}


def _threefry(keys, low, high, powers):
    keys = (*keys, op.bitwise_xor(op.bitwise_xor(*keys), const(noise.PARITY)))
    x0, x1 = op.add(low, keys[0]), op.add(high, keys[1])
    for s in range(1, 6):
        for r in noise.ROTATIONS[(s - 1) % 2]:
            x0 = op.add(x0, x1)
            x1 = op.bitwise_xor(rotate_left(x1, r, powers), x0)
        x0 = op.add(x0, keys[s % 3])
        x1 = op.add(x1, op.add(keys[(s + 1) % 3], const(s)))
    pair = [op.unsqueeze(x, op.const(np.array([0]))) for x in (x0, x1)]
    return op.concat(pair, axis=0)


def uniform(word, powers):
    """Turns words into numbers of (0, 1): (floor(word / 2^9) + 1/2) / 2^23, exact in float32."""
    steps = op.cast(shift_right(word, 9, powers), to=np.float32)
    return op.mul(op.add(steps, op.const(np.float32(0.5))), op.const(np.float32(2**-23)))


def normal(word, powers):
    """Turns words into standard normal numbers: the sum of two table entries, times 1/sqrt(2)."""
    # Tools that quantize a graph make the constants of a Gather smaller; they pass over this one.
    table = op.identity(op.const(noise.table()))
    parts = (op.bitwise_and(word, const(0xFFFF)), shift_right(word, 16, powers))
    return op.mul(op.add(*(op.gather(table, p) for p in parts)), op.const(noise.SQRT_HALF))


def split(x):
    """The low and the high 32 bits of int64 as int32."""
    a, b, c, d = _parts(x, 4)
    return _join(a, b), _join(c, d)


def split_index(x):
    """As `split`, for 0 <= x < 2^44: then the third part holds all the high bits."""
    a, b, high = _parts(x, 3)
    return _join(a, b), high


def runtime_powers(seed):
    """2^0 ... 2^31 as int32, (1,) each, in a form that tract does not recognize as constants.

    tract (0.23) infers a "region of interest" from each product with a constant, and joins the
    regions wherever a number is used twice. For this graph that takes time exponential in the
    number of rounds. So zero is computed from the seed, and added to the powers.

    Args:
        seed: int64; the powers are the same for every seed.
    """
    zero = op.cast(op.bitwise_xor(seed, seed), to=np.int32)
    powers = (1 << np.arange(32, dtype=np.uint64)).astype(np.uint32).view(np.int32)
    return op.split(op.add(op.const(powers), zero), num_outputs=32)


def rotate_left(x, r, powers):
    # The two numbers share no bit, so their sum is their bitwise or, which onnxruntime does slower.
    return op.add(op.mul(x, powers[r]), shift_right(x, 32 - r, powers))


def shift_right(x, k, powers):
    """The logical shift. Each number that is divided has at most 24 significant bits."""
    if k < 8:
        low = op.div(op.bitwise_and(x, const(0x10000 - 2**k)), powers[k])
        return op.add(op.mul(shift_right(x, 16, powers), powers[16 - k]), low)
    quotient = op.div(op.bitwise_and(x, const(2**32 - 2**k)), powers[k])
    return op.bitwise_and(quotient, const(2 ** (32 - k) - 1))


def const(word):
    """A 32-bit word as an int32 constant."""
    return op.const(np.array(word, np.uint32).view(np.int32)[()])


def _words_of(seed, index, position):
    """The words of indices (n,) at one position: (2, n)."""
    low, high = split_index(index)
    return words(split(seed), low, _counter(high, const(position)), runtime_powers(seed))


def _entries(numbers, keys, low, high, size, powers, start=0):
    """`numbers` of the words of (low, high), from position `start`: `(..., 1)` → `(..., size)`."""
    positions = start + np.arange((size + 1) // 2, dtype=np.int32)
    counter = low, _counter(high, op.const(positions))
    pair = numbers(words(keys, *counter, powers), powers)  # (2, ..., positions)
    rank = len(pair.unwrap_tensor().shape)
    pairs = op.transpose(pair, perm=[*range(1, rank), 0])
    shape = np.array([0] * (rank - 2) + [2 * len(positions)])  # 0: as it was
    entries = op.reshape(pairs, op.const(shape))
    if size == 2 * len(positions):
        return entries
    begin, end = (op.const(np.array([at])) for at in (0, size))
    return op.slice(entries, begin, end, op.const(np.array([-1])))


def _counter(high, position):
    """The second word of the counter."""
    return op.add(op.mul(high, const(noise.HIGH_INDEX)), position)


def _range(first, count):
    zero, one = op.const(np.int64(0)), op.const(np.int64(1))
    return op.add(first, op.range(zero, count, one))


def _parts(x, count):
    """Splits int64 into `count` parts, int32: 16 bits each from the lowest, and the rest."""
    parts = []
    for _ in range(count - 1):
        parts.append(op.bitwise_and(x, op.const(np.int64(0xFFFF))))
        x = op.div(op.sub(x, parts[-1]), op.const(np.int64(0x10000)))
    return [op.cast(part, to=np.int32) for part in (*parts, x)]


def _join(low, high):
    """Joins two parts of 16 bits into a word."""
    return op.add(low, op.mul(high, const(0x10000)))


def _word(pair, number):
    """One of the two words that `words` returns, without their axis."""
    return op.gather(pair, op.const(np.int64(number)), axis=0)


def _column(x):
    """x with a last axis of length 1."""
    return op.unsqueeze(x, op.const(np.array([-1])))
