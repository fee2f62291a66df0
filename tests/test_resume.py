"""A training that goes on equals one that was not stopped, to the bit; and what cannot go on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_vae.cli import main
from keras_vae.commands import callbacks, recipe
from keras_vae.commands.checkpoints import RECORDED, Checkpoints, State, read
from keras_vae.commands.runs import Run
from keras_vae.settings import Settings
from tests.digits import WHOLE

ROOT = Path(__file__).parents[1]
SMALL = ["--hidden", "16", "--latent-dim", "3"]


def train(out, *arguments, epochs=2):
    return main(["train", *SMALL, *WHOLE, "--epochs", str(epochs), "--out", str(out), *arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training of two epochs that is done."""
    out = tmp_path_factory.mktemp("resume") / "run"
    assert train(out) == 0
    return out


@pytest.fixture
def copy(run, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


def stop_after(monkeypatch, epoch, number):
    """Sends this process a signal in the epoch after that many."""

    def on_epoch_begin(self, at, logs=None):
        if at == epoch:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(callbacks.Keeper, "on_epoch_begin", on_epoch_begin)


MOMENTS = ["KILL", "TERM"]
SETTINGS = {
    "digits": ["--hidden", "16"],
    "all at once": [
        *("--binarize", "dynamic", "--ema", "0.9", "--schedule", "cosine", "--rate-warmup", "1"),
        *("--kl-warmup", "2", "--kl-cycles", "2", "--clip-norm", "1", "--accumulate", "2"),
    ],
    "conv": ["--architecture", "conv", "--conditional", "--prior", "flow"],
    "resnet": ["--architecture", "resnet", "--prior", "vamp", "--schedule", "piecewise"],
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_stopped_training_goes_on_to_the_same_bits(settings, tmp_path):
    """By real signals at random moments, each training in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzzing.stops", str(tmp_path), "--count", "1"]
    command += ["--signals", *MOMENTS, "--settings", *settings]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_saves_the_last_epoch_and_says_how_to_go_on(
    name, tmp_path, monkeypatch, capsys, request
):
    number = signal.Signals[name]
    stop_after(monkeypatch, 1, number)
    kept = signal.signal(number, signal.SIG_DFL)  # a shell may have it ignored
    request.addfinalizer(lambda: signal.signal(number, kept))
    assert train(tmp_path / "run", "--save-every", "5", epochs=6) == 128 + number
    error = capsys.readouterr().err.strip()
    assert error == (
        f"error: interrupted after 1 of 6 epochs; to go on: python -m keras_vae train --resume "
        f"{tmp_path / 'run'}"
    )
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["checkpoints"]
    assert Run(tmp_path / "run").checkpoints.newest().epoch == 1
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "is not done: end it by python -m keras_vae train --resume" in capsys.readouterr().err
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_so(tmp_path, monkeypatch):
    """As `nohup` has SIGHUP ignored."""
    stop_after(monkeypatch, 1, signal.SIGHUP)
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert train(tmp_path / "run") == 0
    finally:
        signal.signal(signal.SIGHUP, kept)


def test_a_longer_training_equals_one_that_was_so_long(copy, tmp_path):
    """The order of an epoch, and all noise, are functions of the seed and what came before."""
    assert main(["train", "--resume", str(copy), "--epochs", "4"]) == 0
    assert train(tmp_path / "whole", epochs=4) == 0
    assert (copy / "history.csv").read_text() == (tmp_path / "whole/history.csv").read_text()
    told = json.loads((copy / "run.json").read_text())
    assert told["settings"] == json.loads((tmp_path / "whole/run.json").read_text())["settings"]


def test_a_training_that_is_done_is_written_again(copy):
    before = (copy / "metrics.json").read_text()
    (copy / "model.keras").unlink()
    assert main(["train", "--resume", str(copy)]) == 0
    assert json.loads((copy / "metrics.json").read_text())["test"] == json.loads(before)["test"]
    assert (copy / "model.keras").exists()


@pytest.mark.filterwarnings("default")
def test_a_damaged_checkpoint_falls_back_to_the_one_before(copy, monkeypatch, tmp_path, capsys):
    stop_after(monkeypatch, 4, signal.SIGTERM)
    assert main(["train", "--resume", str(copy), "--epochs", "9"]) == 143
    newest, before = Run(copy).checkpoints.paths()
    assert (newest.name, before.name) == ("epoch-000004.npz", "epoch-000003.npz")
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    monkeypatch.undo()
    assert main(["train", "--resume", str(copy)]) == 0
    told = capsys.readouterr()
    assert re.search(
        r"warning: epoch-000004.npz cannot be read .*: going on from epoch 3", told.err
    )
    assert train(tmp_path / "whole", epochs=9) == 0
    assert (copy / "history.csv").read_text() == (tmp_path / "whole/history.csv").read_text()


def refused(arguments, message, capsys):
    assert main(["train", *map(str, arguments)]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]


def test_what_cannot_go_on_is_one_line(copy, tmp_path, capsys, monkeypatch):
    refused(["--resume", tmp_path], "that can go on: it holds no checkpoints", capsys)
    refused(["--resume", copy, "--seed", "3"], "--seed cannot be changed by --resume", capsys)
    (checkpoint,) = Run(copy).checkpoints.paths()

    def rewrite(change):
        state = read(checkpoint)
        record = json.loads(json.dumps(state.record))
        change(record)
        Run(copy).checkpoints.write(state._replace(record=record))

    rewrite(lambda record: record["versions"].update({"keras-vae": "0.0.9"}))
    refused(["--resume", copy], "it was begun by keras-vae 0.0.9, and this is", capsys)
    rewrite(lambda record: record["versions"].update({"keras-vae": "0.1.0"}))
    rewrite(lambda record: record["data"].update({"sha256": "0" * 64}))
    refused(["--resume", copy], "the data have changed since it was begun: digits held", capsys)
    rewrite(lambda record: record.update(backend="theano"))
    refused(["--resume", copy], "set KERAS_BACKEND=theano", capsys)
    rewrite(lambda record: record["settings"].update(width=3, epochz=4))
    refused(["--resume", copy], "there is no setting 'epochz'", capsys)
    rewrite(lambda record: record.pop("data"))
    refused(["--resume", copy], "epoch-000002.npz cannot be read (its record has no data)", capsys)
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    refused(["--resume", copy], "epoch-000002.npz cannot be read", capsys)


def test_a_schedule_that_was_made_for_its_epochs_has_no_others(tmp_path, capsys):
    assert train(tmp_path / "run", "--schedule", "cosine", epochs=1) == 0
    refused(["--resume", tmp_path / "run", "--epochs", "3"], "--epochs must stay 1, got 3", capsys)


def test_a_run_is_replaced_only_when_that_is_asked_for(copy, capsys):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    refused([*SMALL, "--out", copy], "--resume", capsys)
    refused([*SMALL, "--out", copy], "--overwrite to replace it", capsys)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert train(copy, "--seed", "4", "--overwrite", epochs=1) == 0
    assert json.loads((copy / "run.json").read_text())["settings"]["seed"] == 4
    assert [p.name for p in Run(copy).checkpoints.paths()] == ["epoch-000001.npz"]


def test_the_record_repeats_the_training(run, tmp_path):
    assert main(["train", "--config", str(run / "run.json"), "--out", str(tmp_path / "again")]) == 0
    first, again = (json.loads((d / "run.json").read_text()) for d in (run, tmp_path / "again"))
    assert first.pop("time").keys() == again.pop("time").keys() == {"began", "seconds"}
    assert first == again
    assert first["command"].startswith(
        "python -m keras_vae train --preprocessing none --architecture "
    )
    assert (run / "history.csv").read_text() == (tmp_path / "again/history.csv").read_text()


@pytest.mark.filterwarnings("ignore:After epoch 3, the posterior has collapsed")
def test_the_best_and_the_last_are_both_measured(tmp_path):
    """At this learning rate the validation loss goes up and down."""
    uneven = ["--batch-size", "32", "--learning-rate", "0.1"]
    assert train(tmp_path / "run", *uneven, epochs=6) == 0
    found = json.loads((tmp_path / "run/metrics.json").read_text())
    losses = np.loadtxt(tmp_path / "run/history.csv", delimiter=",", skiprows=1)
    column = (tmp_path / "run/history.csv").read_text().splitlines()[0].split(",").index("val_loss")
    best = int(losses[:, column].argmin()) + 1
    assert best < 6  # or this test tells nothing
    assert (found["epochs"]["best"]["epoch"], found["epochs"]["last"]["epoch"]) == (best, 6)
    assert found["epochs"]["best"]["elbo"] != found["epochs"]["last"]["elbo"]
    assert found["test"] == found["epochs"]["best"]
    assert train(tmp_path / "last", *uneven, "--keep", "last", epochs=6) == 0
    kept = json.loads((tmp_path / "last/metrics.json").read_text())
    assert kept["test"] == found["epochs"]["last"]


@pytest.mark.filterwarnings("ignore:After epoch 3, the posterior has collapsed")
def test_patience_ends_the_training(tmp_path):
    arguments = ["--batch-size", "32", "--learning-rate", "0.1", "--patience", "1"]
    assert train(tmp_path / "run", *arguments, epochs=50) == 0
    history = (tmp_path / "run/history.csv").read_text()
    assert len(history.splitlines()) < 51
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0  # it stays at its end
    assert (tmp_path / "run/history.csv").read_text() == history


def test_the_average_of_the_weights_is_what_is_tested(tmp_path):
    assert train(tmp_path / "run", "--ema", "0.3", "--keep", "last", "--validation", "0") == 0
    state = Run(tmp_path / "run").checkpoints.newest()
    from keras_vae.models import load_model

    vae = load_model(tmp_path / "run/model.keras")
    written = [keras.ops.convert_to_numpy(w) for w in vae.encoder.weights]
    raw = state.variables[: len(written)]
    assert not any(np.allclose(a, b) for a, b in zip(written, raw, strict=True) if a.ndim == 2)


def test_an_average_over_more_steps_than_there_are_is_told_of():
    told = r"\(--ema 0.999\) after all 8 steps is still 99% .* take --ema 0.375, or more epochs"
    settings = Settings(data="", epochs=2, batch_size=8, learning_rate=1e-3, ema=0.999)
    with pytest.warns(UserWarning, match=told):
        recipe.optimizer(settings, 32)
    recipe.optimizer(replace(settings, ema=0.375), 32)  # a warning would be an error


@pytest.mark.parametrize("shown", ["--quiet", "--verbose"])
def test_what_is_printed(shown, tmp_path, capsys):
    assert train(tmp_path / "run", shown) == 0
    out = capsys.readouterr().out
    if shown == "--quiet":
        assert out == ""
    else:
        assert "val_reconstruction_loss" in out


def test_a_line_for_an_epoch_is_short(run, tmp_path, capsys):
    assert train(tmp_path / "run") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 2
    assert max(map(len, lines)) <= 100
    logs = {"loss": -1234567.891, "val_loss": -1234567.891, "kl_loss": 1e9, "active_units": 4096}
    assert len(callbacks.line(10000, 10000, 86400.0, {**logs, "skipped_steps": 1e6})) <= 100


def test_tensorboard_gets_what_is_logged(tmp_path):
    assert train(tmp_path / "run", "--tensorboard") == 0
    assert list((tmp_path / "run/tensorboard").rglob("events.*"))


def test_tensorboard_that_is_not_there_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(["--tensorboard", "--out", tmp_path / "run"], "pip install tensorboard", capsys)


def test_a_disk_that_is_full_does_not_end_a_training(monkeypatch, tmp_path):
    """The state stays in memory; what is on the disk is the one before."""
    record = {name: {} for name in RECORDED}
    state = State(record, {}, np.zeros((0, 2)), [], [])
    keeper = callbacks.Keeper(Settings(), state, Checkpoints(tmp_path / "checkpoints"), None)
    keeper.save()
    keeper.state = state._replace(history={"epoch": [0]}, kl=np.zeros((1, 2)))

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_vae.commands.checkpoints.atomic_write", full)
    with pytest.warns(UserWarning, match="after epoch 1 cannot be saved .No space left"):
        keeper.try_to_save()
    assert keeper.checkpoints.newest().epoch == 0


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code in (0, None)
    assert re.fullmatch(r"keras-vae \d+\.\d+\.\d+\n", capsys.readouterr().out)
