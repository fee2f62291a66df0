"""A bundle is worth what its model is: evaluated by scorer.onnx, and by Keras."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import export.cli
import keras_vae
from export import manifest
from export.runtime import OnnxVAE
from keras_vae import evaluation
from keras_vae.cli import main
from keras_vae.commands.runs import Run
from keras_vae.commands.testing import load_test_set
from keras_vae.distributions.likelihoods import LIKELIHOODS
from keras_vae.evaluation.bits import discrete_entries
from keras_vae.models import load_model
from tests.digits import WHOLE

K = 100


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A conditional model of binary digits, shortly trained, and its bundle `onnx`."""
    out = tmp_path_factory.mktemp("evaluate") / "run"
    arguments = ["--conditional", "--binarize", "static", "--epochs", "2", "--latent-dim", "2"]
    assert main(["train", *arguments, *WHOLE, "--out", str(out)]) == 0
    assert export.cli.main([str(out / "model.keras"), "--out", str(out / "onnx")]) == 0
    return out


@pytest.fixture
def bundle(run, tmp_path):
    """A copy that a test may change, with no model.keras and no metrics.json near it."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file in (run / "onnx").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def data(run):
    """The Keras model and the arguments of both reports."""
    vae = load_model(run / "model.keras")
    test = load_test_set(vae, Run(run))
    return vae, {"x": test.x, "label": test.label, "num_samples": K}


def report(folder, out, *arguments):
    arguments = ["--num-samples", str(K), "--out", str(out), *arguments]
    assert main(["evaluate", str(folder), *arguments]) == 0
    return json.loads(out.read_text())


def test_the_same_seed_gives_the_numbers_of_keras(run, bundle, tmp_path, capsys):
    keras_report = report(run, tmp_path / "keras.json", "--seed", "3")
    capsys.readouterr()
    found = report(bundle, tmp_path / "onnx.json", "--seed", "3")
    printed = capsys.readouterr()
    assert found["protocol"] == {**keras_report["protocol"], "scorer": "scorer.onnx"}
    log_likelihood = keras_report["log_likelihood"]
    assert found["log_likelihood"]["mean"] == pytest.approx(log_likelihood["mean"], abs=1e-3)
    error = found["log_likelihood"]["standard_error"]
    assert error == pytest.approx(log_likelihood["standard_error"], abs=1e-3)
    bits = keras_report["bits_per_dimension"]["mean"]
    assert found["bits_per_dimension"]["mean"] == pytest.approx(bits, abs=1e-4)
    mean = found["log_likelihood"]["mean"]
    assert f"log_likelihood      {mean:.2f} ± {error:.2f} nats" in printed.out
    assert "left out            scorer.onnx gives neither the single weights" in printed.out
    assert printed.err == ""  # the bar is for terminals


def test_its_samples_are_measured_as_those_of_keras(run, digits):
    """Of a conditional model: as many of each label as the data have."""
    y = keras_vae.datasets.load("digits").y_train
    real = evaluation.SampleReference(digits[:900], digits[900:], y[:900], num_samples=100)
    vae, bundle = load_model(run / "model.keras"), OnnxVAE(run / "onnx")
    np.testing.assert_allclose(real.samples(bundle, 0), real.samples(vae, 0), atol=1e-5)


def test_another_seed_agrees_within_the_error_of_the_draws(run, bundle, tmp_path):
    expected = report(run, tmp_path / "keras.json", "--seed", "1")["log_likelihood"]
    found = report(bundle, tmp_path / "onnx.json", "--seed", "2")["log_likelihood"]
    error = np.sqrt(2) * expected["monte_carlo_error"]
    assert 0 < abs(found["mean"] - expected["mean"]) < 4 * error  # fails once in 16,000 seeds


def test_the_bound_is_that_of_keras(data, bundle):
    vae, given = data
    found = evaluation.report(OnnxVAE(bundle), **given)
    np.testing.assert_allclose(found.elbo, vae.score(**given)["elbo"], atol=1e-3)
    estimated = evaluation.importance_sample(vae, **given).elbo  # its KL divergence by the draws
    difference = evaluation.estimate(estimated - found.elbo)
    assert abs(difference.mean) < 4 * difference.standard_error


def test_a_bundle_compares_with_its_run_as_the_same(run, bundle, tmp_path, capsys):
    out, folder = tmp_path / "comparison.json", bundle.rename(tmp_path / "b")
    arguments = ["--num-samples", "30", "--examples", "40", "--out", str(out)]
    assert main(["compare", str(run), str(folder), *arguments]) == 0
    found = json.loads(out.read_text())["models"][1]
    assert found["verdict"] == "the same but for rounding"
    assert found["settings"] == {}  # a bundle names no folder
    bound = found["difference"]["elbo"]  # its KL divergence by the draws, and in closed form
    assert 0 < abs(bound["mean"]) < 4 * bound["standard_error"]
    assert main(["compare", str(folder), str(folder), "--out", str(folder / "c.json")]) == 2
    assert "inside the bundle" in capsys.readouterr().err


def test_without_draws_the_line_is_that_of_the_run(run, bundle, capsys):
    assert main(["evaluate", str(run)]) == 0
    line = capsys.readouterr().out
    assert line.startswith("test ELBO ")
    assert main(["evaluate", str(bundle)]) == 0
    assert capsys.readouterr().out == line


def test_the_report_stands_beside_a_bundle_which_can_still_be_replaced(bundle, data, tmp_path):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    assert main(["evaluate", str(bundle), "--num-samples", "2", "--examples", "1"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "bundle.evaluation.json"}
    found = json.loads((tmp_path / "bundle.evaluation.json").read_text())
    assert found["log_likelihood"]["standard_error"] is None  # of one example
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


def test_samples_of_a_bundle_are_those_of_the_run(run, bundle, tmp_path):
    for name, folder in {"run": run, "bundle": bundle}.items():
        out = ["--count", "5", "--label", "3", "--out", str(tmp_path / f"{name}.npy")]
        assert main(["sample", str(folder), *out]) == 0
    drawn = [np.load(tmp_path / f"{name}.npy") for name in ("run", "bundle")]
    np.testing.assert_allclose(*drawn, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-samples", "0"], "num_samples must be a whole number from 1"),
        (["--num-samples", "5", "--examples", "360"], "--examples must be from 1 to 359"),
        (["--num-samples", "5", "--seed", str(2**63)], "seed must be"),
        (["--num-samples", "5", "--out", "r.txt"], "must end in .json"),
        (["--num-samples", "5", "--out", "bundle/r.json"], "inside the bundle"),
        (["--out", "r.json"], "--num-samples K asks for"),
        (["--num-samples", "5", "--data", "UNLABELLED"], "conditional model needs labels"),
        (["--num-samples", "5", "--data", "LARGE"], "x must have shape (batch, 8, 8, 1)"),
        (["--num-samples", "5", "--data", "ELEVENTH"], "whole numbers from 0 to 9, got 10"),
    ],
)
def test_bad_requests_are_refused_and_leave_nothing(
    bundle, tmp_path, monkeypatch, capsys, arguments, message
):
    places = {name: tmp_path / "data" / f"{name}.npz" for name in ("UNLABELLED", "LARGE")}
    places["ELEVENTH"] = tmp_path / "data" / "ELEVENTH.npz"
    (tmp_path / "data").mkdir()
    x, large, y = np.zeros((20, 8, 8)), np.zeros((20, 9, 9)), np.full(20, 10)
    np.savez(places["UNLABELLED"], x_train=x)
    np.savez(places["LARGE"], x_train=large, y_train=y)
    np.savez(places["ELEVENTH"], x_train=x, y_train=y)
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.rglob("*")}
    arguments = [str(places.get(argument, argument)) for argument in arguments]
    assert main(["evaluate", "bundle", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert {*tmp_path.rglob("*")} == before


def change(bundle, **values):
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values))


FOREIGN = {"class_name": "Bernoulli", "config": {"scale": 1}, "support": "0 and 1"}
DAMAGED = {
    "scorer": (lambda b: (b / "scorer.onnx").write_bytes(b"cut"), "cut short or changed"),
    "manifest": (lambda b: (b / "manifest.json").write_text("{"), "cut short or changed"),
    "likelihood": (lambda b: change(b, likelihood=FOREIGN), "does not describe a likelihoo"),
    "no training data": (lambda b: change(b, metrics={}), "give --data"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_bundle_is_refused(bundle, capsys, damage, message):
    damage(bundle)
    assert main(["evaluate", str(bundle), "--num-samples", "2"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_no_examples_are_refused(bundle, data):
    with pytest.raises(ValueError, match="at least one example, got none"):
        evaluation.report(OnnxVAE(bundle), data[1]["x"][:0], 2)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_manifest_tells_every_likelihood_of_discrete_data(name):
    vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 3), 2, name, hidden=())
    about = json.loads(json.dumps(manifest.about(vae, None)))
    found = evaluation.likelihood_of(SimpleNamespace(manifest=about))
    assert type(found) is type(vae.likelihood)
    entries = [discrete_entries(likelihood, (4, 4, 3)) for likelihood in (found, vae.likelihood)]
    assert entries[0] == entries[1]


@pytest.mark.parametrize("config", [{"scale": "a" * 5000}, {"a": [0] * 1000}, {"levels": [1]}])
def test_a_likelihood_that_cannot_be_made_is_refused_in_one_line(config):
    about = {"class_name": "Normal", "config": config}
    with pytest.raises(ValueError, match=r"^the manifest was cut .* likelihood \(.*\)$") as refused:
        evaluation.likelihood_of(SimpleNamespace(manifest={"likelihood": about}))
    assert len(str(refused.value)) < 400


def test_a_likelihood_of_the_users_own_has_no_bits(bundle, data):
    change(bundle, likelihood={"class_name": "Mine", "config": {}, "support": "anything"})
    given = {name: value[:3] for name, value in data[1].items() if name != "num_samples"}
    found = evaluation.report(OnnxVAE(bundle), **given, num_samples=2)
    assert found.bits is None
    assert "a likelihood that is not of keras_vae" in str(found)
    assert found.to_json()["bits_per_dimension"] is None
    assert np.isfinite(found.elbo).all()
    assert found.warnings == []
    assert np.isnan(found.unreliable)
