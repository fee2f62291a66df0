"""Bundles of conditional models: the label goes in, and what comes out is Keras' given it."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from export import bundle, cli, quantize, validate, variants
from export.grouping import graphs
from tests.export import cards

CLASSES = 4
COUNT = 12
Y = np.arange(COUNT) % CLASSES
INDEX = 7 + np.arange(COUNT)


@pytest.fixture(scope="module", autouse=True)
def hurry():
    """Measures each speed in the fewest turns, and calibrates by few samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "SECONDS", 0)
        patch.setattr(quantize, "DRAWS", 256)
        yield


@pytest.fixture(scope="module", params=["mlp", "conv"])
def conditional(request, make_vae):
    if request.param == "mlp":
        return make_vae("mlp", likelihood="normal", hidden=(16, 12), num_classes=CLASSES)
    return make_vae("conv", filters=(4, 8), units=16, num_classes=CLASSES)


@pytest.fixture(scope="module")
def x():
    """Binary, so that both models take it."""
    return np.random.default_rng(0).integers(0, 2, (COUNT, 8, 8, 1)).astype("float32")


@pytest.fixture(scope="module")
def saved(conditional, tmp_path_factory):
    path = tmp_path_factory.mktemp("conditional") / "model.keras"
    conditional.save(path)
    return path


@pytest.fixture(scope="module")
def folder(saved, x):
    """A bundle in float32, float16 and int8, exported by the command line."""
    data, out = saved.with_name("data.npz"), saved.with_name("bundle")
    np.savez(data, x_train=x, x_test=x, y_train=Y, y_test=Y)
    variants = ["--precision", "float16", "--precision", "int8", "--data", str(data)]
    assert cli.main([str(saved), "--out", str(out), *variants, "--budget", "1"]) == 0
    return out


@pytest.fixture
def manifest(folder):
    return json.loads((folder / "manifest.json").read_bytes())


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the refusals below are meant
    return onnxruntime.InferenceSession(path, options)


def scalars(**values):
    return {name: np.array(value, np.int64) for name, value in values.items()}


def draw(path, label, count=COUNT, **request):
    request = {"seed": 5, "first": 2**32, "count": count, "label": label, **request}
    feeds = {**scalars(**request), "temperature": np.array(0.9, np.float32)}
    return session(path).run(["z", "x_hat"], feeds)


def score(path, x, label):
    feeds = {"x": x, "label": label, "index": INDEX, **scalars(num_samples=20, seed=-3)}
    found = session(path)
    names = [output.name for output in found.get_outputs()]
    return dict(zip(names, found.run(names, feeds), strict=True))


def test_inputs_are_those_of_a_plain_model_and_the_label(folder):
    integer, real = "tensor(int64)", "tensor(float)"
    expected = {
        "encoder": {"x": (real, ["batch", 8, 8, 1])},
        "decoder": {"z": (real, ["batch", 3]), "label": (integer, ["batch"])},
        "sampler": {
            **dict.fromkeys(("seed", "first", "count"), (integer, [])),
            "temperature": (real, []),
            "label": (integer, []),
        },
        "scorer": {
            "x": (real, ["batch", 8, 8, 1]),
            **dict.fromkeys(("label", "index"), (integer, ["batch"])),
            **dict.fromkeys(("num_samples", "seed"), (integer, [])),
        },
    }
    for stem, inputs in expected.items():
        for ending in (".onnx", "_float16.onnx", "_int8.onnx"):
            found = session(folder / f"{stem}{ending}").get_inputs()
            assert {value.name: (value.type, value.shape) for value in found} == inputs


def test_sampler_draws_what_keras_draws_of_each_label(conditional, folder):
    drawn = [draw(folder / "sampler.onnx", label) for label in range(CLASSES)]
    for label, (z, x_hat) in enumerate(drawn):
        np.testing.assert_array_equal(z, drawn[0][0])  # the prior knows no label
        expected = conditional.sample(COUNT, 5, 0.9, 2**32, label=label)
        np.testing.assert_allclose(x_hat, expected, atol=1e-5)
    assert (
        np.abs(np.diff([x_hat for _, x_hat in drawn], axis=0)).max(axis=(1, 2, 3, 4)).min() > 0.01
    )


def test_decoder_takes_a_label_for_each_latent(conditional, folder):
    z = np.random.default_rng(1).standard_normal((COUNT, 3), np.float32)
    (x_hat,) = session(folder / "decoder.onnx").run(["x_hat"], {"z": z, "label": Y})
    np.testing.assert_allclose(x_hat, conditional.decode(z, label=Y), atol=1e-5)


def test_scorer_gives_the_scores_of_keras_given_the_labels(conditional, folder, x):
    for label in (Y, Y[::-1].copy()):
        expected = conditional.score(x, 20, -3, INDEX, label=label)
        for name, values in score(folder / "scorer.onnx", x, label).items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("label", [CLASSES, 2**40, -1, -CLASSES - 1])
