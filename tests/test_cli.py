"""The command line: a run folder and its pictures; bad input is one line and leaves nothing."""

import csv
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_vae import datasets
from keras_vae.cli import main
from keras_vae.commands import training
from keras_vae.folders import atomic_files
from keras_vae.models import load_model
from tests import pictures
from tests.digits import WHOLE

ROOT = Path(__file__).parents[1]
RUN_FILES = {
    "history.csv",
    "kl_per_dimension.png",
    "metrics.json",
    "model.keras",
    "reconstructions.png",
    "run.json",
    "samples.png",
    "training_curves.png",
}
FOLDERS = {"checkpoints"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a short training leaves; two latent dimensions, so that there is a manifold."""
    out = tmp_path_factory.mktemp("cli") / "runs" / "digits"
    arguments = ["--epochs", "2", "--latent-dim", "2", "--kl-warmup", "1", "--out", str(out)]
    with pictures.drawn():
        assert main(["train", *arguments]) == 0
    return out


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_train_leaves_a_model_its_history_its_elbo_and_pictures(run):
    assert names(run) >= RUN_FILES
    vae = load_model(run / "model.keras")
    assert (vae.input_shape, vae.latent_dim) == ((8, 8, 1), 2)
    rows = list(csv.DictReader((run / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["val_loss"]) < float(rows[0]["val_loss"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["data"], metrics["binarize"]) == ("digits", None)
    test = metrics["test"]
    assert test["binarization"] == "none"
    assert test["elbo"] == pytest.approx(-test["reconstruction_loss"] - test["kl_loss"])
    assert test["standard_error"] > 0
    for name in ("samples.png", "reconstructions.png", "training_curves.png"):
        assert min(Image.open(run / name).size) > 100


def test_evaluate_prints_the_elbo_of_the_run(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    test = json.loads((run / "metrics.json").read_text())["test"]
    assert f"test ELBO {test['elbo']:.2f} ± {test['standard_error']:.2f}" in capsys.readouterr().out


@pictures.drawn()
def test_evaluate_with_draws_writes_a_report(run, tmp_path, capsys):
    out = tmp_path / "new" / "report.json"
    arguments = ["--num-samples", "30", "--examples", "20", "--seed", "4", "--out", str(out)]
    assert main(["evaluate", str(run), *arguments]) == 0
    printed, report = capsys.readouterr(), json.loads(out.read_text())
    assert report["protocol"] == {
        "data": "digits",
        "binarization": "none",
        "split": "test",
        "num_samples": 30,
        "seed": 4,
        "examples": 20,
    }
    x = datasets.load("digits").x_test[:20]
    log_likelihood = load_model(run / "model.keras").score(x, 30, seed=4)["log_likelihood"].mean()
    assert report["log_likelihood"]["mean"] == pytest.approx(log_likelihood, abs=1e-4)
    assert f"log_likelihood      {log_likelihood:.2f} ± " in printed.out
    assert printed.err == ""  # the bar is for terminals
    assert min(Image.open(out.with_suffix(".png")).size) > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-samples", "0"], "num_samples must be a whole number from 1"),
        (["--num-samples", "5", "--examples", "0"], "--examples must be from 1 to 359"),
        (["--examples", "360"], "--examples must be from 1 to 359, all there are, got 360"),
        (["--num-samples", "5", "--seed", str(2**63)], "seed must be"),
        (["--num-samples", "5", "--out", "r.txt"], "must end in .json"),
        (["--out", "new/r.json"], "--num-samples"),
        (["--num-samples", "5", "--data", "EMPTY"], "must hold at least one example"),
    ],
)
def test_bad_requests_for_a_report(run, arguments, message, tmp_path, monkeypatch, capsys):
    empty = save_npz(tmp_path / "e.npz", x_train=grey(), x_test=grey(0))
    monkeypatch.chdir(tmp_path)
    given = [str(empty) if argument == "EMPTY" else argument for argument in arguments]
    refused(["evaluate", str(run), *given], message, capsys)
    assert names(tmp_path) == {"e.npz"}
    assert not (run / "evaluation.json").exists()


@pictures.drawn()
def test_sample_writes_pictures_and_arrays(run, tmp_path):
    out = str(tmp_path / "new" / "x.npy")
    assert main(["sample", str(run), "--count", "5", "--seed", "3", "--out", out]) == 0
    x_hat = load_model(run / "model.keras").sample(5, seed=3)
    np.testing.assert_allclose(np.load(out), x_hat, atol=1e-6)
    assert main(["sample", str(run), "--out", str(tmp_path / "x.png")]) == 0
    assert Image.open(tmp_path / "x.png").size[0] > 100


@pictures.drawn()
def test_plot_draws_the_traversal_and_the_manifold(run):
    assert main(["plot", str(run)]) == 0
    assert names(run) == RUN_FILES | FOLDERS | {"traversal.png", "manifold.png"}


def test_train_over_a_run_removes_what_told_of_the_model_before(tmp_path, capsys):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx/manifest.json").touch()
    for name in ("model.keras", "evaluation.json", "manifold.png", "notes.txt"):
        (tmp_path / name).write_text("old")
    arguments = ["train", "--epochs", "1", *WHOLE, "--out", str(tmp_path)]
    refused(arguments, "holds a run (model.keras): give --overwrite to replace it", capsys)
    assert main([*arguments, "--overwrite"]) == 0
    assert names(tmp_path) == RUN_FILES | FOLDERS | {"onnx", "notes.txt"}
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "removed what told of the model before: evaluation.json, manifold.png",
        f"note: {tmp_path / 'onnx'} is a bundle of the model before: export anew",
    ]


def trained(x, out, *arguments):
    np.save(out / "x.npy", x)
    short = ["--epochs", "1", "--latent-dim", "2", "--overwrite", *arguments]
    assert main(["train", "--data", str(out / "x.npy"), *short, "--out", str(out / "run")]) == 0
    return out / "run"


def test_a_table_has_pictures_and_voxels_have_none(tmp_path, rng, capsys):
    x, absent = rng.normal(size=(40, 64)), {"reconstructions.png", "samples.png"}
    with pictures.drawn():
        table = trained(x, tmp_path)
    assert names(table) == RUN_FILES | FOLDERS
    assert main(["plot", str(table)]) == 0
    assert main(["sample", str(table), "--count", "3", "--out", str(tmp_path / "a.png")]) == 0
    voxels = trained(x.reshape(40, 4, 4, 4, 1), tmp_path, "--architecture", "mlp")
    assert names(voxels) == (RUN_FILES | FOLDERS) - absent
    assert main(["evaluate", str(voxels)]) == 0
    assert main(["sample", str(voxels), "--count", "3", "--out", str(tmp_path / "a.npy")]) == 0
    assert np.load(tmp_path / "a.npy").shape == (3, 4, 4, 4, 1)
    capsys.readouterr()
    for command in (["plot"], ["sample", "--out", str(tmp_path / "b.png")]):
        refused([*command, str(voxels)], "shape (4, 4, 4, 1): write numbers", capsys)
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("architecture", ["conv", "resnet"])
@pytest.mark.parametrize("shape", [(64,), (4, 4, 4, 1)])
def test_an_architecture_for_images_refuses_other_shapes(
    architecture, shape, tmp_path, rng, capsys
):
    np.save(tmp_path / "x.npy", rng.random((9, *shape)))
    arguments = ["--data", str(tmp_path / "x.npy"), "--architecture", architecture]
    out = ["--out", str(tmp_path / "run")]
    refused(["train", *arguments, *out], f"got {shape}: use the mlp architecture", capsys)


@pytest.mark.parametrize(
    ("command", "suffix"), [(["sample"], ".npy"), (["evaluate", "--num-samples", "2"], ".json")]
)
def test_a_name_that_is_too_long_is_refused_before_the_work(
    run, tmp_path, monkeypatch, capsys, command, suffix
):
    for work in ("evaluation.report", "VAE.sample"):
        monkeypatch.setattr(f"keras_vae.{work}", lambda *_, **__: pytest.fail("it began"))
    out = str(tmp_path / ("a" * 252 + suffix))
    refused([*command, str(run), "--out", out], "File name too long", capsys)
    assert not names(tmp_path)


def test_binary_data_is_drawn_dynamically_or_once(tmp_path, capsys):
    for binarize in ("dynamic", "static"):
        out = tmp_path / binarize
        arguments = ["train", "--binarize", binarize, "--epochs", "1", *WHOLE, "--out", str(out)]
        assert main(arguments) == 0
        assert type(load_model(out / "model.keras").likelihood).__name__ == "Bernoulli"
        metrics = json.loads((out / "metrics.json").read_text())
        assert metrics["binarize"] == binarize  # of the training; the test set is drawn once
        assert metrics["test"]["binarization"] == "once, seed 0"
        line = [text for text in capsys.readouterr().out.splitlines() if "best, epoch 1: " in text]
        assert main(["evaluate", str(out)]) == 0  # draws the same binary test set
        assert [f"best, epoch 1: {capsys.readouterr().out.strip()}"] == line


@pictures.drawn()
def test_the_same_seed_trains_the_same_model(tmp_path):
    results = []
    for out in (tmp_path / "a", tmp_path / "b"):
        arguments = ["--binarize", "dynamic", "--epochs", "2", "--seed", "5", *WHOLE]
        assert main(["train", *arguments, "--out", str(out)]) == 0
        results.append([(out / name).read_bytes() for name in ("history.csv", "samples.png")])
    assert results[0] == results[1]


def save_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def grey(n=8, size=8):
    return np.random.default_rng(0).random((n, size, size), dtype="float32")


BAD_DATA = {
    "missing": (lambda d: d / "none.npz", "no such file"),
    "empty": (lambda d: (d / "x.npz", (d / "x.npz").touch())[0], "x.npz"),
    "wrong format": (lambda d: (d / "x.npz", (d / "x.npz").write_text("hello"))[0], "x.npz"),
    "no usable array": (lambda d: save_npz(d / "x.npz", words=np.array(["a", "b"])), "x.npz"),
    "pickled": (
        lambda d: save_npz(d / "x.npz", x_train=np.array([{}, []], dtype=object)),
        "pickle",
    ),
    "NaN": (lambda d: save_npz(d / "x.npz", x_train=np.full((8, 4, 4), np.nan)), "NaN or infinite"),
    "infinite": (lambda d: save_npz(d / "x.npz", x_train=np.full((8, 4), np.inf)), "infinite"),
    "mixed sizes": (
        lambda d: save_npz(d / "x.npz", x_train=grey(), x_test=grey(size=9)),
        "one shape",
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_one_line_and_leaves_nothing(case, tmp_path, capsys):
    make, message = BAD_DATA[case]
    out = tmp_path / "runs" / "out"
    refused(["train", "--data", str(make(tmp_path)), "--out", str(out)], message, capsys)
    assert not out.parent.exists()


BAD_ARGUMENTS = {
    "unknown data": (["--data", "mnis"], "Did you mean 'mnist'?"),
    "unknown architecture": (["--architecture", "convs"], "Did you mean 'conv'?"),
    "unknown likelihood": (["--likelihood", "normall"], "Did you mean 'normal'?"),
    "unknown prior": (["--prior", "standard"], "Did you mean 'standard_normal'?"),
    "memory": (["--latent-dim", str(10**11)], "does not fit into memory"),
    "latent_dim": (["--latent-dim", "0"], "latent_dim must be a whole number >= 1, got 0"),
    "epochs": (["--epochs", "0"], "epochs must be at least 1"),
    "batch size": (["--batch-size", "0"], "batch_size must be at least 1"),
    "learning rate": (["--learning-rate", "nan"], "learning_rate must be a number, got nan"),
    "beta": (["--beta", "-1"], "beta must be a number >= 0"),
    "warm-up": (["--kl-warmup", "-1"], "kl_warmup must be at least 0 epochs, got -1"),
    "unknown objective": (["--objective", "elbow"], "Did you mean 'elbo'?"),
    "unknown estimator": (["--estimator", "dreg"], "Unknown estimator: 'dreg'"),
    "no draws": (["--num-samples", "0"], "num_samples must be a whole number >= 1"),
    "free bits": (["--free-bits", "-1"], "free_bits must be a number of nats >= 0"),
    "another's option": (["--objective", "iwae", "--free-bits", "1"], "iwae has no free_bits"),
    "activation": (["--activation", "tanhh"], "tanhh"),
    "no labels": (["--data", "VECTORS", "--conditional"], "needs labels, and v holds none"),
    "levels": (["--levels", "17"], "the likelihood normal has no levels: leave it out"),
    "components": (["--prior-components", "9"], "the prior standard_normal has no num_components"),
    "no components": (["--prior", "vamp", "--prior-components", "0"], "num_components must be"),
    "many components": (["--prior", "vamp", "--prior-components", str(10**9)], "fit into memory"),
    "posterior": (["--posterior", "full"], "Known: diagonal_normal, full_normal"),
    "one dimension": (["--posterior", "full_normal", "--latent-dim", "1"], "latent_dim >= 2"),
    "no architecture's depth": (["--architecture", "resnet", "--depth", "0"], "depth must be"),
    "grey for bernoulli": (["--likelihood", "bernoulli"], "--binarize dynamic"),
    "conv on vectors": (["--data", "VECTORS", "--architecture", "conv"], "conv needs images"),
    "binarize unscaled": (["--data", "VECTORS", "--binarize", "static"], "[0, 1]"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_one_line_and_leave_nothing(case, tmp_path, capsys):
    arguments, message = BAD_ARGUMENTS[case]
    vectors = save_npz(tmp_path / "v.npz", x_train=np.full((8, 4), 7.0))
    arguments = [str(vectors) if a == "VECTORS" else a for a in arguments]
    refused(["train", *arguments, "--out", str(tmp_path / "out")], message, capsys)
    assert names(tmp_path) == {"v.npz"}


def refused(arguments, message, capsys):
    assert main(arguments) == 2
    stderr = capsys.readouterr().err
    assert message in stderr
    assert stderr.startswith("error: ")
    assert stderr.count("\n") == 1


def test_a_test_part_that_the_model_could_not_be_measured_on_is_refused_at_once(tmp_path, capsys):
    data = save_npz(tmp_path / "x.npz", x_train=np.eye(8), x_test=2 * np.eye(8))
    arguments = ["train", "--data", str(data), "--out", str(tmp_path / "out")]
    refused(arguments, f"the test part of {data}: Bernoulli", capsys)
    assert names(tmp_path) == {"x.npz"}


def test_a_label_may_stand_in_the_test_part_alone(tmp_path):
    y = np.arange(8)
    save_npz(tmp_path / "x.npz", x_train=np.eye(8), x_test=np.eye(8), y_train=y // 2, y_test=y)
    arguments = ["train", "--data", str(tmp_path / "x.npz"), "--epochs", "1", "--conditional"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert load_model(tmp_path / "out" / "model.keras").num_classes == 8


def test_the_labels_of_folders_are_those_of_a_run(tmp_path, capsys):
    for name, light in (("night", 0), ("day", 200)):
        (tmp_path / "x" / name).mkdir(parents=True)
        for i in range(10):
            picture = Image.fromarray(np.full((6, 6), light + i, np.uint8))
            picture.save(tmp_path / "x" / name / f"{i}.png")
    arguments = ["train", "--data", str(tmp_path / "x"), "--epochs", "1", "--out"]
    assert main([*arguments, str(tmp_path / "out"), "--conditional"]) == 0
    assert "labels: 0 is day, 1 is night\n" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "out")]) == 0
    (tmp_path / "x" / "day").rename(tmp_path / "x" / "dawn")
    refused(["evaluate", str(tmp_path / "out")], "the label 'dawn'", capsys)
    assert main([*arguments, str(tmp_path / "plain")]) == 0
    assert "labels:" not in capsys.readouterr().out
    assert json.loads((tmp_path / "plain" / "metrics.json").read_text())["label"] is None


def test_out_is_a_folder_and_what_others_have_there_stays(tmp_path, capsys):
    (tmp_path / "file").touch()
    for name in ("file", "new.keras"):
        refused(["train", "--out", str(tmp_path / name)], "--out must be a folder", capsys)
    for name in ("samples.png", "columns.json", "tensorboard"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / name).mkdir()
        refused(["train", "--out", str(tmp_path / "other")], f"holds {name}, which a run", capsys)
        (tmp_path / "other" / name).rmdir()
        (tmp_path / "other").rmdir()
    assert names(tmp_path) == {"file"}


def test_a_malformed_command_line_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train"])
    assert capsys.readouterr().err.startswith("error: one of the arguments --out --resume is req")


def test_an_output_folder_that_cannot_be_written_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "file").touch()
    refused(["train", "--out", str(tmp_path / "file" / "out")], "cannot write into", capsys)
    assert names(tmp_path) == {"file"}
    refused(["train", "--out", "/proc/none"], "cannot write into /proc/none", capsys)


@pytest.mark.parametrize("command", ["evaluate", "sample", "plot"])
def test_a_bad_model_is_refused(run, command, tmp_path, capsys):
    extra = ["--out", str(tmp_path / "x.png")] if command == "sample" else []
    refused([command, str(tmp_path / "none"), *extra], "there is no file", capsys)

    cut, whole = tmp_path / "cut", (run / "model.keras").read_bytes()
    cut.mkdir()
    (cut / "model.keras").write_bytes(whole[: len(whole) // 2])
    refused([command, str(cut), *extra], "not a .keras file, or was cut short", capsys)
    assert not (tmp_path / "x.png").exists()


def test_a_keras_file_that_is_no_vae_is_refused(tmp_path):
    import keras

    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"holds a Sequential, and a keras_vae.VAE was expected"):
        load_model(tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "-1", "--out", "x.npy"], "count must be a whole number >= 0"),
        (["--count", "0", "--out", "x.png"], "count of at least 1"),
        (["--temperature", "-1", "--out", "x.npy"], "temperature must be"),
        (["--seed", str(2**63), "--out", "x.npy"], "seed must be"),
        (["--first", "-1", "--out", "x.npy"], "first must be"),
        (["--out", "x.jpg"], "must end in .png or .npy"),
    ],
)
def test_bad_requests_for_samples(run, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused(["sample", str(run), *arguments], message, capsys)
    assert names(tmp_path) == set()


def test_images_of_another_size_are_refused(run, tmp_path, capsys):
    data = save_npz(tmp_path / "x.npz", x_train=grey(size=9))
    refused(["evaluate", str(run), "--data", str(data)], "x must have shape (batch, 8, 8", capsys)


def test_training_that_diverges_ends_with_status_1(tmp_path, capsys):
    arguments = ["--learning-rate", "1e30", *WHOLE, "--out", str(tmp_path / "out")]
    assert main(["train", *arguments, "--epochs", "40"]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: ")
    assert "learning rate" in stderr
    assert not (tmp_path / "out").exists()
    assert main(["train", *arguments, "--epochs", "1"]) == 1
    assert "training diverged: the test ELBO is" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def test_a_full_disk_is_one_line_and_leaves_no_half_file(tmp_path):
    """In a process of its own, where no file can outgrow 10 kB; TensorFlow's chatter is silent."""
    command = ["-m", "keras_vae", "train", "--epochs", "1", "--out", str(tmp_path / "out")]
    result = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        preexec_fn=limit_file_size,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert result.stderr.startswith("error: ")
    assert names(tmp_path) == set()


def test_help_comes_before_keras_is_loaded():
    command = [sys.executable, "-X", "importtime", "-m", "keras_vae", "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "train a model" in result.stdout
    assert "argparse" in result.stderr
    assert "keras.src" not in result.stderr


def test_a_second_training_at_once_is_refused_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "fit", lambda *_: pytest.fail("it began"))
    with atomic_files(tmp_path):
        refused(["train", "--out", str(tmp_path)], "another run is writing", capsys)
    assert not names(tmp_path)
