"""The folder: what it holds, and that it is written whole or not at all."""

import hashlib
import json
import os
import stat
from importlib.metadata import PackageNotFoundError

import keras
import numpy as np
import onnx
import pytest
from PIL import Image

import keras_vae
from export import bundle as bundles
from export import canonical, validate
from export import manifest as manifests
from keras_vae.folders import atomic_folder

FILES = [
    "README.md",
    "decoder.onnx",
    "elements.onnx",
    "encoder.onnx",
    "generator.onnx",
    "manifest.json",
    "sampler.onnx",
    "samples.png",
    "scorer.onnx",
]


@pytest.fixture
def manifest(exported):
    return json.loads((exported / "manifest.json").read_bytes())


def test_holds_the_files_of_the_design(exported):
    assert sorted(path.name for path in exported.iterdir()) == FILES


def test_manifest_says_what_the_model_is(manifest):
    assert manifest["format"] == "keras-vae"
    assert manifest["format_version"] == 2
    assert manifest["keras_vae"] == keras_vae.__version__
    assert manifest["opset"] == 18
    assert manifest["input_shape"] == [8, 8, 1]
    assert manifest["latent_dim"] == 3
    assert manifest["likelihood"]["class_name"] == "Bernoulli"
    assert manifest["prior"]["class_name"] == "StandardNormal"
    assert manifest["validation"]["tolerance"] == 1e-5
    assert 0 < manifest["validation"]["largest_difference"] <= 1e-5


def test_a_source_tree_that_is_not_installed_says_so(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    assert canonical.version() == keras_vae.__version__
    monkeypatch.setattr(canonical.metadata, "version", missing)
    assert canonical.version() == "0+source"


def test_manifest_describes_the_files(exported, manifest):
    for name, file in manifest["files"].items():
        data = (exported / name).read_bytes()
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["bytes"] == len(data)
    assert manifest["files"]["encoder.onnx"]["inputs"] == {"x": ["batch", 8, 8, 1]}
    assert manifest["files"]["decoder.onnx"]["outputs"] == {"x_hat": ["batch", 8, 8, 1]}


def test_each_file_alone_says_what_it_is(exported, manifest):
    for name in ("encoder.onnx", "decoder.onnx", "sampler.onnx"):
        (entry,) = onnx.load(exported / name).metadata_props
        assert entry.key == "keras_vae"
        about = json.loads(entry.value)
        assert about == {key: manifest[key] for key in manifest if key in about}
        assert {"format", "input_shape", "latent_dim", "likelihood", "prior"} <= about.keys()


def test_manifest_holds_the_learned_scale_and_the_metrics(mlp, tmp_path):
    metrics = {"data": "digits", "test": {"elbo": -12.346, "standard_error": 0.1}}
    bundles.write(mlp, tmp_path / "bundle", metrics=metrics)
    manifest = json.loads((tmp_path / "bundle/manifest.json").read_bytes())
    scale = float(keras.ops.convert_to_numpy(mlp.likelihood.log_scale))
    assert manifest["likelihood"]["weights"] == {"log_scale": scale}
    assert manifest["metrics"] == metrics
    assert "digits: -12.35 ± 0.10 nats per example" in (tmp_path / "bundle/README.md").read_text()


def test_same_model_gives_the_same_folder(make_vae, exported, tmp_path, contents):
    make_vae("conv", filters=(4, 8), units=16).export(tmp_path / "again")  # `vae`, made anew
    assert contents(tmp_path / "again") == contents(exported)


def test_picture_is_of_64_samples(exported):
    assert Image.open(exported / "samples.png").size == (530, 530)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": 1, "a": 2}', "null"])
def test_a_bundle_with_a_damaged_manifest_is_not_replaced(mlp, bundle, contents, text):
    (bundle / "manifest.json").write_text(text)
    before = contents(bundle)
    with pytest.raises(ValueError, match=r"^cannot replace what stands there: [^\n]*$"):
        mlp.export(bundle)
    assert contents(bundle) == before


def test_replaces_an_earlier_bundle(mlp, bundle):
    mlp.export(bundle)
    assert (
        json.loads((bundle / "manifest.json").read_bytes())["likelihood"]["class_name"] == "Normal"
    )
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_makes_parents_and_fills_an_empty_folder(mlp, tmp_path):
    mlp.export(tmp_path / "a/b/bundle")
    (tmp_path / "empty").mkdir()
    mlp.export(str(tmp_path / "empty"))
    for folder in (tmp_path / "a/b/bundle", tmp_path / "empty"):
        assert sorted(path.name for path in folder.iterdir()) == FILES


def test_folder_has_the_mode_that_the_umask_gives(mlp, tmp_path):
    before = os.umask(0o027)
    try:
        mlp.export(tmp_path / "bundle")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "bundle").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "bundle/manifest.json").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["notes.txt", "README.md", "manifest.json", "weights/"])
