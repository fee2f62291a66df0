"""A prior fitted after training: the rest of the model stays, and its latents are more likely."""

import json
import math

import keras
import numpy as np
import pytest

from keras_vae import VAE, cli, fit_prior
from keras_vae.distributions import FlowMatchingPrior, FlowPrior, MixtureOfNormals, VampPrior
from keras_vae.models.prior_fitting import posteriors
from tests.tensors import array

MAKE = {
    "flow_matching": lambda: FlowMatchingPrior((16,), steps=4),
    "flow": lambda: FlowPrior(num_layers=4, units=16),
    "mixture_of_normals": lambda: MixtureOfNormals(num_components=5),
    "vamp": lambda: VampPrior(num_components=5, activation="linear"),
}


def two_kinds(count=400):
    """Vectors of two kinds, which a model of two latents tells apart."""
    rng = np.random.default_rng(0)
    return (rng.choice([-2, 2], (count, 1)) + rng.normal(0, 0.3, (count, 4))).astype("float32")


@pytest.fixture(scope="module")
def vae():
    """A model whose posteriors are in two places, far apart, by its weights."""
    vae = VAE.from_architecture("mlp", (4,), 2, "normal", seed=0, hidden=())
    vae.encoder.get_layer("z_mean").kernel.assign(np.full((4, 2), 0.25))
    vae.encoder.get_layer("z_log_var").kernel.assign(np.zeros((4, 2)))
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(2, -3.0))
    vae.compile("adam")
    return vae


def mean_log_pz(vae, x):
    z_mean, z_log_var = vae.encode(x)
    epsilon = np.random.default_rng(1).standard_normal(z_mean.shape)
    z = (z_mean + np.exp(z_log_var / 2) * epsilon).astype("float32")
    return array(vae.prior.log_prob(z)).mean()


@pytest.mark.parametrize("name", MAKE)
def test_the_latents_are_more_likely_and_nothing_else_changes(name, vae, tmp_path):
    x, before = two_kinds(), [array(variable) for variable in vae.variables]
    rate = 0.1 if name == "vamp" else 0.02  # its pseudo-inputs have far to go
    fitted = fit_prior(vae, x, MAKE[name](), 25, batch_size=100, learning_rate=rate, verbose=0)
    assert mean_log_pz(fitted, x) > mean_log_pz(vae, x) + 0.3
    for old, variable in zip(before, vae.variables, strict=True):
        np.testing.assert_array_equal(old, array(variable))
    np.testing.assert_array_equal(fitted.encode(x)[0], vae.encode(x)[0])
    np.testing.assert_array_equal(fitted.decode(x[:, :2]), vae.decode(x[:, :2]))
    gained = fitted.score(x, 20)["elbo"].mean() - vae.score(x, 20)["elbo"].mean()
    assert gained == pytest.approx(mean_log_pz(fitted, x) - mean_log_pz(vae, x), abs=0.2)
    fitted.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.sample(9), fitted.sample(9))
    np.testing.assert_array_equal(loaded.score(x[:5])["elbo"], fitted.score(x[:5])["elbo"])
    assert "prior_weight" not in fitted.fit(x, epochs=1, verbose=0).history  # no warm-up anew
    np.testing.assert_array_equal(array(vae.variables[0]), before[0])  # it has parts of its own


def test_the_prior_of_the_model_itself_is_copied_before_it_is_fitted(vae):
    one = fit_prior(vae, two_kinds(), MAKE["flow"](), 1, verbose=0)
    before = one.prior.get_weights()
    two = fit_prior(one, two_kinds(), one.prior, 2, learning_rate=1e-5, verbose=0)
    for mine, its, old in zip(
        one.prior.get_weights(), two.prior.get_weights(), before, strict=True
    ):
        np.testing.assert_array_equal(mine, old)
        np.testing.assert_allclose(its, old, atol=1e-2)  # it goes on from them
    assert any((a != b).any() for a, b in zip(before, two.prior.get_weights(), strict=True))


def test_a_seed_gives_one_prior_whatever_else_was_drawn(vae):
    x, found = two_kinds(100), []
    for _ in range(2):
        np.random.random(3)
        fitted = fit_prior(vae, x, MAKE["flow_matching"](), 2, batch_size=50, verbose=0, seed=5)
        found.append(fitted.sample(5))
    np.testing.assert_array_equal(*found)


