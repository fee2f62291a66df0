"""Data that memory cannot hold: the same numbers, orders and weights as those that it can."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import polars as pl
import pytest
from PIL import Image

from benchmarks import large
from keras_vae import VAE, cli, datasets, memory, tables
from keras_vae.commands import callbacks, runs
from keras_vae.datasets.packed import Files, Pictures
from keras_vae.models import plan, rows
from keras_vae.models.packed import PackedRows, order
from tests.refusals import refused

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(0)
COUNT, SIDE = 60, 5
GREY = RNG.integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
HELD = {"array": 9, "levels": 1, "files": 0}
"""How many bytes a number of the pictures may take, and what becomes of them then."""


def write(folder, pixels=GREY):
    folder.mkdir(exist_ok=True)
    for i, array in enumerate(pixels):
        Image.fromarray(array).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "pictures")


@pytest.fixture
def hold(monkeypatch):
    """Has the machine so much memory that pictures are held in that way."""

    def hold(how):
        monkeypatch.setattr(memory, "holds", lambda shape, itemsize: itemsize <= HELD[how])

    return hold


DEEP = RNG.integers(0, 2**16, (COUNT, SIDE, SIDE), dtype=np.uint16)
KINDS = {
    "grey": GREY,
    "binary": GREY % 2,
    "colour": RNG.integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8),
    "16 bits": DEEP,
    "8 and 16 bits": [*GREY[:30], *DEEP[:30]],
    "grey and colour": [*GREY[:59], np.zeros((SIDE, SIDE, 3), np.uint8)],
}


@pytest.mark.parametrize("how", ["levels", "files"])
@pytest.mark.parametrize("kind", KINDS)
def test_streamed_pictures_are_the_numbers_of_the_array(kind, how, tmp_path, hold, monkeypatch):
    folder = write(tmp_path / "a", KINDS[kind])
    expected = datasets.load(folder)
    monkeypatch.setitem(HELD, "levels", 2)
    hold(how)
    found = datasets.load(folder)
    for part in ("x_train", "x_test"):
        x, array = getattr(found, part), getattr(expected, part)
        assert isinstance(x, Pictures)
        assert isinstance(x._levels, Files) == (how == "files")
        np.testing.assert_array_equal(x.toarray(), array)
        np.testing.assert_array_equal(x[-2], array[-2])
        some = array[:, 0, 0, 0] > 0.5
        np.testing.assert_array_equal(x[some][3:0:-2].toarray(), array[some][3:0:-2])
        assert (x.shape, x.dtype, x.ndim, len(x)) == (array.shape, array.dtype, 4, len(array))
    both = np.concatenate([expected.x_train, expected.x_test])
    np.testing.assert_array_equal(found.x_train.numbers, np.unique(both))
    assert found.sha256 == expected.sha256
    assert "batch by batch" in found.notes[0]
    assert not expected.notes


def test_a_binary_draw_of_streamed_pictures_is_that_of_the_array(folder, hold):
    """Also of any of them, in any order: the numbers of a seed are counted off."""
    x = datasets.load(folder).x_train
    hold("files")
    binary = datasets.binarize(datasets.load(folder).x_train, seed=3)
    expected, some = datasets.binarize(x, seed=3), np.array([7, 0, 30, 31])
    np.testing.assert_array_equal(binary.toarray(), expected)
    np.testing.assert_array_equal(binary[some][1:].toarray(), expected[some][1:])
    np.testing.assert_array_equal(binary[30], expected[30])


def mlp(**options):
    keras.utils.set_random_seed(4)
    vae = VAE.from_architecture("mlp", (SIDE, SIDE, 1), 2, "normal", seed=0, hidden=(8,), **options)
    vae.compile("adam")
    return vae


@pytest.mark.parametrize("how", ["levels", "files"])
def test_a_streamed_fit_is_that_of_the_array(how, folder, hold):
    """Shuffled, over epochs, with a smaller last batch and validation: the same weights."""
    fitted, y = {}, np.arange(48) % 3
    for name in ("array", how):
        hold(name)
        data, vae = datasets.load(folder), mlp(num_classes=3)
        given = {"batch_size": 7, "epochs": 3, "validation_split": 0.25, "verbose": 0}
        fitted[name] = vae.fit(data.x_train, y, **given).history, vae.get_weights()
    (history, weights), (streamed, others) = fitted.values()
    for key, expected in history.items():
        np.testing.assert_allclose(streamed[key], expected, rtol=1e-5, err_msg=key)
    for found, expected in zip(others, weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_epoch_has_every_example_once_in_an_order_of_its_own():
    """A function of the seed and the number of the epoch, for all that brings rows."""
    x, seen = np.arange(23.0), {}
    for kind in (rows.Rows, rows.BroughtRows):
        keras.utils.set_random_seed(9)
        found = kind(x, batch_size=5, epoch=3, steps=2)
        seen[kind] = [np.concatenate([brought for brought, *_ in found]) for _ in range(2)]
        for i, epoch in enumerate(seen[kind]):
            np.testing.assert_array_equal(epoch, order(23, found.seed, 3 + i))
            assert sorted(epoch) == list(x)
    assert not np.array_equal(*seen[rows.Rows])
    keras.utils.set_random_seed(9)
    pictures = Pictures(x.__getitem__, np.arange(23), x, ())
    of_keras = PackedRows(pictures, batch_size=5, shuffle=True, epoch=3)
    np.testing.assert_array_equal(np.concatenate([x for (x,) in of_keras]), seen[rows.Rows][0])


def test_an_array_too_large_to_be_moved_is_taken_in_the_same_orders(monkeypatch, digits):
    fitted, given = [], {"batch_size": 32, "verbose": 0, "epochs": 4}
    for most, epochs in ((plan.MAX_BYTES, (0,)), (1000, (0,)), (1000, (0, 2))):
        monkeypatch.setattr(plan, "MAX_BYTES", most)
        vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0, hidden=(8,))
        vae.compile("adam")
        for first, last in zip(epochs, [*epochs[1:], 4], strict=True):
            keras.utils.set_random_seed(4)
            vae.fit(digits[:300], **{**given, "initial_epoch": first, "epochs": last})
        fitted.append(vae.get_weights())
    for moved, brought, resumed in zip(*fitted, strict=True):
        np.testing.assert_allclose(brought, moved, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(resumed, brought, rtol=1e-5, atol=1e-6)  # compiled anew


SMALL = ["--hidden", "8", "--latent-dim", "2", "--batch-size", "8"]


def train(folder, out, *flags, epochs=2):
    given = ["--data", folder, "--out", out, "--epochs", epochs, "--architecture", "mlp"]
    return cli.main(["train", *map(str, given), *SMALL, *flags])


@pytest.mark.parametrize(
    "flags",
    [[], ["--binarize", "dynamic"], ["--preprocessing", "standardize"]],
    ids=["grey", "binarized", "standardized"],
)
def test_the_command_comes_to_the_same_run(flags, folder, tmp_path, hold, capsys):
    found = {}
    for how in HELD:
        hold(how)
        out = tmp_path / how
        assert train(folder, out, *flags) == 0
        assert ("batch by batch" in capsys.readouterr().out) == (how != "array")
        assert cli.main(["evaluate", str(out), "--num-samples", "3"]) == 0
        record, metrics = (json.loads((out / f"{n}.json").read_text()) for n in ("run", "metrics"))
        test = {name: metrics["test"][name] for name in ("elbo", "kl_loss", "reconstruction_loss")}
        found[how] = record["data"], record["settings"], test
        assert (out / "reconstructions.png").exists()
    (data, settings, test), *others = found.values()
    for other in others:
        assert other[:2] == (data, settings)
        assert other[2] == pytest.approx(test, rel=1e-4)


def test_a_killed_training_on_streamed_pictures_goes_on_to_the_same_bits(folder, tmp_path):
    """By real signals, each training in a process of its own: see `tests.fuzzing.stops`."""
    limit = "from keras_vae import memory; memory.holds = lambda *_: False"
    run = f"import runpy; {limit}; runpy.run_module('tests.fuzzing.stops', run_name='__main__')"
    command = [sys.executable, "-c", run, str(tmp_path / "stops"), "--count", "1"]
    command += ["--signals", "KILL", "TERM", "--settings", "--data", str(folder), *SMALL]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "batch by batch" in (tmp_path / "stops/whole.log").read_text()


def spoil(path):
    path.write_bytes(path.read_bytes()[:40])


def widen(path):
    Image.fromarray(np.zeros((SIDE, SIDE + 1), np.uint8)).save(path)


@pytest.mark.parametrize("damage", [os.remove, spoil, widen])
@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_picture_that_goes_bad_amid_training_is_named(
    damage, part, folder, tmp_path, hold, monkeypatch, capsys
):
    """In one line, with the last epoch kept, from which training goes on once it is mended."""
    hold("files")
    out = tmp_path / "run"
    original = {path: path.read_bytes() for path in folder.iterdir()}

    def on_epoch_begin(self, epoch, logs=None):
        for path in original if epoch == 2 else ():
            damage(path)

    def on_test_begin(self, logs=None):
        if len(self.state.history.get("loss", ())) == 2:
            on_epoch_begin(self, 2)

    hook = on_epoch_begin if part == "train" else on_test_begin
    monkeypatch.setattr(callbacks.Keeper, hook.__name__, hook)
    assert train(folder, out, "--save-every", "9", epochs=4) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert str(folder) in lines[0]
    assert [path.name for path in out.iterdir()] == ["checkpoints"]
    assert runs.Run(out).checkpoints.newest().epoch == 2
    monkeypatch.undo()
    for path, content in original.items():
        path.write_bytes(content)
    hold("files")
    assert cli.main(["train", "--resume", str(out)]) == 0
    assert train(folder, tmp_path / "whole", epochs=4) == 0
    a, b = ((d / "history.csv").read_text() for d in (out, tmp_path / "whole"))
    assert a == b


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_larger_than_memory_is_refused_before_it_is_read(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"a{suffix}"
    frame = pl.DataFrame({"a": [f"{v:.2f}" for v in RNG.normal(size=COUNT)], "b": ["x", "y"] * 30})
    (frame.write_csv if suffix == ".csv" else frame.write_parquet)(path)
    needed = 2 * COUNT * (16 + 8)  # as texts and as float32, of which a part is copied
    monkeypatch.setattr(memory, "memory", lambda: needed)
    assert tables.read(path).x.shape == (COUNT, 2)
    monkeypatch.setattr(memory, "memory", lambda: needed - 1)
    with refused(path.name, f"shape ({COUNT}, 2)", "GB of memory, and there are"):
        tables.read(path)


def test_the_large_table_of_the_benchmark_is_what_it_says(tmp_path):
    large.write(tmp_path / "a.csv", 2000)
    found = {column.name: column.kind for column in tables.read(tmp_path / "a.csv").columns}
    kinds = ["number", "number", "number", "count", "category", "category", "date"]
    assert list(found.values()) == kinds
    assert len(found) == large.COLUMNS


def test_the_cost_of_a_command_is_measured():
    """Asked for by a small process: on Linux the peak of a child counts that of who forked it."""
    first = "x = bytearray(200 * 2**20)"
    code = f"from benchmarks import large; print(*large.cost('--version', first={first!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _, cpu, peak, epoch = map(float, done.stdout.split())
    assert 200 < peak < 2000
    assert cpu > 0
    assert np.isnan(epoch)
