"""The noise: a pure function of (seed, sample index, position), the same to the bit everywhere.

This docstring is the specification; `sampler.onnx` computes the same in its graph, and
`tests/golden/noise.json` holds values that an implementation in any language can check itself by.

**Words.** Threefry-2x32 with 20 rounds (Salmon et al., Parallel Random Numbers: As Easy as 1, 2,
3, SC 2011, section 4). It maps a key and a counter of two 32-bit words each to two words:

    k2 = k0 ^ k1 ^ 0x1BD11BDA;  x0 = c0 + k0;  x1 = c1 + k1        (all sums modulo 2^32)
    R = 13, 15, 26, 6, 17, 29, 16, 24
    for i = 0 … 19:
        x0 = x0 + x1;  x1 = rotate_left(x1, R[i mod 8]) ^ x0
        if i mod 4 = 3:  s = (i + 1) / 4;  x0 = x0 + k[s mod 3];  x1 = x1 + k[(s + 1) mod 3] + s

The key is the seed, a 64-bit integer from -2^63 (negative ones in two's complement): k0 its low and
k1 its high 32 bits. The counter is (index mod 2^32, floor(index / 2^32) · 2^20 + position), with
0 ≤ index < 2^44 and 0 ≤ position < 2^20; below index 2^32 that is (index, position).

**Uniform.** A word w gives (floor(w / 2^9) + 1/2) · 2^-23, which float32 holds exactly: never 0,
never 1.

**Normal.** A word w gives (T[w mod 2^16] + T[floor(w / 2^16)]) · S in float32: one sum and then one
product, each rounded to nearest, ties to even. S is the float32 nearest to 1/√2, of bits
0x3F3504F3. T has 65,536 entries: T[i] is the mean of the standard normal distribution between its
quantiles i / 65536 and (i + 1) / 65536, all divided by one number so that the mean of their squares
is 1, each rounded to the nearest float32; so T[65535 − i] = −T[i]. The file `normal_table.npy`
holds T[32768 …]: after a header of 128 bytes, 32,768 float32, little-endian. So a normal number is
made by operations whose results IEEE 754 fixes. Its tails hold 0.995 of the true mass beyond 4,
0.97 beyond 4.5, 0.90 beyond 5, and end at 6.2.

**Purposes.** A position gives two words. Sample i under a seed has the index i, whatever batch it
is drawn in. The prior makes z of its latent noise epsilon, which is normal, and of one number u,
which is uniform and chooses a component where the prior is a mixture. Entry j of epsilon (from 0)
is the normal of word j mod 2 of position floor(j / 2), so the latent noise has the positions
0 … 2^18 − 1. u is the uniform number of word 0 of position 2^18. 2^18 + 1 … 2^19 − 1 have no use
yet. x is drawn by uniform numbers too: entry j of them (from 0, the last axis fastest) is the
uniform number of word j mod 2 of position 2^19 + floor(j / 2), the last of which is 2^20 − 2. With
a temperature, epsilon is multiplied by it, in float32, and the uniform numbers stay as they are.

**Draws for a given example.** Where z is drawn many times for each of many examples, as in scoring
data, an example has a seed of its own: the example of index i under a seed takes the integer whose
low 32 bits are the first and whose high 32 bits are the second word of (seed, i, 2^20 − 1). Draw k
of the example is the latent noise of index k under that seed. Where x is drawn for an example, as
its gaps are filled, u of index 0 under that seed chooses one of its draws of z, and x is drawn by
the uniform numbers of index 0 under that seed.

`docs/noise.md` says the same in tables, with how to come by the table of normals, what the golden
vectors hold, and how the words relate to those of `jax.random`.
"""

import functools
import math
import numbers
from pathlib import Path

import numpy as np

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
HIGH_INDEX = 2**20  # what one step of the index's high word adds to the second counter word
MAX_INDEX = 2**44
COMPONENT = 2**18  # the position of the number that chooses a mixture component
EVENT = 2**19  # the first position of the numbers that x is drawn by
EXAMPLE = 2**20 - 1  # the position of the words that are an example's own seed
SQRT_HALF = np.float32(np.sqrt(0.5))


