"""The data sets that the benchmarks make: disjoint, repeatable, and their exact answer is exact."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from keras_vae import datasets


def script(name):
    """A file of benchmarks/, which is no package, as a module."""
    path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


photographs, counts = script("photographs"), script("counts")


@pytest.fixture(scope="module")
def simulated():
    """The simulating model and a few test rows."""
    simulation, _, x_test = counts.make(seed=0)
    return simulation, x_test[:5]


def covered(corners, size, shape):
    """How many of the squares hold each pixel."""
    times = np.zeros(shape, int)
    for r, c in corners:
        times[r : r + size, c : c + size] += 1
    return times


@pytest.mark.parametrize(("size", "stride"), [(16, 4), (32, 7)])
def test_no_pixel_is_in_both_parts_nor_in_two_test_patches(size, stride):
    shape = (427, 640)
    parts = photographs.split(*shape, size, stride, np.random.default_rng(3))
    train, test = covered(parts.train, size, shape), covered(parts.test, size, shape)
    assert not ((train > 0) & (test > 0)).any()
    assert test.max() == 1
    assert len(parts.test) * size**2 == len(parts.blocks) * photographs.BLOCK**2
    assert len(parts.train) > 1000
    assert train.max() > 1


def test_the_patches_are_the_photographs_own_pixels():
    x_train, x_test, strip = photographs.make(size=32, stride=32)
    assert x_train.dtype == x_test.dtype == np.uint8
    assert x_train.shape[1:] == x_test.shape[1:] == (32, 32, 3)
    assert x_test.size == strip.size
    tiles = photographs.cut(strip, photographs.grid(*strip.shape[:2], 32, 32), 32)
    assert sorted(map(bytes, x_test)) == sorted(map(bytes, tiles))


def test_a_histogram_costs_the_entropy_and_png_no_less(rng):
    noise = rng.integers(0, 256, (200, 64, 64, 3), dtype=np.uint8)
    assert photographs.histogram_bits(noise, noise) == pytest.approx(8, abs=0.01)
    assert 8 <= photographs.png_bits(noise[0]) < 8.2
    coins = 255 * (noise // 128)
    assert photographs.histogram_bits(coins, coins) == pytest.approx(1, abs=0.01)
    assert 1 <= photographs.png_bits(coins[0]) < 2


def test_one_seed_gives_one_file_that_the_loader_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(counts, "TRAIN", 30)
    monkeypatch.setattr(counts, "TEST", 4)
    for module, options in ((photographs, ["--size", "32", "--stride", "16"]), (counts, [])):
        files = [tmp_path / module.__name__ / name for name in ("a.npz", "b.npz", "c.npz")]
        for file, seed in zip(files, "001", strict=True):
            assert module.main(["--out", str(file), "--seed", seed, *options]) == 0
        a, b, c = (file.read_bytes() for file in files)
        assert a == b != c
        assert str(files[0]) in capsys.readouterr().out
        with np.load(files[0]) as arrays:
            assert set(arrays) == {"x_train", "x_test"}
            white = 255 if module is photographs else 1
            data = datasets.load(files[0])
            assert np.array_equal(data.x_test, np.float32(arrays["x_test"]) / np.float32(white))
        assert len(data.x_train) > len(data.x_test)


@pytest.mark.parametrize("module", [photographs, counts])
@pytest.mark.parametrize("wrong", ["--seed=-1", "--out={}/a.txt", "--out={}/f/a.npz"])
def test_a_bad_argument_is_one_line_and_leaves_nothing(module, wrong, tmp_path, capsys):
    (tmp_path / "f").write_text("a file, no folder")
    out = str(tmp_path / "new" / "a.npz")
    assert module.main(["--out", out, wrong.format(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("wrong", [["--size", "24"], ["--size", "0"], ["--stride", "65"]])
def test_patches_that_do_not_tile_a_block_are_refused(wrong, tmp_path, capsys):
    assert photographs.main(["--out", str(tmp_path / "a.npz"), *wrong]) == 2
    assert f"{wrong[0]} must be" in capsys.readouterr().err


def test_log_px_z_is_scipys(simulated, rng):
    simulation, x = simulated
    z = rng.standard_normal((3, 2))
    mean, r = simulation.mean(z), simulation.dispersion
    expected = stats.nbinom.logpmf(x[:, None], r, r / (r + mean)).sum(axis=-1)
    np.testing.assert_allclose(simulation.log_px_z(x, z), expected, rtol=1e-12)


def test_the_quadrature_is_within_the_error_of_brute_force(simulated, rng):
    simulation, x = simulated
    count = 50_000
    log_p = simulation.log_px_z(x, rng.standard_normal((count, 2)))
    exact = simulation.log_likelihood(x, step=0.05)
    ratio = np.exp(log_p - exact[:, None])  # of mean 1
    error = ratio.std(axis=1) / np.sqrt(count)
    assert (error < 0.1).all()
    assert (abs(ratio.mean(axis=1) - 1) < 4 * error).all()
    np.testing.assert_allclose(simulation.log_likelihood(x, step=0.15), exact, atol=1e-6)


def test_of_one_column_the_probabilities_sum_to_one():
    simulation = counts.Simulation(np.array([1.0]), np.array([[0.3, -0.2]]), np.array([3.0]))
    x = np.arange(300.0)[:, None]
    assert logsumexp(simulation.log_likelihood(x, step=0.25)) == pytest.approx(0, abs=1e-6)


def test_the_draws_have_the_moments_of_the_model(rng):
    simulation = counts.Simulation(np.array([2.0]), np.zeros((1, 2)), np.array([3.0]))
    x, m = simulation.sample(rng, 100_000), np.exp(2.0)
    assert x.mean() == pytest.approx(m, abs=4 * np.sqrt((m + m**2 / 3) / len(x)))
    assert x.var() == pytest.approx(m + m**2 / 3, rel=0.03)
