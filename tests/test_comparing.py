"""Models on the same examples: laws of the paired difference, and what cannot be compared."""

import json
import math

import keras
import numpy as np
import pytest
import scipy.stats

from keras_vae import VAE, datasets, evaluation
from keras_vae.cli import main
from keras_vae.commands import runs
from keras_vae.evaluation import estimate, paired_difference
from keras_vae.evaluation.paired import verdict

SETTINGS = runs.Source("digits", None, None)


def small(shape=(8, 8, 1), latent_dim=2, likelihood="normal", seed=0, **options):
    return VAE.from_architecture(
        "mlp", shape, latent_dim, likelihood, seed=seed, hidden=(20,), **options
    )


@pytest.fixture
def pair(rng):
    """Two numbers for each of 200 examples, some of which are hard for both models."""
    hard = rng.normal(-80, 20, 200)
    return hard + rng.normal(0, 1, 200), hard + rng.normal(0.5, 1, 200)


def test_the_difference_of_a_model_with_itself_is_nothing(pair):
    assert paired_difference(pair[0], pair[0]) == (0, 0)


def test_the_difference_is_that_of_the_means_and_changes_its_sign(pair):
    a, b = pair
    found = paired_difference(a, b)
    assert found.mean == pytest.approx(estimate(a).mean - estimate(b).mean)
    assert paired_difference(b, a) == (-found.mean, found.standard_error)
    expected = scipy.stats.ttest_rel(a, b).statistic
    assert found.mean / found.standard_error == pytest.approx(expected)


def test_what_examples_have_in_common_does_not_blur_the_difference(pair):
    a, b = pair
    alone = math.hypot(estimate(a).standard_error, estimate(b).standard_error)
    assert paired_difference(a, b).standard_error < alone / 10
    assert verdict(paired_difference(b, a)) == "better, beyond twice the error"


def test_twice_the_error_is_exceeded_by_chance_once_in_twenty_times(rng):
    values = rng.normal(0, 1, (2000, 2, 100))
    said = [verdict(paired_difference(a, b)) for a, b in values]
    beyond = sum("beyond" in words for words in said)
    assert 0.03 < beyond / len(said) < 0.07  # expected: 0.048, ± 0.005


def test_other_examples_are_refused(pair):
    with pytest.raises(ValueError, match=r"the same examples, got shapes \(200,\) and \(199,\)"):
        paired_difference(pair[0], pair[1][:-1])
    with pytest.raises(ValueError, match="at least one example"):
        paired_difference([], [])


