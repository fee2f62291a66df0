"""A bundle that is damaged, foreign, of another version, or run by a wrong runtime is refused."""

import hashlib
import json
import os
import shutil

import numpy as np
import onnx
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
        (b'"format_version": 2', b'"format_version": 1', r"sampler\.onnx has format version 1, an"),
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
        ({"format_version": 1}, "has format version 1, and this program reads version 2"),
        ({"format": "other"}, "does not describe a keras-vae bundle"),
        ({"files": None}, "files is missing"),
    ],
)
def test_manifest_of_another_kind_is_refused(bundle, change, message):
    change_manifest(bundle, **change)
    with pytest.raises(ValueError, match=message):
        OnnxVAE(bundle)


TEXTS = {
    "nothing": "",
    "cut": '{"format": "keras-vae"',
    "no text": "\xff",
    "a list": "[]",
    "null": "null",
    "a word": '"keras-vae"',
    "deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "deep lists": "[" * 100_000 + "]" * 100_000,
    "twice": '{"format": "other", "format": "keras-vae", "format_version": 1}',
    "no number": '{"format": "keras-vae", "format_version": 2, "a": NaN}',
    "beyond float64": '{"format": "keras-vae", "format_version": 2, "a": 1e999}',
    "many digits": '{"format": "keras-vae", "format_version": 2, "a": %s}' % ("1" * 5000),
    "no version": '{"format": "keras-vae", "format_version": null}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_no_json_of_ours_is_refused_in_one_line(bundle, text):
    """As the manifest, and as the metadata of an ONNX file."""
    model = onnx.load(bundle / "sampler.onnx")
    model.metadata_props[0].value = text
    sign(bundle, "sampler.onnx", model.SerializeToString())
    match = r"\.(json|onnx) (was cut short or changed|does not describe|has format version)"
    with pytest.raises(ValueError, match=match) as refused:
        OnnxVAE(bundle).sample(1)
    (bundle / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=match) as refused_too:
        OnnxVAE(bundle)
    for error in (refused, refused_too):
        assert len(str(error.value).splitlines()) == 1
        assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_shape", "x"),
        ("input_shape", None),
        ("input_shape", []),
        ("input_shape", [2**13, 2**14]),
        ("latent_dim", "16"),
        ("latent_dim", -1),
        ("latent_dim", 2**40),
        ("num_classes", 0),
        ("num_classes", True),
        ("likelihood", {}),
        ("likelihood", {"class_name": "Normal", "config": {}, "support": 7}),
        ("precisions", 0),
        ("precisions", {"../x": {}}),
        ("precisions", {"int8": None}),
        ("metrics", [1]),
        ("anomaly", {"threshold": 4.5, "num_samples": 100, "index": 0}),
        ("anomaly", {"threshold": 4.5, "num_samples": 100, "index": 0, "seed": 7}),
        ("anomaly", {"threshold": 1e40, "num_samples": 100, "index": 0, "seed": "7"}),
        ("anomaly", {"threshold": 4.5, "num_samples": 0, "index": 0, "seed": "7"}),
        ("files", []),
        ("files", {"decoder.onnx": 3}),
        ("files", {"../decoder.onnx": {"sha256": "0" * 64, "bytes": 1}}),
        ("files", {"decoder.onnx": {"sha256": "0" * 64, "bytes": 2**60}}),
        ("files", {"decoder.onnx": {"sha256": "0", "bytes": 1}}),
    ],
)
def test_manifest_with_a_wrong_value_is_refused(bundle, name, value):
    change_manifest(bundle, **{name: value})
    match = rf"manifest\.json was cut short or changed: {name}.* (is|must be) "
    with pytest.raises(ValueError, match=match):
        OnnxVAE(bundle)


def test_long_values_are_shortened_in_the_message(bundle):
    change_manifest(bundle, latent_dim="a" * 10_000)
    with pytest.raises(ValueError, match=r"latent_dim is 'a+\.\.\.a+', and the schema") as refused:
        OnnxVAE(bundle)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("name", ["manifest.json", "sampler.onnx"])
def test_what_is_no_file_is_refused_and_not_waited_for(bundle, name):
    path = bundle / name
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make()
        with pytest.raises(ValueError, match=r"is not a file|holds no manifest"):
            OnnxVAE(bundle).sample(1)


def test_no_more_is_read_of_a_file_than_the_manifest_says(bundle):
    os.truncate(bundle / "sampler.onnx", 2**40)
    with pytest.raises(ValueError, match="is not the file that the manifest describes"):
        OnnxVAE(bundle).sample(1)


def append(bundle, op_type, number):
    """Appends an operator to decoder.onnx, which computes x_hat of what was x_hat, and a number."""
    model = onnx.load(bundle / "decoder.onnx")
    (last,) = [node for node in model.graph.node if "x_hat" in node.output]
    last.output[0] = "inner"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([number]), "number"))
    model.graph.node.append(onnx.helper.make_node(op_type, ["inner", "number"], ["x_hat"]))
    sign(bundle, "decoder.onnx", model.SerializeToString())


def test_an_output_that_is_not_as_declared_is_refused(bundle):
    """A graph may say that it computes one shape, and compute another."""
    append(bundle, "ReduceMax", 0)
    match = r"decoder\.onnx computes x_hat of shape \(1, 8, 8, 1\), not \(2, 8, 8, 1\)"
    with pytest.raises(ValueError, match=match):
        OnnxVAE(bundle).decode(np.zeros((2, 3)))


def test_what_onnxruntime_cannot_compute_is_one_line(bundle, capfd):
    append(bundle, "Gather", 99)
    with pytest.raises(ValueError, match=r"decoder\.onnx cannot be computed: [^\n]*$"):
        OnnxVAE(bundle).decode(np.zeros((2, 3)))
    assert capfd.readouterr().err == ""


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


@pytest.mark.parametrize("z", [0.0, "the next number"])
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
    "change",
    [
        *({"z": "x"}, {"z": [[0.0]]}, {"z": [[0.0, 0.0], [0.0]]}, {"z": [[1e300] * 3] * 2}),
        *({"z": [[float("nan")] * 3] * 2}, {"tolerance": -1}, {"tolerance": None}),
        *({"seed": "one"}, {"seed": str(2**63)}, {"seed": 7}, {"first": "-1"}, {"first": "9" * 30}),
        *({"count": None}, {"count": 3_000_000}, {"count": 3}, {"count": "2"}, {"count": 2.5}),
    ],
)
def test_damaged_known_answer_is_refused(bundle, known, change):
    change_manifest(bundle, known_answer=known | change)
    with pytest.raises(ValueError, match=r"(json|known_answer) was cut short or changed: [^\n]*$"):
        OnnxVAE(bundle).sample(1)


def test_a_known_answer_that_is_none_is_refused(bundle):
    for value in (0, [], {}, "", False):
        change_manifest(bundle, known_answer=value)
        with pytest.raises(ValueError, match=r"json was cut short or changed: known_answer[^\n]*$"):
            OnnxVAE(bundle)


def test_older_bundle_without_a_known_answer_is_read(bundle):
    change_manifest(bundle, known_answer=None)
    assert OnnxVAE(bundle).sample(1).shape == (1, 8, 8, 1)
