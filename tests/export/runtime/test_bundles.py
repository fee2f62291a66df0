"""A bundle that is damaged, foreign, of another version, or run by a wrong runtime is refused."""

import hashlib
import json

import numpy as np
import onnxruntime
import pytest

from export import runtime
from export.runtime import OnnxVAE
from keras_vae import noise


def change_manifest(bundle, **change):
    """Changes entries of the manifest; None takes one out."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_bytes()) | change
    manifest = {key: value for key, value in manifest.items() if value is not None}
    path.write_text(json.dumps(manifest))


def sign(bundle, name, data):
    """Writes a file of the bundle, and its checksum into the manifest."""
    (bundle / name).write_bytes(data)
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    change_manifest(bundle, files={name: entry})


def test_changed_or_truncated_file_is_refused(bundle):
    path = bundle / "sampler.onnx"
    for data in (path.read_bytes()[:1000], b"", path.read_bytes()[:-1] + b"\0"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"sampler\.onnx is not the file that the manifest"):
            OnnxVAE(bundle).sample(1)
        with pytest.raises(ValueError, match=r"sampler\.onnx is not the file that the manifest"):
            OnnxVAE(bundle).sample_stream(1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"", b"not ONNX at all", r"sampler\.onnx cannot be loaded: .*"),
        (runtime.METADATA.encode(), b"other_vae", "holds the key b'other_vae', which the export"),
        (b'"format_version": 1', b'"format_version": 2', r"sampler\.onnx has format version 2, an"),
    ],
)
def test_foreign_onnx_file_is_refused(bundle, old, new, message):
    data = (bundle / "sampler.onnx").read_bytes()
    sign(bundle, "sampler.onnx", data.replace(old, new) if old else new)
    with pytest.raises(ValueError, match=message):
        OnnxVAE(bundle).sample(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "has format version 2, and this program reads version 1"),
        ({"format": "other"}, "does not describe a keras-vae bundle"),
        ({"files": None}, "files is missing"),
    ],
)
def test_manifest_of_another_kind_is_refused(bundle, change, message):
    change_manifest(bundle, **change)
    with pytest.raises(ValueError, match=message):
        OnnxVAE(bundle)


@pytest.mark.parametrize("text", ["", "{", '{"format": "keras-vae"', "\xff", "[]"])
def test_damaged_manifest_is_refused(bundle, text):
    (bundle / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"manifest\.json (was cut|does not describe)"):
        OnnxVAE(bundle)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_shape", "x"),
        ("input_shape", None),
        ("input_shape", []),
        ("input_shape", [2**13, 2**14]),
        ("latent_dim", "16"),
        ("latent_dim", -1),
        ("files", []),
        ("files", {"decoder.onnx": 3}),
    ],
)
def test_manifest_with_a_wrong_value_is_refused(bundle, name, value):
    change_manifest(bundle, **{name: value})
    with pytest.raises(ValueError, match=rf"manifest\.json was cut short or changed: {name} is"):
        OnnxVAE(bundle)


def test_manifest_of_another_model_is_refused(bundle):
    change_manifest(bundle, latent_dim=8)
    with pytest.raises(ValueError, match=r"sampler\.onnx has z of .*manifest says \(8,\)"):
        OnnxVAE(bundle).sample(1)


def test_what_is_no_bundle_is_refused(bundle, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is not a folder"):
        OnnxVAE(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"decoder\.onnx is not a folder"):
        OnnxVAE(bundle / "decoder.onnx")
    with pytest.raises(ValueError, match=r"holds no manifest\.json"):
        OnnxVAE(tmp_path)


@pytest.fixture
def known():
    """The noise of seed -3, as the prior of the model passes it on."""
    z = noise.latent(-3, 5, 2, latent_dim=3).tolist()
    return {"seed": "-3", "first": "5", "count": 2, "z": z, "tolerance": 0.0}


def test_runtime_that_draws_the_known_answer_is_taken(bundle, known):
    change_manifest(bundle, known_answer=known)
    assert OnnxVAE(bundle).sample(1).shape == (1, 8, 8, 1)
    known["z"][1][2] += 0.01
    change_manifest(bundle, known_answer=known | {"tolerance": 0.011})
    assert OnnxVAE(bundle).sample(1).shape == (1, 8, 8, 1)


@pytest.mark.parametrize("z", [0.0, float("nan"), "the next number"])
def test_runtime_that_draws_another_answer_is_refused(bundle, known, z):
    known["z"][1][2] = float(np.nextafter(np.float32(known["z"][1][2]), 9)) if type(z) is str else z
    change_manifest(bundle, known_answer=known)
    message = (
        rf"onnxruntime {onnxruntime.__version__} with CPUExecutionProvider draws other samples"
    )
    with pytest.raises(ValueError, match=message + ".*another version of onnxruntime or another"):
        OnnxVAE(bundle).sample(1)
    assert OnnxVAE(bundle).decode(np.zeros((1, 3))).shape == (1, 8, 8, 1)


@pytest.mark.parametrize(
    "change", [{"z": "x"}, {"z": [[0.0]]}, {"seed": "one"}, {"seed": str(2**63)}, {"count": None}]
)
def test_damaged_known_answer_is_refused(bundle, known, change):
    change_manifest(bundle, known_answer=known | change)
    with pytest.raises(ValueError, match="known_answer was cut short or changed"):
        OnnxVAE(bundle).sample(1)


def test_older_bundle_without_a_known_answer_is_read(bundle):
    change_manifest(bundle, known_answer=None)
    assert OnnxVAE(bundle).sample(1).shape == (1, 8, 8, 1)
