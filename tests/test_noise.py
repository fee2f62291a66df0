"""The noise: published known answers, golden vectors, and that the normals are normal."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from keras_vae import noise

GOLDEN = Path(__file__).parent / "golden"

MADE = runpy.run_path(str(GOLDEN / "make.py"))


@pytest.mark.parametrize("known", MADE["KNOWN"])
def test_threefry_gives_the_published_answers(known):
    key, counter = (np.array([int(w, 16) for w in known[k]], np.uint32) for k in ("key", "counter"))
    assert MADE["hexadecimal"](np.array(noise.threefry(key, counter))) == known["words"]


def test_words_lay_out_key_and_counter_as_specified():
    for seed, index, key, counter in [
        (0x0123456789ABCDEF, 5, (0x89ABCDEF, 0x01234567), (5, 9)),
        (-1, 2**32 + 5, (0xFFFFFFFF, 0xFFFFFFFF), (5, 2**20 + 9)),
        (-(2**63), 2**44 - 1, (0, 0x80000000), (0xFFFFFFFF, (2**12 - 1) * 2**20 + 9)),
    ]:
        key, counter = (tuple(np.uint32(word) for word in pair) for pair in (key, counter))
        np.testing.assert_array_equal(noise.words(seed, index, 9), noise.threefry(key, counter))


def test_golden_vectors_are_those_of_the_generator():
    assert json.loads((GOLDEN / "noise.json").read_text()) == MADE["golden"]()


def test_draws_of_an_example_are_samples_of_its_own_seed():
    low, high = (int(word) for word in noise.words(-7, 2**33 + 1, 2**20 - 1))
    seed = low + (high << 32) - (2**64 if high >> 31 else 0)
    drawn = noise.draws(-7, [0, 2**33 + 1, 5], 2**32 - 2, 4, 5)
    np.testing.assert_array_equal(drawn[:, 1], noise.latent(seed, 2**32 - 2, 4, 5))


def test_draws_are_the_same_in_any_split_and_order():
    whole = noise.draws(3, np.arange(6), 0, 10, 5)
    for index in ([2, 3, 4, 5], [5, 0, 3], [1, 1]):
        np.testing.assert_array_equal(whole[4:, index], noise.draws(3, index, 4, 6, 5))
    assert noise.draws(3, np.arange(0), 0, 10, 5).shape == (10, 0, 5)


def test_table_is_its_definition():
    """Means of equal-probability bins; float64 differences of densities have 11 digits here."""
    edges = scipy.stats.norm.isf(np.arange(32768, -1, -1) / 65536)
    means = -np.diff(scipy.stats.norm.pdf(edges)) * 65536
    expected = (means / np.sqrt(np.mean(means**2))).astype(np.float32)
    table = noise.table()
    np.testing.assert_array_max_ulp(table[32768:], expected, maxulp=1)
    np.testing.assert_array_equal(table, -table[::-1])
    assert (np.diff(table) > 0).all()
    assert np.mean(table.astype(float) ** 2) == pytest.approx(1, abs=1e-8)


@pytest.fixture(scope="module")
def normals():
    """10^7 draws: 2,500 seeds' worth of rows of one seed, 4,000 numbers a row."""
    return noise.latent(seed=11, first=0, count=2500, latent_dim=4000).astype(np.float64)


def test_moments_are_those_of_the_normal(normals):
    """Within 4 standard errors each: a false alarm in 4,000 seeds, and the seed is fixed."""
    z, n = normals.ravel(), normals.size
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(scipy.stats.skew(z)) < 4 * np.sqrt(6 / n)
    assert abs(scipy.stats.kurtosis(z)) < 4 * np.sqrt(24 / n)


def test_distribution_and_tails_are_those_of_the_normal(normals):
    z = normals.ravel()
    assert scipy.stats.kstest(z, "norm").pvalue > 0.01  # the rate of false alarms; fixed seed
    assert np.mean(np.abs(z) > 3) == pytest.approx(2 * scipy.stats.norm.sf(3), rel=0.05)


def test_mass_beyond_4_is_exact_to_a_hundredth():
    """Counted over all pairs of table entries, not drawn."""
    table = noise.table().astype(np.float64)
    beyond = len(table) - np.searchsorted(table, 4 / noise.SQRT_HALF - table, side="right")
    assert beyond.sum() / len(table) ** 2 == pytest.approx(scipy.stats.norm.sf(4), rel=0.01)


@pytest.mark.parametrize("along", ["index", "position", "seed"])
def test_neighbours_do_not_correlate(normals, along):
    if along == "seed":
        a, b = normals, noise.latent(12, 0, *normals.shape).astype(np.float64)
    elif along == "index":
        a, b = normals[:-1], normals[1:]
    else:
        a, b = normals[:, :-1], normals[:, 1:]
    assert abs(np.mean(a * b)) < 4 / np.sqrt(a.size)  # a false alarm in 16,000 seeds; fixed seed


def test_uniform_is_uniform_and_open():
    u = noise.uniform(3, np.arange(100_000), 0).ravel()
    assert scipy.stats.kstest(u, "uniform").pvalue > 0.01
    assert (u.min() > 0) & (u.max() < 1)
    assert u.dtype == np.float32


def test_the_number_that_chooses_a_component_is_of_its_own_position():
    u = noise.component(-3, 2**32 - 2, 5)
    assert (u.shape, u.dtype) == ((5,), np.float32)
    for row in range(5):
        assert u[row] == noise.uniform(-3, 2**32 - 2 + row, 2**18)[0]


@pytest.mark.parametrize("word", [0, 0xFFFFFFFF])
def test_no_word_gives_the_ends_of_the_interval(monkeypatch, word):
    monkeypatch.setattr(noise, "words", lambda *_: np.array([word, word], np.uint32))
    u = noise.uniform(0, 0, 0)
    assert (u > 0).all()
    assert (u < 1).all()


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_any_split_of_the_range_gives_the_same_samples(latent_dim):
    together = noise.latent(9, 2**32 - 50, 100, latent_dim)
    parts = [noise.latent(9, 2**32 - 50 + at, 1, latent_dim) for at in range(100)]
    np.testing.assert_array_equal(together, np.concatenate(parts))
    assert noise.latent(9, 0, 0, latent_dim).shape == (0, latent_dim)
