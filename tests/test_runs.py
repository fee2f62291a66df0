"""The data that a model is tested on: those of its training, as its folder tells them."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import keras_vae
from export.runtime import OnnxVAE
from keras_vae import datasets
from keras_vae.cli import main
from keras_vae.commands import runs
from keras_vae.commands.testing import load_test_set

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    """Writes a file, such as metrics.json, into a folder."""

    def write(name, settings):
        text = settings if isinstance(settings, str) else json.dumps(settings)
        (tmp_path / name).write_text(text)
        return tmp_path

    return write


def settings(binarize=None, **more):
    return {"data": "digits", "data_dir": None, "binarize": binarize, **more}


@pytest.mark.parametrize("binarize", [None, "static", "dynamic"])
@pytest.mark.parametrize("bundle", [False, True])
def test_data_are_binary_where_those_of_the_training_were(make_vae, folder, binarize, bundle):
    told = settings(binarize)
    path = folder("manifest.json", {"metrics": told}) if bundle else folder("metrics.json", told)
    test = load_test_set(make_vae(), runs.find(path))
    x = datasets.load("digits").x_test
    assert (test.data, test.label) == ("digits", None)
    assert test.binarization == ("once, seed 0" if binarize else "none")
    np.testing.assert_array_equal(test.x, datasets.binarize(x, 0) if binarize else x)


def test_the_manifest_of_an_export_has_no_folder_of_data(make_vae, folder):
    path = folder("manifest.json", {"metrics": {"data": "digits", "binarize": None}})
    assert len(load_test_set(make_vae(), runs.find(path)).x) == 359


def test_data_are_binary_for_a_model_of_binary_data(make_vae, tmp_path):
    test = load_test_set(make_vae(likelihood="bernoulli"), runs.find(tmp_path), data="digits")
    assert set(np.unique(test.x)) == {0, 1}
    assert load_test_set(make_vae(), runs.find(tmp_path), data="digits").binarization == "none"


def test_labels_go_with_their_examples(make_vae, folder):
    digits = datasets.load("digits")
    test = load_test_set(make_vae(num_classes=10), runs.find(folder("metrics.json", settings())))
    np.testing.assert_array_equal(test.label, digits.y_test)
    few = test.first(7)
    np.testing.assert_array_equal(few.x, digits.x_test[:7])
    np.testing.assert_array_equal(few.label, digits.y_test[:7])
    assert len(test.first(None).x) == len(test.first(359).label) == 359


@pytest.mark.parametrize("count", [0, -1, 360])
def test_examples_that_are_not_there_are_refused(make_vae, tmp_path, count):
    test = load_test_set(make_vae(), runs.find(tmp_path), data="digits")
    with pytest.raises(ValueError, match=f"from 1 to 359, all there are, got {count}"):
        test.first(count)


def test_a_conditional_model_is_refused_data_without_labels(make_vae, tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x_train=np.zeros((20, 8, 8)), x_test=np.zeros((5, 8, 8)))
    with pytest.raises(ValueError, match=r"needs labels, and .*x.* holds none"):
        load_test_set(make_vae(num_classes=3), runs.find(tmp_path), data=str(path))
    assert load_test_set(make_vae(), runs.find(tmp_path), data=str(path)).label is None


def test_settings_that_are_missing_are_asked_for(make_vae, tmp_path):
    with pytest.raises(ValueError, match=r"names the data: its metrics\.json is missing.*--data"):
        load_test_set(make_vae(), runs.find(tmp_path))


DAMAGED = {
    "cut short": '{"data": "digits", ',
    "not UTF-8 text": "\x00",
    "a list": "[]",
    "a number": "3",
    "no way of binarizing": {"data": "digits"},
    "no data": {"binarize": None},
    "a manifest without metrics": {"format": "keras-vae", "metrics": None},
    "nested deeply": '{"metrics": ' + "[" * 100_000 + "]" * 100_000 + "}",
    **{
        f"{name} is {value}": {**settings(), name: value, "metrics": {**settings(), name: value}}
        for name, value in [("data", ["digits"]), ("data", 7), ("binarize", []), ("data_dir", 7)]
    },
}


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json"])
@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_settings_that_are_damaged_are_asked_for(make_vae, folder, name, damaged):
    path = folder(name, damaged)
    with pytest.raises(ValueError, match=r"is not what train wrote, or .* give --data"):
        load_test_set(make_vae(), runs.find(path))
    assert load_test_set(make_vae(), runs.find(path), data="digits").binarization == "none"


def test_a_bundle_names_no_folder_of_this_machine(folder):
    told = settings("static") | {"data_dir": "/home/me"}
    assert runs.find(folder("manifest.json", {"metrics": told})).settings().data_dir is None


def test_a_bundle_of_data_by_a_path_asks_for_them(make_vae, folder):
    """It keeps no path of the machine that it was made on."""
    path = folder("manifest.json", {"metrics": {"data": "counts.npz", "binarize": None}})
    with pytest.raises(ValueError, match="or its data have no name: give --data"):
        load_test_set(make_vae(), runs.find(path))


@pytest.mark.only_on("tensorflow")  # it exports
def test_data_are_binary_for_a_bundle_of_binary_data(make_vae, tmp_path):
    make_vae(likelihood="bernoulli").export(tmp_path / "bundle")
    vae = OnnxVAE(tmp_path / "bundle")
    test = load_test_set(vae, runs.find(tmp_path / "bundle"), data="digits")
    assert test.binarization == "once, seed 0"
    assert vae.score(test.x[:3])["elbo"].shape == (3,)


@pytest.fixture
def saved(tmp_path):
    """A run without its metrics.json."""
    vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), 2, "normal", seed=0, hidden=())
    folder = tmp_path / "run"
    folder.mkdir()
    vae.save(folder / "model.keras")
    return runs.Run(folder)


SETTINGS = runs.Source("/home/me/faces.npz", "/home/me", "dynamic")


def test_a_run_tells_what_was_written_of_it(saved):
    saved.write_metrics(SETTINGS, {"elbo": -9.5})
    assert saved.settings() == SETTINGS
    assert saved.published() == {
        "data": "faces.npz",
        "binarize": "dynamic",
        "test": {"elbo": -9.5},
    }


def test_a_run_is_its_folder_or_its_model(saved):
    assert runs.find(saved.path).open().latent_dim == 2
    assert runs.find(saved.model).open().latent_dim == 2
    assert vars(runs.find(saved.model)) == vars(saved)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_every_command(saved, tmp_path, capsys, value):
    """They can still be looked at in Python."""
    vae = keras_vae.models.load_model(saved.model)
    weight = vae.decoder.weights[0]
    weight.assign(np.where(np.arange(16) < 3, value, 0.5) * np.ones((2, 1)))
    vae.save(saved.model)
    out = tmp_path / "out.npy"
    more = {"evaluate": ["--data", "digits"], "sample": ["--out", str(out)], "plot": []}
    for command, arguments in more.items():
        for path in (saved.path, saved.model):
            assert main([command, str(path), *arguments]) == 2
            assert capsys.readouterr().err == (
                f"error: {saved.model}: training diverged, 6 of the 32 values of the weight "
                f"{weight.path} are NaN or infinite. Lower the learning rate, and train again\n"
            )
    assert not out.exists()
    assert list(saved.path.iterdir()) == [saved.model]
    assert keras_vae.models.load_model(saved.model).latent_dim == 2


def test_what_was_written_of_other_weights_is_refused(saved):
    saved.write_metrics(SETTINGS, {"elbo": -9.5})
    saved.model.write_bytes(saved.model.read_bytes() + b"more")
    with pytest.raises(ValueError, match="it is of another model"):
        saved.published()


def test_a_model_that_is_replaced_meanwhile_is_no_longer_told_of(saved):
    saved.write_metrics(SETTINGS, {"elbo": -9.5})
    vae = saved.open()
    other = saved.model.read_bytes() + b"more"
    saved.model.write_bytes(other)
    assert saved.published()["test"] == {"elbo": -9.5}  # of the one that was opened
    detector = SimpleNamespace(to_json=dict)
    with pytest.raises(ValueError, match="was replaced in the meantime: run this again"):
        saved.write_detector(detector)
    assert not saved.anomaly.exists()
    assert vae.latent_dim == 2


def test_what_a_folder_holds_is_known_without_keras():
    code = "import sys, keras_vae.commands.runs\nprint('keras' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == "False\n"


def test_only_runs_knows_the_files_of_a_run():
    """`export.runtime` stands alone, and reads the manifest by its own means."""
    others = {*ROOT.glob("keras_vae/**/*.py"), *ROOT.glob("export/*.py")}
    others -= {ROOT / "keras_vae/commands/runs.py", ROOT / "keras_vae/folders.py"}
    assert [path for path in others if '"metrics.json"' in path.read_text()] == []
    assert [path for path in others if '"model.keras"' in path.read_text()] == []
