"""How the words relate to those of `jax.random`: what docs/noise.md says of it."""

import numpy as np
import pytest

from keras_vae import noise

pytestmark = pytest.mark.only_on("jax")

SEEDS = (0, 7, -1, 2**32 + 5, 2**63 - 1, -(2**63))
COUNT = 6


def key_of(seed):
    """The key of `jax.random` whose words are ours: the low half of the seed comes first."""
    import jax

    data = np.array([seed]).astype("<i8").view("<u4")  # low, high
    return jax.random.wrap_key_data(data, impl="threefry2x32")


def data_of(keys):
    import jax

    return np.asarray(jax.random.key_data(keys))


def test_threefry_is_that_of_jax():
    from jax.extend.random import threefry_2x32

    key, counter = np.random.default_rng(0).integers(0, 2**32, (2, 2, 1000), dtype=np.uint32)
    for i in range(0, 1000, 10):
        expected = threefry_2x32(key[:, i], counter.ravel())  # its two halves are the pair
        ours = noise.threefry(key[:, i], counter)
        np.testing.assert_array_equal(np.concatenate(ours), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_key_folded_or_split_is_the_words_of_index_0(seed):
    import jax

    words = noise.words(seed, 0, np.arange(COUNT))
    folded = [data_of(jax.random.fold_in(key_of(seed), position)) for position in range(COUNT)]
    np.testing.assert_array_equal(folded, words)
    with jax.threefry_partitionable(True):
        np.testing.assert_array_equal(data_of(jax.random.split(key_of(seed), COUNT)), words)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("index", [0, 2**32 + 5, 2**44 - 1])
def test_words_are_those_of_64_bits_of_data_in_the_order_of_jax(seed, index):
    """As a standard operator might take them: docs/noise.md, Standard operators of ONNX."""
    from jax.extend.random import threefry_2x32

    data = index % 2**32 * 2**32 + index // 2**32 * 2**20 + 9
    counter = np.array([data >> 32, data % 2**32], np.uint32)
    ours = noise.words(seed, index, 9)
    np.testing.assert_array_equal(threefry_2x32(data_of(key_of(seed)), counter), ours)


@pytest.mark.parametrize("seed", SEEDS)
def test_partitionable_bits_are_both_words_of_index_0(seed):
    import jax

    words = noise.words(seed, 0, np.arange(COUNT))
    with jax.threefry_partitionable(True):
        bits = jax.random.bits(key_of(seed), (COUNT,), "uint32")
        with jax.enable_x64(True):
            wide = jax.random.bits(key_of(seed), (COUNT,), "uint64")
    np.testing.assert_array_equal(bits, words[:, 0] ^ words[:, 1])
    np.testing.assert_array_equal(wide, words.astype(np.uint64) @ np.uint64([2**32, 1]))


@pytest.mark.parametrize("seed", SEEDS)
def test_bits_that_are_not_partitionable_are_those_of_index_i_and_position_half_plus_i(seed):
    import jax

    half = np.arange(COUNT // 2)
    words = noise.words(seed, half, COUNT // 2 + half)
    with jax.threefry_partitionable(False):
        bits = jax.random.bits(key_of(seed), (COUNT,), "uint32")
    np.testing.assert_array_equal(bits, words.T.ravel())


def test_a_seed_of_jax_is_ours_with_its_halves_swapped():
    import jax

    with jax.enable_x64(True):
        for seed in SEEDS:
            high, low = data_of(jax.random.key(seed, impl="threefry2x32"))
            assert [low, high] == data_of(key_of(seed)).tolist()
    small = data_of(jax.random.key(7, impl="threefry2x32"))
    assert small.tolist() == [0, 7]  # the key of our seed 7 * 2^32