def words(seed, index, position):
    """The two words of each (seed, index, position): uint32, `(..., 2)`; the arguments broadcast.

    Example:

    >>> [hex(word) for word in words(0, 0, 0)]
    ['0x6b200159', '0x99ba4efe']
    """
    seed = np.asarray(seed).astype(np.int64).view(np.uint64)
    index = np.asarray(index).astype(np.uint64)
    counter = (
        _low(index),
        _high(index) * np.uint32(HIGH_INDEX) + np.asarray(position).astype(np.uint32),
    )
    pair = threefry((_low(seed), _high(seed)), counter)
    return np.stack(pair, axis=-1)


def uniform(seed, index, position):
    """Two numbers of the open interval (0, 1) each: float32, `(..., 2)`.

    Example:

    >>> uniform(0, 0, 0)
    array([0.4184571, 0.6004991], dtype=float32)
    """
    steps = (words(seed, index, position) >> np.uint32(9)).astype(np.float32)
    return (steps + np.float32(0.5)) * np.float32(2**-23)


def normal(seed, index, position):
    """Two standard normal numbers each: float32, `(..., 2)`.

    Example:

    >>> normal(seed=7, index=range(3), position=[[0], [1]]).shape
    (2, 3, 2)
    """
    w, t = words(seed, index, position), table()
    return (t[w & np.uint32(0xFFFF)] + t[w >> np.uint32(16)]) * SQRT_HALF


def latent(seed, first, count, latent_dim):
    """The noise epsilon of samples `first` … `first + count − 1`: float32, `(count, latent_dim)`.

    Example:

    >>> bool((latent(7, 2, 3, 5) == latent(7, 0, 5, 5)[2:]).all())
    True
    """
    return _entries(seed, _range(first, count), latent_dim)


def component(seed, first, count):
    """The number u of samples `first` … `first + count − 1`: float32, `(count,)`, in (0, 1).

    Example:

    >>> bool((component(7, 2, 3) == component(7, 0, 5)[2:]).all())
    True
    """
    return uniform(seed, _range(first, count), COMPONENT)[:, 0]


def event(seed, first, count, shape):
    """The numbers that x is drawn by, of samples `first` … `first + count − 1`.

    Args:
        shape: of the numbers for one x: `likelihood.noise_shape(input_shape)`.

    Returns:
        u: float32, `(count, *shape)`, in (0, 1).

    Raises:
        ValueError: one x takes more numbers than there are, 2**20 − 2.

    Example:

    >>> bool((event(7, 2, 3, (5, 4)) == event(7, 0, 5, (5, 4))[2:]).all())
    True
    """
    return _event(seed, _range(first, count)[:, None], shape)


def event_size(shape):
    """How many numbers one x is drawn by, or a `ValueError` if there are not so many."""
    size, most = math.prod(shape), 2 * (EXAMPLE - EVENT)
    if size > most:
        raise ValueError(
            f"drawing one x takes {size} uniform numbers, and a sample has {most}: sample its mean"
        )
    return size


def draws(seed, index, start, num_samples, latent_dim):
    """The noise of draws `start` … `start + num_samples − 1` for each given example.

    Args:
        index: of the examples, `(B,)`, in any order.

    Returns:
        epsilon: float32, `(num_samples, B, latent_dim)`.

    Example:

    >>> draws(7, index=[2, 9, 4], start=0, num_samples=4, latent_dim=5).shape
    (4, 3, 5)
    """
    return _entries(_seeds(seed, index), _range(start, num_samples)[:, None], latent_dim)


def filling(seed, index, shape):
    """The noise that x is drawn by for each given example, as where its gaps are filled.

    Args:
        index: of the examples, `(B,)`, in any order.
        shape: of the numbers for one x: `likelihood.noise_shape(input_shape)`.

    Returns:
        u, `(B,)`, which chooses among draws of z, and the numbers for x, `(B, *shape)`: float32,
        in (0, 1).

    Raises:
        ValueError: one x takes more numbers than there are, 2**20 − 2.

    Example:

    >>> u, u_of_x = filling(7, index=[2, 9, 4], shape=(5,))
    >>> u.shape, u_of_x.shape
    ((3,), (3, 5))
    """
    seeds = _seeds(seed, index)
    return uniform(seeds, 0, COMPONENT)[:, 0], _event(seeds[:, None], 0, shape)


