"""The runtime: numpy and onnxruntime, the same samples as Keras, and clear refusals."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export import runtime
from export.runtime import OnnxVAE

ROOT = Path(__file__).parents[2]
UNIMPORTABLE = ["tensorflow", "keras", "torch", "jax", "onnx", "tf2onnx", "keras_vae", "PIL"]
WITHOUT_KERAS = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[2:]))
from export.runtime import OnnxVAE
vae = OnnxVAE(sys.argv[1])
z_mean, z_log_var = vae.encode(vae.sample(3, seed=7))
print(*vae.decode(z_mean).shape)
"""


@pytest.fixture(scope="module")
def onnx_vae(exported):
    return OnnxVAE(exported)


def test_runs_where_keras_and_its_backends_cannot_be_imported(exported):
    command = [sys.executable, "-c", WITHOUT_KERAS, str(exported), *UNIMPORTABLE]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == "3 8 8 1\n"


def test_agrees_with_keras(onnx_vae, vae):
    x = vae.sample(5, seed=3)
    np.testing.assert_allclose(onnx_vae.sample(5, seed=3), x, atol=1e-5)
    for ours, theirs in zip(onnx_vae.encode(x), vae.encode(x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    z = np.ones((2, 3), "float32")
    np.testing.assert_allclose(onnx_vae.decode(z), vae.decode(z), atol=1e-5)


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("temperature", [0, 0.5, 2])
def test_draws_the_samples_of_keras_for_every_seed(onnx_vae, vae, seed, temperature):
    drawn = onnx_vae.sample(3, seed, temperature, first=2)
    np.testing.assert_allclose(drawn, vae.sample(3, seed, temperature, first=2), atol=1e-5)


def test_sample_is_the_same_alone_and_in_a_batch(onnx_vae):
    together = onnx_vae.sample(600, seed=7)
    for first in (0, 1, 255, 256, 257, 599):
        alone = onnx_vae.sample(1, seed=7, first=first)
        np.testing.assert_allclose(alone[0], together[first], atol=1e-6)


def test_chunks_do_not_show(onnx_vae, monkeypatch):
    whole = onnx_vae.sample(20, seed=1)
    monkeypatch.setattr(runtime, "CHUNK", 3)
    np.testing.assert_allclose(onnx_vae.sample(20, seed=1), whole, atol=1e-6)


def test_shapes_and_types(onnx_vae):
    assert (onnx_vae.input_shape, onnx_vae.latent_dim) == ((8, 8, 1), 3)
    assert onnx_vae.manifest["format"] == "keras-vae"
    assert onnx_vae.sample(0).shape == (0, 8, 8, 1)
    assert onnx_vae.sample(2).dtype == np.float32
    assert [h.shape for h in onnx_vae.encode(np.zeros((2, 8, 8, 1)))] == [(2, 3), (2, 3)]


def test_sampling_needs_no_encoder(bundle):
    (bundle / "encoder.onnx").unlink()
    vae = OnnxVAE(bundle)
    assert vae.sample(1).shape == (1, 8, 8, 1)
    with pytest.raises(ValueError, match=r"cannot read .*encoder\.onnx: No such file"):
        vae.encode(np.zeros((1, 8, 8, 1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": -1}, "count must be a whole number >= 0, got -1"),
        ({"count": 1.5}, "count must be a whole number"),
        ({"count": 1, "first": -1}, "first must be a whole number >= 0, got -1"),
        ({"count": 1, "seed": 2**63}, "seed must be a whole number from"),
        ({"count": 1, "seed": -(2**63) - 1}, "seed must be a whole number from"),
        ({"count": 1, "seed": 0.5}, "seed must be a whole number from"),
        ({"count": 1, "temperature": -1}, "temperature must be a finite number >= 0, got -1"),
        ({"count": 1, "temperature": np.nan}, "temperature must be a finite number"),
        ({"count": 1, "temperature": np.inf}, "temperature must be a finite number"),
        ({"count": 1, "temperature": "1"}, "temperature must be a finite number"),
        ({"count": 9, "temperature": 1e39}, "is more than float32 can hold"),
    ],
)
def test_request_out_of_range_is_refused(onnx_vae, arguments, message):
    with pytest.raises(ValueError, match=message):
        onnx_vae.sample(**arguments)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 8, 8)), r"x must have shape \(batch, 8, 8, 1\), got \(2, 8, 8\)"),
        (np.zeros((8, 8, 1)), r"x must have shape"),
        (np.float32(1), r"x must have shape"),
        (np.zeros((1, 8, 8, 1), complex), "x must hold numbers, got dtype complex128"),
        (np.full((1, 8, 8, 1), "a"), "x must hold numbers, got dtype <U1"),
        (np.full((1, 8, 8, 1), None), "x must hold numbers, got dtype object"),
        (np.full((1, 8, 8, 1), np.nan), "x holds values that are NaN or infinite"),
        (np.full((1, 8, 8, 1), np.inf), "x holds values that are NaN or infinite"),
    ],
)
def test_wrong_x_is_refused(onnx_vae, x, message):
    with pytest.raises(ValueError, match=message):
        onnx_vae.encode(x)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((2, 4)), r"z must have shape \(batch, 3\), got \(2, 4\)"),
        (np.zeros(3), r"z must have shape \(batch, 3\), got \(3,\)"),
        (np.full((1, 3), "a"), "z must hold numbers"),
        (np.full((1, 3), np.nan), "z holds values that are NaN or infinite"),
    ],
)
def test_wrong_z_is_refused(onnx_vae, z, message):
    with pytest.raises(ValueError, match=message):
        onnx_vae.decode(z)


