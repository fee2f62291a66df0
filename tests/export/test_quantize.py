"""float16 and int8: what they keep to the bit, what they save, and what they may cost."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from export import cli, convert, loading, quantize, report, runtime, validate, variants
from export.runtime.cli import main
from keras_vae import datasets

DRAWS = [(0, 0, 100, 1.0), (-1, 2**40, 3, 0.5), (2**63 - 1, 7, 1, 1.0), (5, 0, 0, 1.0)]


@pytest.fixture(scope="session", autouse=True)
def hurry():
    """Measures each speed in the fewest turns, and calibrates by few samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "SECONDS", 0)
        patch.setattr(quantize, "DRAWS", 256)
        yield


@pytest.fixture(scope="session")
def x():
    return datasets.load("digits").x_test[:40]


@pytest.fixture(scope="session", params=["mlp", "vae"])
def model(request):
    """A tiny MLP for grey images, or a tiny convolutional VAE for binary ones."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def held_out(model, x):
    return x if type(model.likelihood).__name__ == "Normal" else np.round(x)


@pytest.fixture(scope="session")
def parts(model):
    return convert.parts(model)


@pytest.fixture(scope="session")
def folder(model, held_out, tmp_path_factory):
    """A bundle in float32, float16 and int8."""
    path = tmp_path_factory.mktemp("variants") / "bundle"
    model.export(path, precision=("float16", "int8"), x=held_out, data="digits")
    return path


@pytest.fixture
def manifest(folder):
    return json.loads((folder / "manifest.json").read_bytes())


def precisions(folder):
    return json.loads((folder / "manifest.json").read_bytes())["precisions"]


def draw(path, seed, first, count, temperature):
    scalars = {"seed": seed, "first": first, "count": count}
    feeds = {name: np.array(value, np.int64) for name, value in scalars.items()}
    feeds["temperature"] = np.array(temperature, np.float32)
    return onnxruntime.InferenceSession(path).run(["z", "x_hat"], feeds)


def ruined(part, value):
    """A precision that sets all weights of a part to `value`."""

    def change(parts):
        model = onnx.ModelProto.FromString(getattr(parts, part).SerializeToString())
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
                array = np.full(tensor.dims, value, np.float32)
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return parts._replace(**{part: model})

    return change


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_z_is_the_same_to_the_bit(folder, precision):
    for request in DRAWS:
        z, _ = draw(folder / "sampler.onnx", *request)
        same, _ = draw(folder / f"sampler_{precision}.onnx", *request)
        assert z.dtype == same.dtype == np.float32
        assert z.tobytes() == same.tobytes()


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_x_hat_is_that_of_the_decoder_and_near_that_of_float32(folder, precision):
    z, x_hat = draw(folder / "sampler.onnx", 0, 0, 100, 1.0)
    decoder = onnxruntime.InferenceSession(folder / f"decoder_{precision}.onnx")
    (decoded,) = decoder.run(None, {"z": z})
    np.testing.assert_array_equal(
        decoded, draw(folder / f"sampler_{precision}.onnx", 0, 0, 100, 1)[1]
    )
    gap = np.abs(decoded - x_hat).max()
    assert 0 < gap < {"float16": 2e-3, "int8": 0.1}[precision]


def test_a_sample_does_not_depend_on_those_drawn_with_it(folder):
    _, whole = draw(folder / "sampler_int8.onnx", 3, 0, 100, 1.0)
    pieces = [draw(folder / "sampler_int8.onnx", 3, *part, 1.0)[1] for part in [(0, 37), (37, 63)]]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_inputs_and_outputs_are_those_of_float32(manifest):
    for stem in ("encoder", "decoder", "sampler", "scorer"):
        full = manifest["files"][f"{stem}.onnx"]
        assert full["precision"] == "float32"
        for precision in ("float16", "int8"):
            file = manifest["files"][f"{stem}_{precision}.onnx"]
            assert file["precision"] == precision
            assert (file["inputs"], file["outputs"]) == (full["inputs"], full["outputs"])


def test_each_variant_alone_says_what_it_is(folder):
    for path in folder.glob("*_int8.onnx"):
        model = onnx.load(path)
        assert json.loads(model.metadata_props[0].value)["precision"] == "int8"
        assert {operator.domain for operator in loading.operators(model)} == {""}


@pytest.mark.parametrize("part", ["encoder", "decoder", "densities"])
def test_float16_halves_the_bytes_of_the_weights(parts, part):
    def arrays(model):
        return [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]

    full = [array for array in arrays(getattr(parts, part)) if array.ndim > 1]
    half = [array for array in arrays(getattr(quantize.float16(parts), part)) if array.ndim > 1]
    assert {array.dtype.name for array in half} == {"float16"}
    assert 2 * sum(array.nbytes for array in half) == sum(array.nbytes for array in full)
    for before, after in zip(full, half, strict=True):
        np.testing.assert_array_equal(before.astype(np.float16), after)


@pytest.mark.parametrize("value", [1e5, 1e-6, 0.0, np.nan])
def test_weights_that_float16_cannot_hold_stay(parts, value):
    decoder = quantize.float16(ruined("params", value)(parts)).decoder
    assert onnx.TensorProto.FLOAT16 not in {t.data_type for t in decoder.graph.initializer}
    assert "Cast" not in {node.op_type for node in decoder.graph.node}


def test_int8_keeps_the_layers_that_read_x_or_z(parts):
    for model in quantize.int8(parts)[:2]:
        constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        maker = {node.output[0]: node for node in model.graph.node}
        layers = [node for node in model.graph.node if node.op_type in quantize.LAYERS]
        stored = [constants[maker[layer.input[1]].input[0]].dtype.name for layer in layers]
        assert stored[0] == "float16"
        for layer, dtype in zip(layers[1:], stored[1:], strict=True):
            assert dtype == ("float16" if layer.op_type == "ConvTranspose" else "int8")


def test_int8_weights_have_a_scale_a_channel_and_fill_7_bits(parts):
    model = quantize.int8(parts).encoder
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    weights = [
        [constants[name] for name in node.input[:2]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in constants
    ]
    weights = [(w, scale) for w, scale in weights if w.dtype == np.int8]
    assert weights
    for w, scale in weights:
        assert scale.size in w.shape
        axis = w.shape.index(scale.size)
        largest = np.abs(np.moveaxis(w, axis, 0).reshape(scale.size, -1)).max(axis=1)
        assert (largest == 64).all()  # 2 · 255 · 64 < 2^15: AVX2 adds two products in 16 bits


def test_the_decoder_that_is_scored_is_the_decoder_that_samples(folder):
    def constants(name):
        model = onnx.load(folder / f"{name}_int8.onnx")
        arrays = map(numpy_helper.to_array, model.graph.initializer)
        return {(a.dtype.str, a.shape, a.tobytes()) for a in arrays if a.dtype != np.int64}

    assert constants("decoder") <= constants("sampler")
    assert constants("decoder") <= constants("scorer")
    assert constants("encoder") <= constants("scorer")


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_same_model_gives_the_same_graphs(parts, model, precision):
    change = quantize.PRECISIONS[precision]
    assert change(parts) == change(convert.parts(model))


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_cost_is_the_mean_of_paired_differences(folder, manifest, held_out, precision):
    def log_likelihood(name):
        integers = {"num_samples": 100, "seed": 0, "index": np.arange(len(held_out))}
        feeds = {name: np.array(value, np.int64) for name, value in integers.items()}
        session = onnxruntime.InferenceSession(folder / name)
        return session.run(["log_likelihood"], {"x": held_out, **feeds})[0].astype(np.float64)

    loss = log_likelihood("scorer.onnx") - log_likelihood(f"scorer_{precision}.onnx")
    entry = manifest["precisions"][precision]
    assert entry["cost"] == pytest.approx(loss.mean(), abs=2e-4)
    error = loss.std(ddof=1) / np.sqrt(len(loss))
    assert entry["standard_error"] == pytest.approx(error, abs=2e-4)
    assert entry["data"] == "digits"
    assert (entry["examples"], entry["num_samples"], entry["seed"]) == (40, 100, 0)
    assert entry["budget"] == variants.BUDGET
    assert set(entry["speed"]) == {"encoder", "decoder", "sampler"}
    assert all(ratio > 0 for ratio in entry["speed"].values())


def test_card_and_report_say_what_the_variants_cost(folder, manifest, capsys):
    text = (folder / "README.md").read_text()
    assert report.main([str(folder)]) == 0
    table = capsys.readouterr().out
    for precision, entry in manifest["precisions"].items():
        cost = f"{entry['cost']:.4f} ± {entry['standard_error']:.4f}"
        assert f"| {precision} | {cost} |" in text
        assert f"cost of {precision}" in table
        assert cost in table


def test_bundle_without_variants_says_nothing_of_them(exported):
    assert precisions(exported) == {}
    assert "Smaller and faster" not in (exported / "README.md").read_text()


@pytest.mark.parametrize("value", [9.0, np.nan])
def test_variant_over_budget_is_refused_and_nothing_changes(
    vae, x, bundle, contents, monkeypatch, value
):
    before = contents(bundle.parent)
    monkeypatch.setitem(quantize.PRECISIONS, "int8", ruined("densities", value))
    cost = r"nan ± nan" if np.isnan(value) else r"\d+\.\d{4} ± \d+\.\d{4}"
    with pytest.raises(validate.ValidationError, match=f"int8 costs {cost} nats .* budget of 0.1:"):
        vae.export(bundle, precision="int8", x=np.round(x))
    assert contents(bundle.parent) == before


def test_budget_is_what_a_variant_may_cost(mlp, x, tmp_path, monkeypatch):
    monkeypatch.setitem(quantize.PRECISIONS, "int8", ruined("densities", 9.0))
    mlp.export(tmp_path / "bundle", precision="int8", x=x, budget=1e9)
    assert variants.BUDGET < precisions(tmp_path / "bundle")["int8"]["cost"] < 1e9


def test_a_variant_that_draws_another_z_is_refused(mlp, x, tmp_path, monkeypatch):
    def shrink(parts):
        text = """<ir_version: 8, opset_import: ["": 18]>
          shrink (float[batch, 3] epsilon, float[batch] u) => (float[batch, 3] z)
          <float a = {0.999999}> {z = Mul(epsilon, a)}"""
        return parts._replace(prior=onnx.parser.parse_model(text))

    monkeypatch.setitem(quantize.PRECISIONS, "float16", shrink)
    with pytest.raises(validate.ValidationError, match=r"sampler_float16\.onnx.* z differs"):
        mlp.export(tmp_path / "bundle", precision="float16", x=x)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int4"}, r"Unknown precision: 'int4'.* Did you mean 'int8'\?"),
        ({"precision": "int8", "x": None}, "needs held-out examples"),
        ({"precision": "int8", "x": np.zeros((1, 8, 8, 1))}, "at least 2 held-out examples, got 1"),
        ({"precision": "int8", "x": np.zeros((4, 8, 8))}, "x must have shape"),
        ({"precision": "int8", "x": np.full((4, 8, 8, 1), 0.5)}, "Bernoulli is for binary data"),
        ({"precision": "int8", "budget": float("nan")}, "budget must be .* got nan"),
        ({"precision": "int8", "budget": -1}, "budget must be .* got -1"),
    ],
)
def test_bad_arguments_are_refused(vae, x, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        vae.export(tmp_path / "bundle", **{"x": np.round(x), **options})
    assert not list(tmp_path.iterdir())


@pytest.fixture
def run(mlp, tmp_path):
    """A folder as training leaves it."""
    folder = tmp_path / "run"
    folder.mkdir()
    mlp.save(folder / "model.keras")
    settings = {"data": "digits", "data_dir": None, "binarize": None}
    (folder / "metrics.json").write_text(json.dumps(settings))
    return folder


def test_command_line_judges_by_the_data_of_the_training(run, tmp_path, capsys):
    arguments = [str(run / "model.keras"), "--out", str(tmp_path / "bundle")]
    assert cli.main([*arguments, "--precision", "float16", "--precision", "int8"]) == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    for line, (name, entry) in zip(lines, precisions(tmp_path / "bundle").items(), strict=False):
        assert entry["examples"] == 359
        assert line.startswith(f"{name} costs {entry['cost']:.4f} ± ")
        assert f"(digits, 359 examples, 100 draws each); sampler_{name}.onnx " in line
        assert line.endswith(" times as fast")
    assert lines[-1].startswith("wrote ")


def test_command_line_refuses_what_costs_too_much_with_status_1(
    run, tmp_path, error_line, monkeypatch
):
    monkeypatch.setitem(quantize.PRECISIONS, "int8", ruined("densities", 9.0))
    arguments = [str(run / "model.keras"), "--out", str(tmp_path / "bundle"), "--budget", "0.2"]
    assert cli.main([*arguments, "--precision", "int8"]) == 1
    line = error_line()
    assert line.startswith("int8 costs ")
    assert line.endswith(
        "the budget of 0.2: leave int8 out, or raise the budget; nothing is written"
    )
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "int8"], "nothing in {folder} names the data"),
        (["--precision", "int8", "--data", "nothing"], "Unknown data set: 'nothing'"),
        (["--precision", "int8", "--budget", "nan"], "--budget must be a number >= 0, got nan"),
        (["--data", "digits"], "add --precision"),
    ],
)
def test_command_line_needs_data_to_judge_by(saved, tmp_path, error_line, options, message):
    assert cli.main([str(saved), "--out", str(tmp_path / "bundle"), *options]) == 2
    assert message.format(folder=saved.parent) in error_line()
    assert not list(tmp_path.iterdir())


def test_labels_that_do_not_go_with_the_examples_are_refused(make_vae, x, tmp_path):
    model = make_vae("mlp", likelihood="normal", hidden=(4,), num_classes=3)
    for label in (np.zeros(len(x) + 1, int), None, np.full(len(x), 3)):
        with pytest.raises(ValueError, match=r"label must be|this model needs a label"):
            model.export(tmp_path / "bundle", precision="float16", x=x, label=label)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_the_runtime_uses_the_files_of_a_precision(folder, held_out, precision, tmp_path):
    vae = runtime.OnnxVAE(folder, precision=precision)
    _, x_hat = draw(folder / f"sampler_{precision}.onnx", 7, 0, 5, 1.0)
    np.testing.assert_array_equal(vae.sample(5, seed=7), x_hat)
    gap = vae.score(held_out, 5)["elbo"] - runtime.OnnxVAE(folder).score(held_out, 5)["elbo"]
    assert 0 < np.abs(gap).max() < 5
    out = tmp_path / "samples.npy"
    assert main([str(folder), "--precision", precision, "--out", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out)[:5], vae.sample(64)[:5])


def test_the_runtime_refuses_a_precision_that_is_not_there(folder, tmp_path, capsys):
    assert main([str(folder), "--precision", "int4", "--out", str(tmp_path / "x.npy")]) == 2
    assert "float32, float16, int8, not 'int4'" in capsys.readouterr().err
