"""Ray, Beam and Spark deal the rows out as they like, and make the same bytes of them.

They run in an environment of their own, `make build/engines/.locked`; `make test-all` makes it.
Spark is not in it, for its size and its need of Java: `pip install pyspark` there adds it.
"""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from export.runtime import OnnxVAE, beam
from keras_vae import VAE

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / "build" / "engines" / "bin" / "python"
PACKAGES = {"ray": "ray", "beam": "apache_beam", "spark": "pyspark"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines") / "bundle"
    VAE.from_architecture("mlp", (4, 4, 1), 2, "bernoulli", seed=0, hidden=(8,)).export(folder)
    return folder


def has(package):
    """Whether the environment of the engines holds a package."""
    command = f"import importlib.util; exit(importlib.util.find_spec({package!r}) is None)"
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", command]).returncode == 0


@pytest.mark.parametrize("engine", PACKAGES)
def test_the_bytes_are_those_of_one_worker(engine, bundle, tmp_path):
    package = PACKAGES[engine]
    if not has(package):
        pytest.skip(f"needs make build/engines/.locked, and {package} in it")
    out = tmp_path / "results.npz"
    script = ROOT / "tests" / "engines" / f"with_{engine}.py"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([PYTHON, script, bundle, out], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(out) as arrays:
        results = dict(arrays)
    assert results.pop("killed_once", True)
    vae = OnnxVAE(bundle)
    count = max(len(values) for values in results.values())
    x = vae.sample_at(np.arange(count), seed=7)
    scores = vae.score_each((x[:200] > 0.5).astype("float32"), seed=0, num_samples=9)
    for name, values in results.items():
        expected = scores["log_likelihood"] if "scores" in name else x
        assert values.tobytes() == expected[: len(values)].tobytes(), name


def test_a_sample_and_a_score_do_not_depend_on_their_neighbours(bundle, rng):
    vae = OnnxVAE(bundle)
    whole = vae.sample_at(np.arange(300), seed=3)
    np.testing.assert_allclose(whole, vae.sample(300, seed=3), atol=1e-6)
    order = rng.permutation(300)
    for index in (order, order[:1], order[5:50], np.array([7, 7, 299])):
        assert (vae.sample_at(index, seed=3) == whole[index]).all()
    assert vae.sample_at([], seed=3).shape == (0, 4, 4, 1)
    x = (whole > 0.5).astype("float32")
    scores = vae.score_each(x, num_samples=5, seed=1)
    np.testing.assert_allclose(
        scores["log_likelihood"], vae.score(x, 5, seed=1)["log_likelihood"], rtol=1e-5
    )
    parts = vae.score_each(x[order], num_samples=5, seed=1, index=order)
    for name, values in scores.items():
        assert (parts[name] == values[order]).all(), name


def test_an_example_without_density_does_not_stop_the_others(bundle):
    x = np.zeros((2, 4, 4, 1), "float32")
    x[0] = 0.5
    scores = OnnxVAE(bundle).score_each(x, num_samples=2)["log_likelihood"]
    assert list(np.isfinite(scores)) == [False, True]


@pytest.mark.parametrize("index", [[-1], [2**44], [0.5], [[1]]])
def test_an_index_that_is_none_is_refused(bundle, index):
    with pytest.raises(ValueError, match="index must be"):
        OnnxVAE(bundle).sample_at(index)


def test_a_column_that_is_not_there_is_named(bundle):
    from export.runtime.ray import Sampler

    with pytest.raises(ValueError, match="id must be one of the columns x"):
        Sampler(bundle)({"x": np.zeros(1)})


class Graph:
    """A session of onnxruntime, as far as it is asked what it takes."""

    def get_inputs(self):
        return [SimpleNamespace(name="label", type="tensor(int64)")]


def test_beam_refuses_what_a_graph_does_not_take():
    assert beam.fed(Graph(), "label", 2.0) == 2
    with pytest.raises(ValueError, match=r"label must hold whole numbers, got 2\.9"):
        beam.fed(Graph(), "label", 2.9)
    with pytest.raises(ValueError, match="the graph takes label, got 'id'"):
        beam.fed(Graph(), "id", 1)