def test_changed_or_truncated_file_is_refused(bundle):
    path = bundle / "sampler.onnx"
    for data in (path.read_bytes()[:1000], b"", path.read_bytes()[:-1] + b"\0"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"sampler\.onnx is not the file that the manifest"):
            OnnxVAE(bundle).sample(1)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"not ONNX at all", r"sampler\.onnx cannot be loaded: .*"), (None, "not written by keras-v")],
)
def test_foreign_onnx_file_is_refused(bundle, data, message):
    path = bundle / "sampler.onnx"
    path.write_bytes(data or path.read_bytes().replace(runtime.METADATA.encode(), b"other_vae"))
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["files"]["sampler.onnx"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=message):
        OnnxVAE(bundle).sample(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "has format version 2, and this program reads version 1"),
        ({"format": "other"}, "does not describe a keras-vae bundle"),
        ({"files": None}, "files is None"),
    ],
)
def test_manifest_of_another_kind_is_refused(bundle, change, message):
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_bytes()) | change
    manifest = {key: value for key, value in manifest.items() if value is not None}
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=message):
        OnnxVAE(bundle)


@pytest.mark.parametrize("text", ["", "{", '{"format": "keras-vae"', "\xff", "[]"])
def test_damaged_manifest_is_refused(bundle, text):
    (bundle / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"manifest\.json (was cut|does not describe)"):
        OnnxVAE(bundle)


def test_what_is_no_bundle_is_refused(bundle, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is not a folder"):
        OnnxVAE(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"decoder\.onnx is not a folder"):
        OnnxVAE(bundle / "decoder.onnx")
    with pytest.raises(ValueError, match=r"holds no manifest\.json"):
        OnnxVAE(tmp_path)


def test_grid_shows_each_image_at_its_place():
    x = np.arange(6).reshape(6, 1, 1, 1) / 6 * np.ones((6, 64, 64, 1))
    sheet = runtime.grid(x)
    assert sheet.shape == (2 + 2 * 66, 2 + 3 * 66)
    centres = sheet[34::66, 34::66].ravel()
    np.testing.assert_array_equal(centres, np.round(255 * x[:, 0, 0, 0]))


def test_grid_draws_colour_and_clips():
    x = np.full((1, 64, 64, 3), [-1, 0.2, 2])
    assert runtime.grid(x)[30, 30].tolist() == [0, 51, 255]


@pytest.mark.parametrize("shape", [(4,), (1, 2, 3, 4, 1), (0, 8, 8, 1)])
def test_what_is_no_picture_is_refused_with_the_way_out(shape, tmp_path):
    with pytest.raises(ValueError, match=r"--out samples\.npy"):
        runtime.write(np.zeros(shape), tmp_path / "samples.png")
    assert not list(tmp_path.iterdir())


def test_command_writes_a_picture(exported, tmp_path, capsys):
    out = tmp_path / "samples.png"
    assert runtime.main([str(exported), "--count", "64", "--seed", "0", "--out", str(out)]) == 0
    assert Image.open(out).size == (530, 530)
    assert capsys.readouterr().out.startswith("64 samples of seed 0 in ")
    assert out.read_bytes() == (exported / "samples.png").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]