def test_onnxruntime_itself_refuses_a_label_out_of_range(folder, x, label):
    labels = np.where(Y == 2, label, Y)
    calls = [
        lambda: draw(folder / "sampler.onnx", label),
        lambda: session(folder / "decoder.onnx").run(
            None, {"z": np.zeros((COUNT, 3), np.float32), "label": labels}
        ),
        lambda: score(folder / "scorer.onnx", x, labels),
    ]
    for call in calls:
        with pytest.raises(InvalidArgument, match="indices element out of data bounds"):
            call()


def blinded(graph):
    """Lets every node that reads the label read the tensor `blind` instead."""
    for node in graph.node:
        node.input[:] = ["blind" if name == "label" else name for name in node.input]
        for inner in graphs(node):
            blinded(inner)


@pytest.mark.parametrize("stem", ["decoder", "sampler", "scorer"])
def test_the_gate_refuses_a_file_that_ignores_its_label(conditional, folder, tmp_path, stem):
    for name in bundle.GRAPHS.keys() - {"imputer.onnx"}:  # which only tables have
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    path = tmp_path / f"{stem}.onnx"
    model = onnx.load(path)
    blinded(model.graph)
    model.graph.node.insert(0, onnx.helper.make_node("Sub", ["label", "label"], ["blind"]))
    onnx.save(model, path)
    with pytest.raises(validate.ValidationError, match=rf"{stem}\.onnx.*(differs|is not that)"):
        validate.check(conditional, tmp_path)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_variant_heeds_the_label(folder, precision, x):
    for label in range(CLASSES):
        z, x_hat = draw(folder / "sampler.onnx", label)
        same, near = draw(folder / f"sampler_{precision}.onnx", label)
        assert z.tobytes() == same.tobytes()
        assert 0 < np.abs(near - x_hat).max() < {"float16": 2e-3, "int8": 0.1}[precision]
        (decoded,) = session(folder / f"decoder_{precision}.onnx").run(
            ["x_hat"], {"z": z, "label": np.full(COUNT, label)}
        )
        np.testing.assert_array_equal(decoded, near)
    right, wrong = (
        score(folder / f"scorer_{precision}.onnx", x, label)["log_likelihood"]
        for label in (Y, (Y + 1) % CLASSES)
    )
    exact = score(folder / "scorer.onnx", x, Y)["log_likelihood"]
    assert np.abs(right - exact).max() < np.abs(wrong - right).max()


def test_a_variant_is_judged_given_the_labels(folder, manifest, x):
    def log_likelihood(name):
        examples = {"x": x, "label": Y, "index": np.arange(COUNT)}
        feeds = {**examples, **scalars(num_samples=100, seed=0)}
        return session(folder / name).run(["log_likelihood"], feeds)[0].astype(np.float64)

    for precision, entry in manifest["precisions"].items():
        loss = log_likelihood("scorer.onnx") - log_likelihood(f"scorer_{precision}.onnx")
        assert entry["cost"] == pytest.approx(loss.mean(), abs=2e-4)


@pytest.mark.parametrize("label", [None, Y + 1, Y[:5]], ids=["missing", "too large", "too few"])
def test_a_variant_without_the_right_labels_is_refused(conditional, x, tmp_path, label):
    with pytest.raises(ValueError, match="label"):
        conditional.export(tmp_path / "bundle", precision="float16", x=x, label=label)
    assert not list(tmp_path.iterdir())


def test_manifest_and_files_tell_the_number_of_labels(folder, manifest, exported):
    assert manifest["num_classes"] == CLASSES
    assert manifest["files"]["scorer.onnx"]["inputs"]["label"] == ["batch"]
    assert manifest["files"]["sampler.onnx"]["inputs"]["label"] == []
    (entry,) = onnx.load(folder / "decoder.onnx").metadata_props
    assert json.loads(entry.value)["num_classes"] == CLASSES
    assert "num_classes" not in json.loads((exported / "manifest.json").read_bytes())


def test_model_card_tells_of_the_label_and_runs(folder, conditional, tmp_path):
    text = (folder / "README.md").read_text()
    assert f"`label` is a whole number from 0 to {CLASSES - 1}" in text
    cards.run_python(cards.copied(folder, tmp_path / "bundle"))
    rows = (tmp_path / "bundle/samples.pgm").read_bytes().split(b"\n", 1)[1]
    want = np.round(255 * conditional.sample(16, label=0).clip(0, 1)).ravel()
    np.testing.assert_allclose(np.frombuffer(rows, np.uint8), want, atol=1)


def test_variants_cannot_be_judged_by_data_without_labels(saved, x, tmp_path, error_line):
    np.savez(tmp_path / "x.npz", x_train=x, x_test=x)
    command = [str(saved), "--out", str(tmp_path / "bundle"), "--precision", "float16"]
    assert cli.main([*command, "--data", str(tmp_path / "x.npz")]) == 2
    assert "a conditional model needs labels" in error_line()
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