def test_a_conditional_model_needs_no_labels():
    vae = VAE.from_architecture("mlp", (4,), 2, "normal", num_classes=3, seed=0)
    fitted = fit_prior(vae, two_kinds(50), MAKE["flow"](), 1, verbose=0)
    assert fitted.sample(3, label=2).shape == (3, 4)


def test_grey_levels_are_made_binary_where_training_makes_them_so(rng):
    vae = VAE.from_architecture("mlp", (4,), 2, "bernoulli", augment="binarize", seed=0)
    grey = rng.random((50, 4), "float32")
    z_mean, _ = posteriors(vae, grey)
    patterns = vae.encode(np.array(np.meshgrid(*[[0.0, 1.0]] * 4)).reshape(4, -1).T)[0]
    nearest = np.abs(z_mean[:, None] - patterns).max(-1).min(1)
    np.testing.assert_allclose(nearest, 0, atol=1e-5)
    plain = VAE.from_architecture("mlp", (4,), 2, "bernoulli", seed=0)
    with pytest.raises(ValueError, match="Bernoulli is for"):
        fit_prior(plain, grey, "flow", 1)


@pytest.mark.parametrize(
    ("x", "prior", "message"),
    [
        (np.zeros((9, 5)), "flow", r"x must have shape \(batch, 4\), got \(9, 5\)"),
        (np.zeros((1, 4)), "flow", "at least as many examples as z has dimensions, 2, got 1"),
        (np.full((9, 4), math.nan), "flow", "NaN or infinite"),
        (iter([]), "flow", "x must hold all examples"),
        (np.zeros((9, 4)), "standard_normal", "prior must be one that learns"),
        (np.zeros((9, 4)), "flows", "Did you mean 'flow'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(vae, x, prior, message):
    with pytest.raises(ValueError, match=message):
        fit_prior(vae, x, prior, 1)
    with pytest.raises(ValueError, match="epochs must be a whole number >= 1, got 0"):
        fit_prior(vae, two_kinds(9), "flow", 0)


def test_a_hierarchy_is_refused_since_its_levels_have_priors():
    vae = VAE.from_architecture("topdown_mlp", (4,), 2, likelihood="normal")
    with pytest.raises(ValueError, match="vae must have one level of latents, got z_1, z_2"):
        fit_prior(vae, two_kinds(9), "flow", 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of `train`, of vectors."""
    folder = tmp_path_factory.mktemp("run")
    np.save(folder / "x.npy", two_kinds(60))
    flags = ["--data", str(folder / "x.npy"), "--hidden", "4", "--latent-dim", "2", "--epochs", "1"]
    assert cli.main(["train", *flags, "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_the_command_writes_a_run_beside_the_other(run, capsys):
    arguments = ["fit-prior", str(run), "--prior", "flow", "--epochs", "2"]
    assert cli.main(arguments) == 0
    new = run.with_name("run-flow")
    assert f"wrote {new}/" in capsys.readouterr().out
    told = json.loads((new / "run.json").read_text())
    assert (told["fitted_prior"]["prior"], told["fitted_prior"]["epochs"]) == ("flow", 2)
    assert told["settings"] == json.loads((run / "run.json").read_text())["settings"]
    assert cli.main(["evaluate", str(new)]) == 0
    assert cli.main(["compare", str(run), str(new), "--num-samples", "2"]) == 0
    assert "FlowPrior" in capsys.readouterr().out
    assert cli.main(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert cli.main([*arguments, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prior", "flaw"], "Did you mean 'flow'"),
        (["--epochs", "0"], "epochs must be"),
        (["--seed", "-1"], "seed must be"),
    ],
)
def test_the_command_refuses_bad_flags_in_one_line(run, flags, message, tmp_path, capsys):
    assert cli.main(["fit-prior", str(run), "--out", str(tmp_path / "new"), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_the_command_needs_a_run_and_its_data(run, tmp_path, capsys):
    assert cli.main(["fit-prior", str(tmp_path / "none")]) == 2
    assert "there is no file" in capsys.readouterr().err
    data = run.with_name("x.npy")
    kept = data.read_bytes()
    np.save(data, two_kinds(70)[:, :3])
    assert cli.main(["fit-prior", str(run), "--out", str(tmp_path / "new")]) == 2
    assert "the data have changed" in capsys.readouterr().err
    data.write_bytes(kept)