def test_command_writes_numbers(exported, onnx_vae, tmp_path):
    out = tmp_path / "samples.npy"
    arguments = ["--count", "5", "--seed", "-3", "--temperature", "0.5", "--first", "2"]
    assert runtime.main([str(exported), *arguments, "--out", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out), onnx_vae.sample(5, -3, 0.5, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "-1"], "count must be a whole number >= 0, got -1"),
        (["--count", "many"], "argument --count: invalid int value: 'many'"),
        (["--count", "0"], "count >= 1"),
        (["--seed", str(2**63)], "seed must be a whole number from"),
        (["--temperature", "nan"], "temperature must be a finite number"),
        (["--first", "-1"], "first must be a whole number >= 0"),
        (["--frist", "1"], "unrecognized arguments: --frist 1"),
        (["--count", str(10**15), "--out", "OUT/a.npy"], "first + count must be at most 2**44"),
        (["--out", "OUT/samples.gif"], "expected a name that ends in .png or .npy"),
        (["--out", "OUT/no/samples.png"], "there is no folder"),
    ],
)
def test_command_refuses_in_one_line(exported, tmp_path, error_line, arguments, message):
    arguments = [argument.replace("OUT", str(tmp_path)) for argument in arguments]
    try:
        status = runtime.main([str(exported), "--out", str(tmp_path / "samples.png"), *arguments])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in error_line()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(5,), (7, 3), (4, 5, 2), (1, 1, 3)])
def test_picture_of_any_data(make_vae, tmp_path, shape):
    make_vae("mlp", shape, "normal", hidden=(4,)).export(tmp_path / "bundle")
    out = tmp_path / "samples.png"
    assert runtime.main([str(tmp_path / "bundle"), "--count", "6", "--out", str(out)]) == 0
    assert min(Image.open(out).size) >= 50


def test_interruption_is_one_line(exported, tmp_path, error_line, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime.OnnxVAE, "sample", interrupt)
    assert runtime.main([str(exported), "--out", str(tmp_path / "a.npy")]) == 130
    assert error_line() == "interrupted; nothing is written"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_shape", "x"),
        ("input_shape", None),
        ("input_shape", [8, 0]),
        ("input_shape", []),
        ("latent_dim", "16"),
        ("latent_dim", -1),
        ("files", []),
        ("files", {"decoder.onnx": 3}),
    ],
)
def test_manifest_with_a_wrong_value_is_refused(bundle, name, value):
    path = bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), name: value}))
    with pytest.raises(ValueError, match=rf"manifest\.json was cut short or changed: {name} is"):
        runtime.OnnxVAE(bundle)


def test_manifest_of_another_model_is_refused(bundle):
    path = bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "latent_dim": 8}))
    with pytest.raises(ValueError, match=r"sampler\.onnx has z of .*manifest says \(8,\)"):
        runtime.OnnxVAE(bundle).sample(1)


@pytest.mark.parametrize("name", ["samples.png", "samples.npy"])
def test_full_disk_leaves_what_was_there(exported, tmp_path, error_line, full_disk, name):
    out = tmp_path / name
    out.write_text("before")
    with full_disk():
        assert runtime.main([str(exported), "--out", str(out)]) == 2
    assert error_line().startswith(f"cannot write {out}: ")
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_picture_without_pillow_is_refused(exported, tmp_path, error_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert runtime.main([str(exported), "--out", str(tmp_path / "samples.png")]) == 2
    assert error_line() == "a picture needs Pillow: install it, or use --out samples.npy"
    assert not list(tmp_path.iterdir())