def test_folder_that_is_no_bundle_is_refused_and_kept(vae, tmp_path, contents, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"cannot (write|replace)"):
        vae.export(folder)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["notes.txt", "more/"])
def test_bundle_with_a_foreign_file_is_refused_and_kept(vae, bundle, contents, name):
    (bundle / name).mkdir() if name.endswith("/") else (bundle / name).write_text("mine")
    before = contents(bundle.parent)
    with pytest.raises(ValueError, match=rf"the folder holds {name.strip('/')}, .* another folder"):
        vae.export(bundle)
    assert contents(bundle.parent) == before


def test_file_in_the_way_is_refused_and_kept(vae, tmp_path):
    (tmp_path / "bundle").write_text("mine")
    with pytest.raises(ValueError, match="bundle is a file; choose another"):
        vae.export(tmp_path / "bundle")
    assert (tmp_path / "bundle").read_text() == "mine"


def fail(error):
    def raise_it(*args, **kwargs):
        raise error

    return raise_it


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left"), SystemExit(1)]
)
@pytest.mark.parametrize("step", ["validate.check", "card.text", "runtime.write"])
def test_failure_at_any_step_changes_nothing(vae, bundle, contents, monkeypatch, error, step):
    before = contents(bundle.parent)
    monkeypatch.setattr(f"export.bundle.{step}", fail(error))
    with pytest.raises(type(error)):
        vae.export(bundle)
    with pytest.raises(type(error)):
        vae.export(bundle.parent / "new/parents/bundle")
    assert contents(bundle.parent) == before


def test_a_file_that_came_meanwhile_is_kept(vae, bundle, monkeypatch):
    text = bundles.card.text

    def slow(*told):
        (bundle / "notes.txt").write_text("mine")
        return text(*told)

    monkeypatch.setattr(bundles.card, "text", slow)
    with pytest.raises(ValueError, match=r"the folder holds notes\.txt"):
        vae.export(bundle)
    assert (bundle / "notes.txt").read_text() == "mine"
    assert os.listdir(bundle.parent) == ["bundle"]


def test_a_second_export_at_once_is_refused_before_the_work(vae, bundle, monkeypatch):
    with atomic_folder(bundle) as new:
        monkeypatch.setattr(bundles, "_fill", lambda *_: pytest.fail("it began"))
        with pytest.raises(ValueError, match=r"another run is writing .*bundle: wait for it"):
            vae.export(bundle)
        (new / "manifest.json").write_text("{}")
    assert os.listdir(bundle.parent) == ["bundle"]


def test_full_disk_changes_nothing(vae, bundle, contents, full_disk):
    before = contents(bundle.parent)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        vae.export(bundle)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        vae.export(bundle.parent / "new/bundle")
    assert contents(bundle.parent) == before


def test_parent_that_cannot_hold_a_folder_is_refused(vae, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="file is a file; choose another folder"):
        vae.export(tmp_path / "file/bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_damaged_decoder_is_not_written(vae, tmp_path, monkeypatch):
    def damaged(parts):
        model = parts.decoder
        for tensor in model.graph.initializer:
            if tensor.name == "decoder/ConvTranspose_0.W":
                array = onnx.numpy_helper.to_array(tensor) * np.float32(1.01)
                tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        return model

    monkeypatch.setitem(bundles.GRAPHS, "decoder.onnx", damaged)
    with pytest.raises(validate.ValidationError, match=r"decoder\.onnx, batch 1: x_params"):
        vae.export(tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_round_up_never_rounds_down():
    rng = np.random.default_rng(0)
    for value in 10.0 ** rng.uniform(-9, 0, 1000):
        assert value <= manifests.round_up(value) * (1 + 1e-15) <= 2 * value * (1 + 1e-15)
