"""For equal weights, data and epsilon, the three backends give one loss and one gradient."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_vae import VAE, noise, objectives
from keras_vae.models import load_model

SCRIPT = Path(__file__).with_name("step.py")
BACKENDS = ["tensorflow", "jax", "torch"]
MODELS = {
    "mlp": {"architecture": "mlp", "likelihood": "normal", "hidden": (16,)},
    "conv": {
        "architecture": "conv",
        "likelihood": "bernoulli",
        "prior": "vamp",
        "objective": objectives.IWAE(3, "doubly_reparameterized"),
        "num_classes": 3,
        "filters": (4, 8),
        "units": 8,
    },
    "counts": {
        "architecture": "mlp",
        "likelihood": "negative_binomial",
        "prior": "flow",
        "posterior": "full_normal",
        "objective": objectives.ELBO(estimator="sticking_the_landing", num_samples=2),
        "hidden": (16,),
    },
    "many draws": {
        "architecture": "mlp",
        "likelihood": "heteroscedastic_normal",
        "prior": "mixture_of_normals",
        "objective": objectives.IWAE(130),
        "hidden": (8,),
    },
}


@pytest.fixture(scope="module", params=MODELS)
def saved(request, tmp_path_factory):
    """A model and a batch, and the numbers of TensorFlow."""
    folder, name = tmp_path_factory.mktemp("backends"), request.param
    vae = VAE.from_architecture(**MODELS[name], input_shape=(6, 6, 1), latent_dim=3, seed=0)
    rng = np.random.default_rng(0)
    vae.set_weights([w + rng.normal(0, 0.05, w.shape).astype(w.dtype) for w in vae.get_weights()])
    vae.save(folder / f"{name}.keras")
    x = rng.integers(0, 2, (12, 6, 6, 1)).astype("float32")  # in every support
    epsilon = noise.draws(1, np.arange(len(x)), 0, vae.objective.num_samples, 3)
    np.savez(folder / f"{name}.npz", x=x, y=np.arange(12) % 3, epsilon=epsilon)
    return folder, name, run(folder, name, "tensorflow")


def run(folder, name, backend):
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, str(SCRIPT), str(folder), name], env=environment, check=True)
    return np.load(folder / f"{name}.{backend}.npz")


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_a_model_gives_the_same_numbers_and_goes_back_and_forth(backend, saved):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"compares with {backend} where it is there")
    folder, name, expected = saved
    found = run(folder, name, backend)
    assert set(found) == set(expected)
    for key in expected:
        largest = max(1, np.abs(expected[key]).max())
        np.testing.assert_allclose(found[key], expected[key], atol=1e-5 * largest, err_msg=key)
    here, there = (load_model(folder / f"{name}.{b}.keras") for b in ("tensorflow", backend))
    assert there.optimizer.iterations == here.optimizer.iterations == 1
    for a, b in zip(there.get_weights(), here.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))
