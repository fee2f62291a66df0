"""python -m export: what it says, its exit status, and what it leaves behind."""

import hashlib
import json
import os
import signal
import zipfile

import keras
import pytest

from export import bundle as bundles
from export import cli, convert, report
from export.converters.tensorflow import HANDLERS
from keras_vae.commands.runs import Run
from keras_vae.models import load_model


def test_says_what_it_wrote(saved, tmp_path, capsys):
    assert cli.main([str(saved), "--out", str(tmp_path / "bundle")]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"wrote {tmp_path / 'bundle'}: encoder.onnx ")
    assert "largest difference from Keras" in line


def test_a_run_is_given_by_its_folder_or_by_its_model(saved, exported, tmp_path, contents):
    for name, given in {"folder": saved.parent, "model": saved}.items():
        assert cli.main([str(given), "--out", str(tmp_path / name)]) == 0
        assert contents(tmp_path / name) == contents(exported)


def test_metrics_beside_the_model_enter_the_manifest(saved, tmp_path, capsys):
    model, out = tmp_path / "model.keras", tmp_path / "bundle"
    model.write_bytes(saved.read_bytes())
    test = {"elbo": -80.123, "standard_error": 0.25}
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    written = {"data": "/home/me/faces.npz", "data_dir": "/home/me", "binarize": None}
    written |= {"test": test, "model_sha256": digest}
    (tmp_path / "metrics.json").write_text(json.dumps(written))
    assert cli.main([str(model), "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"wrote {out}: encoder.onnx")
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert manifest["metrics"] == {"data": "faces.npz", "binarize": None, "test": test}
    assert report.main([str(out), "--picture", "a/samples.png", "--started", "0"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["test", "ELBO", "-80.12", "±", "0.25", "nats", "per", "example"]
    assert table[-1] == "a/samples.png"


def test_metrics_of_other_weights_are_left_out(saved, tmp_path, capsys):
    (tmp_path / "model.keras").write_bytes(saved.read_bytes())
    written = {"data": "digits", "binarize": None, "test": {"elbo": 1.0}, "model_sha256": "0" * 64}
    (tmp_path / "metrics.json").write_text(json.dumps(written))
    assert cli.main([str(tmp_path / "model.keras"), "--out", str(tmp_path / "bundle")]) == 0
    assert "it is of another model" in capsys.readouterr().out
    assert "metrics" not in json.loads((tmp_path / "bundle" / "manifest.json").read_bytes())


def test_weights_that_are_not_finite_are_refused_before_the_work(saved, tmp_path, error_line):
    vae = load_model(saved)
    vae.decoder.weights[-1].assign([float("nan")])
    vae.save(tmp_path / "model.keras")
    assert cli.main([str(tmp_path / "model.keras"), "--out", str(tmp_path / "bundle")]) == 2
    assert f"1 of the 1 values of the weight {vae.decoder.weights[-1].path} are" in error_line()
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("tolerance", ["nan", "-1", "inf"])
def test_tolerance_out_of_range_is_refused(saved, tmp_path, error_line, tolerance):
    arguments = [str(saved), "--out", str(tmp_path / "bundle"), "--tolerance", tolerance]
    assert cli.main(arguments) == 2
    assert "--tolerance must be a number >= 0" in error_line()


def test_an_operation_that_onnx_lacks_is_refused(make_vae, tmp_path, error_line, monkeypatch):
    monkeypatch.delitem(HANDLERS, "Erfc")
    make_vae("mlp", hidden=(4,), activation="gelu").save(tmp_path / "gelu.keras")
    assert cli.main([str(tmp_path / "gelu.keras"), "--out", str(tmp_path / "bundle")]) == 2
    assert "no ONNX operator for the TensorFlow operation Erfc" in error_line()
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data": 1, "binarize": null, "test": {}}'])
def test_metrics_of_another_kind_are_left_out(tmp_path, capsys, text):
    """As those of other weights are, whose export is tested above."""
    (tmp_path / "metrics.json").write_text(text)
    assert cli._known(Run(tmp_path / "model.keras").published) is None
    assert "metrics.json, which is not what train wrote" in capsys.readouterr().out


def test_damaged_decoder_is_refused_with_status_1(saved, bundle, contents, error_line, monkeypatch):
    convert_parts = convert.parts

    def damaged(vae):
        vae.decoder.weights[-1].assign(vae.decoder.weights[-1] + 0.5)
        parts = convert_parts(vae)
        vae.decoder.weights[-1].assign(vae.decoder.weights[-1] - 0.5)
        return parts

    before = contents(bundle.parent)
    monkeypatch.setattr(convert, "parts", damaged)
    assert cli.main([str(saved), "--out", str(bundle)]) == 1
    assert error_line() == (
        "decoder.onnx, batch 1: x_params differs from Keras by 0.5, more than the tolerance 1e-05; "
        "nothing is written"
    )
    assert contents(bundle.parent) == before


def test_tolerance_is_an_option(saved, tmp_path, error_line):
    arguments = [str(saved), "--out", str(tmp_path / "bundle"), "--tolerance", "0"]
    assert cli.main(arguments) == 1
    assert "more than the tolerance 0" in error_line()
    assert not list(tmp_path.iterdir())


def plain_keras_model(path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)


def zip_of_something_else(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def unknown_class(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Nobody", "config": {}}))
        archive.writestr("model.weights.h5", "")
        archive.writestr("metadata.json", "{}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no file"),
        (lambda path: plain_keras_model(path.parent / "other.keras"), "there is no file"),
        (lambda path: path.mkdir(), "there is no file"),
        (lambda path: path.write_bytes(b""), "is not a .keras file, or was cut short"),
        (lambda path: path.write_text("hello"), "is not a .keras file, or was cut short"),
        (zip_of_something_else, "is not a .keras file: it holds no config.json"),
        (plain_keras_model, "holds a Sequential, and a keras_vae.VAE was expected"),
        (unknown_class, "cannot load"),
    ],
)
def test_model_that_is_no_vae_is_refused(tmp_path, error_line, contents, make, message):
    path = tmp_path / "model.keras"
    make(path)
    before = contents(tmp_path)
    assert cli.main([str(path), "--out", str(tmp_path / "bundle")]) == 2
    line = error_line()
    assert message in line
    assert str(path) in line
    assert contents(tmp_path) == before


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_model_cut_short_is_refused(saved, tmp_path, error_line, keep):
    data = saved.read_bytes()
    (tmp_path / "model.keras").write_bytes(data[: int(keep * len(data))])
    assert cli.main([str(tmp_path / "model.keras"), "--out", str(tmp_path / "bundle")]) == 2
    assert error_line().endswith("is not a .keras file, or was cut short")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_model_with_a_flipped_byte_is_refused(saved, tmp_path, error_line):
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "model.keras").write_bytes(data)
    assert cli.main([str(tmp_path / "model.keras"), "--out", str(tmp_path / "bundle")]) == 2
    assert "does not match its checksum" in error_line()


def test_folder_that_cannot_be_written_is_refused(saved, tmp_path, error_line):
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file/bundle"
    assert cli.main([str(saved), "--out", str(out)]) == 2
    assert error_line().startswith(f"cannot write the bundle {out}: {out.parent} is a file")
    assert (tmp_path / "file").read_text() == "mine"


def test_full_disk_is_refused(saved, tmp_path, error_line, full_disk):
    out = tmp_path / "new/bundle"
    with full_disk():
        assert cli.main([str(saved), "--out", str(out)]) == 2
    assert error_line() == f"cannot write {out}: File too large"
    assert not list(tmp_path.iterdir())


def test_termination_leaves_nothing_behind(saved, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setitem(
        bundles.GRAPHS, "decoder.onnx", lambda parts: os.kill(os.getpid(), signal.SIGTERM)
    )
    with pytest.raises(SystemExit) as end:
        cli.main([str(saved), "--out", str(tmp_path / "bundle")])
    assert end.value.code == 143
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before


def test_interruption_is_one_line(saved, bundle, contents, error_line, monkeypatch):
    def interrupt(vae):
        raise KeyboardInterrupt

    before = contents(bundle.parent)
    monkeypatch.setitem(bundles.GRAPHS, "decoder.onnx", interrupt)
    assert cli.main([str(saved), "--out", str(bundle)]) == 130
    assert error_line() == "interrupted; nothing is written"
    assert contents(bundle.parent) == before


@pytest.mark.parametrize("arguments", [[], ["model.keras"], ["m.keras", "--out", "x", "--what"]])
def test_wrong_usage_is_one_line(arguments, error_line):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert error_line()


def test_report_of_no_bundle_is_refused(tmp_path, error_line):
    assert report.main([str(tmp_path)]) == 2
    assert "holds no manifest.json" in error_line()