@pytest.mark.parametrize(("values", "words"), [([-1.0], "not known"), ([-np.inf, 1], "not known")])
def test_a_difference_without_an_error_is_not_known(values, words):
    assert words in verdict(paired_difference(values, np.zeros(len(values))))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three runs of digits: a model, the same trained longer, and one with a latent more."""
    folder = tmp_path_factory.mktemp("compare")
    x = datasets.load("digits").x_train[:1280]  # a smaller last batch would be traced anew
    for name, latent_dim, epochs in (("a", 2, 1), ("b", 2, 2), ("c", 3, 1)):
        vae = small(latent_dim=latent_dim)
        vae.compile(optimizer=keras.optimizers.Adam(1e-2))
        vae.fit(x, epochs=epochs, verbose=0)
        save(vae, folder / name, epochs=epochs)
    return folder


def save(vae, path, settings=SETTINGS, **told):
    """What `train` leaves of a model; with `told`, what decided it."""
    path.mkdir()
    vae.save(path / "model.keras")
    runs.Run(path).write_metrics(settings, {"elbo": 0.0})
    if told:
        (path / "run.json").write_text(json.dumps({"settings": told}))
    return path


def compared(folder, *arguments, names=("a", "b", "c")):
    paths = [str(folder / name) for name in names]
    out = folder / "comparison.json"
    assert main(["compare", *paths, *arguments, "--out", str(out)]) == 0
    return json.loads(out.read_text())


def test_the_numbers_are_those_of_evaluate(trained, tmp_path, capsys):
    protocol = ["--num-samples", "30", "--examples", "50", "--seed", "4"]
    found = compared(trained, *protocol)
    printed = capsys.readouterr().out
    for model in found["models"]:
        out = tmp_path / "report.json"
        assert main(["evaluate", model["model"], *protocol, "--out", str(out)]) == 0
        report = json.loads(out.read_text())
        assert report["protocol"] == found["protocol"]
        for kind in ("elbo", "log_likelihood"):
            expected = report[kind]
            assert model[kind]["mean"] == pytest.approx(expected["mean"], abs=1e-5)
            error = model[kind]["standard_error"]
            assert error == pytest.approx(expected["standard_error"], abs=1e-5)
            first = found["models"][0][kind]
            difference = model["difference"][kind]
            assert difference["mean"] == pytest.approx(expected["mean"] - first["mean"], abs=1e-4)
            assert difference["standard_error"] < math.hypot(error, first["standard_error"])
    last = found["models"][-1]["difference"]["log_likelihood"]
    assert f"{last['mean']:+.2f} ± {last['standard_error']:.2f}" in printed


def test_a_run_is_the_same_as_itself(trained, capsys):
    found = compared(trained, "--num-samples", "2", names=("a", "a"))
    assert found["protocol"]["examples"] == 359  # all, since there are no 1000
    for model in found["models"]:
        nothing = {"mean": 0.0, "standard_error": 0.0}
        assert model["difference"] == {"elbo": nothing, "log_likelihood": nothing}
        assert model["verdict"] == "the same"
    assert "settings that differ: none" in capsys.readouterr().out


def test_what_differs_in_the_settings_is_told(trained, capsys):
    found = compared(trained, "--num-samples", "2", "--examples", "2")
    settings = [model["settings"] for model in found["models"]]
    assert settings == [
        {"epochs": 1, "latent_dim": 2},
        {"epochs": 2, "latent_dim": 2},
        {"epochs": 1, "latent_dim": 3},
    ]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-3:] for line in lines if line.startswith("epochs")] == [["1", "2", "1"]]


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"settings": 3}', "[" * 100_000])
def test_without_settings_those_of_the_data_are_compared(tmp_path, text):
    folder = runs.Run(save(small(), tmp_path / "run", SETTINGS._replace(data_dir="/home/me")))
    if text is not None:
        (folder.path / "run.json").write_text(text)
    assert folder.told() == {"data": "digits", "binarize": None}


def refused(arguments, words, capsys):
    assert main(["compare", *map(str, arguments)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "two runs or bundles at least, got 1"),
        (["a", "none"], "there is no file none/model.keras"),
        (["a", "b", "--num-samples", "0"], "num_samples must be a whole number from 1"),
        (["a", "b", "--examples", "360"], "--examples must be from 1 to 359"),
        (["a", "b", "--out", "new/r.txt"], "must end in .json"),
        (["a", "b", "--num-samples", "0", "--out", "new/r.json"], "num_samples must be"),
        (["a", "b", "--data", "none.npz"], "no such file"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(
    trained, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(trained)
    refused(arguments, words, capsys)
    assert not (trained / "new").exists()


def test_models_that_cannot_be_compared_are_refused(trained, tmp_path, capsys):
    binary = SETTINGS._replace(binarize="static")
    others = {
        "probability of discrete x": save(small(likelihood="bernoulli"), tmp_path / "d", binary),
        "density p(x|label)": save(small(num_classes=10), tmp_path / "y"),
        "different binarization": save(small(), tmp_path / "b", binary),
        "different data": save(small(), tmp_path / "o", SETTINGS._replace(data="mnist")),
        "different shapes": save(small((9,)), tmp_path / "s"),
    }
    for words, path in others.items():
        refused([trained / "a", path], words, capsys)
    unnamed = tmp_path / "unnamed.keras"
    small().save(unnamed)
    refused([trained / "a", unnamed], "give --data", capsys)


def test_other_data_are_the_same_for_all(tmp_path):
    grey, drawn = (SETTINGS._replace(binarize=way) for way in (None, "dynamic"))
    save(small(likelihood="bernoulli"), tmp_path / "drawn", drawn)
    save(small(likelihood="bernoulli"), tmp_path / "black", grey)
    save(small(likelihood="bernoulli"), tmp_path / "static", grey._replace(binarize="static"))
    few = ["--num-samples", "2", "--examples", "9"]
    found = compared(tmp_path, *few, names=("drawn", "static"))
    assert found["models"][1]["verdict"] == "the same"  # both are tested on the same drawing
    found = compared(tmp_path, *few, "--data", "digits", names=("black", "drawn"))
    assert found["protocol"]["binarization"] == "once, seed 0"
    small().save(tmp_path / "alone.keras")
    found = compared(tmp_path, *few, "--data", "digits", names=("alone.keras", "alone.keras"))
    assert found["protocol"]["binarization"] == "none"


def test_python_may_compare_models(digits):
    vae, x = small(), digits[:5]
    found = evaluation.compare({"a": vae, "b": small(seed=1)}, x, num_samples=30, seed=2)
    expected = evaluation.report(vae, x, 30, seed=2)
    np.testing.assert_array_equal(found.scores[0].elbo, expected.elbo)
    np.testing.assert_array_equal(found.scores[0].log_likelihood, expected.log_likelihood)
    assert found.protocol == expected.protocol
    with pytest.raises(ValueError, match="two models or more to compare, got 1"):
        evaluation.compare({"a": vae}, x)