def example_keys(seed, index):
    """The low and the high 32 bits of the seeds that given examples have: uint32, `(B,)` each.

    Example:

    >>> low, high = example_keys(7, index=[2, 9, 4])
    >>> low.shape, high.dtype
    ((3,), dtype('uint32'))
    """
    return tuple(words(seed, index, EXAMPLE).T)


def _seeds(seed, index):
    """The seeds that given examples have: uint64, `(B,)`."""
    low, high = (key.astype(np.uint64) for key in example_keys(seed, index))
    return low | high << np.uint64(32)


def _event(seed, index, shape):
    """The numbers that x is drawn by, of seeds or indices `(n, 1)`: `(n, *shape)`."""
    size = event_size(shape)
    position = EVENT + np.arange((size + 1) // 2)
    pairs = uniform(seed, index, position)
    return pairs.reshape(len(pairs), 2 * len(position))[:, :size].reshape(len(pairs), *shape)


def _entries(seed, index, latent_dim):
    """The latent noise of each (seed, index): `(..., latent_dim)`."""
    position = np.arange((latent_dim + 1) // 2, dtype=np.uint32)
    pairs = normal(np.asarray(seed)[..., None], index[..., None], position)
    return pairs.reshape(*pairs.shape[:-2], 2 * len(position))[..., :latent_dim]


def _range(first, count):
    return np.uint64(first) + np.arange(count, dtype=np.uint64)


def threefry(key, counter):
    """Threefry-2x32, 20 rounds, of arrays of uint32, NumPy's or JAX's: two words.

    Reference: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011, section 4.
    """
    keys = (*key, key[0] ^ key[1] ^ np.uint32(PARITY))
    with np.errstate(over="ignore"):  # sums are modulo 2^32
        x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
        for s in range(1, 6):
            for r in ROTATIONS[(s - 1) % 2]:
                x0 = x0 + x1
                x1 = (x1 << np.uint32(r) | x1 >> np.uint32(32 - r)) ^ x0
            x0, x1 = x0 + keys[s % 3], x1 + keys[(s + 1) % 3] + np.uint32(s)
    return x0, x1


@functools.cache
def table():
    """T, the 65,536 values that normal numbers are made of: float32, increasing, variance 1."""
    upper = np.load(Path(__file__).with_name("normal_table.npy"))
    return np.concatenate([-upper[::-1], upper])


def check_draw(count, seed, temperature, first):
    """Raises `ValueError` for a request for samples that cannot be met."""
    for name, value in {"count": count, "first": first}.items():
        if not isinstance(value, numbers.Integral) or value < 0:
            raise ValueError(f"{name} must be a whole number >= 0, got {value!r}")
    if first + count > MAX_INDEX:
        raise ValueError(f"first + count must be at most 2**44, got {first + count}")
    _check_seed(seed)
    if not (isinstance(temperature, numbers.Real) and 0 <= temperature < float("inf")):
        raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")


def check_score(num_samples, seed):
    """Raises `ValueError` for a request for scores that cannot be met."""
    _check_seed(seed)
    if not isinstance(num_samples, numbers.Integral) or not 1 <= num_samples < 2**31:
        raise ValueError(
            f"num_samples must be a whole number from 1 to 2**31 - 1, got {num_samples!r}"
        )


def checked_index(index, count):
    """The index of each of `count` examples: int64, `(count,)`.

    Args:
        index: one whole number for all, or one for each; None: 0, 1, 2, ….

    Raises:
        ValueError: they have another shape, or one is not from 0 to 2**44 − 1.

    Example:

    >>> checked_index(None, 3), checked_index(7, 2)
    (array([0, 1, 2]), array([7, 7]))
    """
    array = np.arange(count) if index is None else np.asarray(index)
    want = f"index must be one whole number, or {count} of them, from 0 to 2**44 - 1"
    if array.shape not in ((), (count,)):
        raise ValueError(f"{want}, got shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{want}, got dtype {array.dtype}")
    outside = (array < 0) | (array >= MAX_INDEX)
    if outside.any():
        raise ValueError(f"{want}, got {array[outside].flat[0]}")
    return np.broadcast_to(array, (count,)).astype(np.int64)


def _check_seed(seed):
    if not isinstance(seed, numbers.Integral) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed must be a whole number from -2**63 to 2**63 - 1, got {seed!r}")


def _low(x):
    return (x & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def _high(x):
    return (x >> np.uint64(32)).astype(np.uint32)
