"""What train takes where nothing is said follows the data, and fits the time there is."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from keras_vae import defaults, names, settings
from keras_vae.distributions.sized import COUNTS

COLOUR = [(32, 32, 3), (48, 32, 3), (64, 64, 3), (128, 128, 3), (256, 256, 3)]


@pytest.mark.parametrize("likelihood", ["normal", "bernoulli"])
def test_the_digits_stay_as_quick_as_they_are(likelihood):
    kind = "binary" if likelihood == "bernoulli" else "real"
    assert defaults.settings_for((8, 8, 1), 1437, kind) == {
        "architecture": "mlp",
        "likelihood": likelihood,
        "prior": "standard_normal",
        "latent_dim": 8,
        "epochs": 100,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "preprocessing": "none",
    }
    assert defaults.settings_for((64,), 1437, kind)["architecture"] == "mlp"


def test_sparse_counts_are_given_their_total(rng):
    assert defaults.kind_of(sparse.csr_array(rng.poisson(0.3, (9, 5)))) == "counts"
    assert defaults.kind_of(sparse.csr_array(rng.random((9, 5)) < 0.3)) == "binary"
    assert defaults.kind_of(sparse.csr_array(-rng.poisson(2, (9, 5)))) == "real"
    assert defaults.kind_of(rng.poisson(3, (9, 5)).astype("float32")) == "real"  # not to be known
    said = defaults.settings_for((2000,), 16_000, "counts")
    assert (said["likelihood"], said["size_factor"]) == ("negative_binomial", "observed")
    assert settings.Settings(**said).latent_dim == 10
    epochs = [defaults.settings_for((20_000,), n, "counts")["epochs"] for n in (10, 10**4, 10**6)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[-1] == 1
    for likelihood in names.LIKELIHOODS:
        said = defaults.settings_for((2000,), 16_000, "counts", likelihood)
        assert (said["size_factor"] == "observed") == (likelihood in COUNTS)
    assert {*defaults.OF_COUNTS} == {*COUNTS}


@pytest.mark.parametrize(
    ("shape", "kind", "likelihood", "chosen"),
    [
        ((3,), "real", None, "standardize"),
        ((3,), "real", "normal", "standardize"),
        ((3,), "real", "negative_binomial", "none"),
        ((3,), "binary", None, "none"),
        ((3,), "levels", None, "none"),
        ((32, 32, 3), "real", None, "none"),
        ((4, 4, 4, 1), "real", None, "standardize"),
        ((16, 3), "levels", None, "none"),
    ],
)
def test_vectors_of_any_numbers_are_standardized(shape, kind, likelihood, chosen):
    assert defaults.settings_for(shape, 1000, kind, likelihood)["preprocessing"] == chosen


@pytest.mark.parametrize("kind", ["binary", "levels", "real"])
@pytest.mark.parametrize("shape", [(5,), (16, 3), (4, 4, 4, 1), (8, 8, 1), (28, 28, 1), *COLOUR])
@pytest.mark.parametrize("count", [1, 1000, 10**7])
def test_all_that_is_said_is_a_known_name_or_a_number_that_train_takes(shape, count, kind):
    said = defaults.settings_for(shape, count, kind)
    assert said["architecture"] in names.ARCHITECTURES
    assert said["likelihood"] in names.LIKELIHOODS
    assert said["prior"] in names.PRIORS
    assert said["schedule"] in settings.SCHEDULES
    assert min(said["epochs"], said["batch_size"]) >= 1
    if kind != "levels":
        assert said["likelihood"] == ("bernoulli" if kind == "binary" else "normal")


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 1), *COLOUR])
@pytest.mark.parametrize("count", [500, 5000, 50_000])
def test_pictures_are_seen_as_often_as_there_is_time_for(shape, count):
    pixels = count * shape[0] * shape[1]
    budget = defaults.SECONDS * (defaults.GREY if shape[-1] == 1 else defaults.COLOUR)
    epochs = defaults.settings_for(shape, count, "levels")["epochs"]
    assert epochs == 1 or epochs * pixels <= budget
    assert epochs == defaults.MOST_EPOCHS or (epochs + 1) * pixels > budget


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (64, 64, 3)])
@pytest.mark.parametrize("architecture", defaults.PIXELS)
def test_an_architecture_that_takes_longer_sees_them_less_often(shape, architecture):
    pixels, usual = 10**5 * shape[0] * shape[1], defaults.settings_for(shape, 10**5, "levels")
    said = defaults.settings_for(shape, 10**5, "levels", architecture=architecture)
    assert said["epochs"] <= usual["epochs"]
    assert said["epochs"] in (1, usual["epochs"]) or (
        said["epochs"] * pixels <= defaults.SECONDS * defaults.PIXELS[architecture]
    )
    assert defaults.settings_for((64,), 10**5, "real", architecture="topdown")["epochs"] == 100


@pytest.mark.parametrize("shape", [(5,), (16, 3), (32, 32, 32, 1), (8, 16, 16, 3)])
def test_what_is_no_picture_is_learned_by_dense_layers(shape):
    assert defaults.settings_for(shape, 5000, "levels")["architecture"] == "mlp"


def test_a_batch_of_large_pictures_holds_fewer():
    sizes = [defaults.settings_for(shape, 5000, "levels")["batch_size"] for shape in COLOUR]
    assert sizes == [32, 26, 16, 8, 4]


def test_larger_colours_get_more_latents():
    sizes = [(16, 16, 3), (32, 32, 3)]
    assert [defaults.settings_for(s, 6000, "levels")["latent_dim"] for s in sizes] == [64, 128]


def test_colours_of_eight_bits_get_the_mixture_and_a_flow():
    assert defaults.settings_for((32, 32, 3), 6000, "levels")["prior"] == "flow"
    assert "mixture" in defaults.settings_for((32, 32, 3), 6000, "levels")["likelihood"]
    assert defaults.settings_for((28, 28, 1), 60_000, "levels")["likelihood"] == "normal"


def test_the_kind_is_that_of_all_numbers():
    levels = np.linspace(0, 1, 256, dtype="float32").reshape(-1, 1)
    x = np.zeros((2 * defaults.AT_ONCE // 64, 64), "float32")  # more than are looked at together
    assert defaults.kind_of(x) == "binary"
    x[-1, -1] = levels[7, 0]
    assert defaults.kind_of(x) == "levels"
    for number in (0.5, -1, 2):
        x[-1, -1] = number
        assert defaults.kind_of(x) == "real"
    assert defaults.kind_of(levels) == "levels"


def test_the_settings_are_fields_of_train():
    fields = {field.name for field in dataclasses.fields(settings.Settings)}
    assert defaults.settings_for((32, 32, 3), 6000, "levels").keys() <= fields
    assert settings.Settings(**defaults.settings_for((28, 28, 1), 60_000, "levels")).epochs > 1


def test_it_loads_no_keras():
    code = "import sys, keras_vae.defaults; print('keras' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "False"
