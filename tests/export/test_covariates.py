"""Bundles of models of several covariates: Keras' numbers, given them by number or by name."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from export import bundle, convert, manifest, quantize, validate, variants
from export.imputer import imputer
from export.runtime import OnnxVAE, cli
from export.runtime import manifest as manifests
from keras_vae import VAE, conditions
from keras_vae.distributions import Column, Columns
from tests.export import cards

SITE = Column("site", "category", categories=("a", "b", "c"))
AGE = Column("age", "number", mean=40.0, scale=10.0)
DAY = Column("day", "date", format="%d.%m.%Y", origin="2020-01-01", mean=100.0, scale=50.0)
COVARIATES = [SITE, AGE, DAY]
COUNT = 12


@pytest.fixture(scope="module")
def model(make_vae):
    return make_vae("mlp", (5,), likelihood="normal", hidden=(8,), covariates=COVARIATES)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(COUNT, 5)).astype("float32")


@pytest.fixture(scope="module")
def y(model):
    return conditions.in_turn(model.covariates, np.arange(COUNT))


@pytest.fixture(scope="module")
def folder(model, x, y, tmp_path_factory):
    """A bundle in float32, float16 and int8."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "SECONDS", 0)
        patch.setattr(quantize, "DRAWS", 256)
        path = tmp_path_factory.mktemp("covariates") / "bundle"
        model.export(path, precision=("float16", "int8"), x=x, label=y, budget=1.0)
    return path


@pytest.fixture(scope="module")
def onnx_vae(folder):
    return OnnxVAE(folder)


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the refusals below are meant
    return onnxruntime.InferenceSession(path, options)


def test_the_label_of_a_graph_has_a_number_for_each_covariate(folder):
    one = {"sampler": [3], "generator": [3]}
    for stem in ("decoder", "sampler", "generator", "scorer", "elements"):
        for ending in (".onnx", "_float16.onnx", "_int8.onnx"):
            inputs = {
                value.name: value for value in session(folder / f"{stem}{ending}").get_inputs()
            }
            label = inputs["label"]
            assert (label.type, label.shape) == ("tensor(float)", one.get(stem, ["batch", 3]))


def test_samples_of_each_combination_are_those_of_keras(model, onnx_vae, y):
    drawn = []
    for label in y[:6]:
        for mean in (True, False):
            expected = model.sample(5, 5, 0.9, 2**32, label=label, mean=mean)
            drawn.append(onnx_vae.sample(5, 5, 0.9, 2**32, label=label, mean=mean))
            np.testing.assert_allclose(drawn[-1], expected, atol=1e-5)
    assert np.abs(np.diff(drawn[::2], axis=0)).max(axis=(1, 2)).min() > 0.01


def test_scores_and_decoded_means_are_those_of_keras(model, onnx_vae, x, y):
    z = np.random.default_rng(1).standard_normal((COUNT, 3), np.float32)
    found, expected = (vae.decode(z, label=y) for vae in (onnx_vae, model))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for label in (y, y[::-1].copy(), y[3]):
        expected = model.score(x, 20, -3, label=label)
        for name, values in onnx_vae.score(x, 20, -3, label=label).items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, err_msg=name)
    terms, expected = (vae.element_log_prob(x, 5, label=y) for vae in (onnx_vae, model))
    np.testing.assert_allclose(terms, expected, rtol=1e-4, atol=1e-5)


def test_a_label_by_name_is_the_same_as_by_number(onnx_vae, model, x):
    named, numbers = {"site": "c", "age": 31, "day": "03.01.2020"}, [2, 31, 2]
    expected = onnx_vae.sample(4, label=numbers)
    for vae in (onnx_vae, model):
        np.testing.assert_allclose(vae.sample(4, label=named), expected, atol=1e-5)
    many = {"site": ["a", "b"] * 6, "age": np.arange(12), "day": "03.01.2020"}
    rows = np.stack([[0, 1] * 6, np.arange(12), [2] * 12], axis=-1)
    for name, values in onnx_vae.score(x, 3, label=many).items():
        np.testing.assert_array_equal(values, onnx_vae.score(x, 3, label=rows)[name])


@pytest.mark.parametrize("site", [3, 2**20, -1, 0.5, np.nan])
def test_onnxruntime_itself_refuses_an_unknown_category(folder, x, y, site):
    label = y.copy()
    label[7, 0] = site
    z = np.zeros((COUNT, 3), np.float32)
    with pytest.raises(InvalidArgument, match="indices element out of data bounds"):
        session(folder / "decoder.onnx").run(None, {"z": z, "label": label})
    integers = {name: np.array(1, np.int64) for name in ("seed", "first", "count")}
    feeds = {**integers, "temperature": np.array(1, np.float32), "label": label[7]}
    with pytest.raises(InvalidArgument, match="indices element out of data bounds"):
        session(folder / "sampler.onnx").run(None, feeds)


@pytest.mark.parametrize("stem", ["decoder", "sampler", "scorer"])
@pytest.mark.parametrize("place", range(3))
def test_the_gate_refuses_a_file_that_ignores_a_covariate(model, folder, tmp_path, stem, place):
    for name in bundle.GRAPHS.keys() - {"imputer.onnx"}:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole = onnx.load(path := tmp_path / f"{stem}.onnx")
    pending = [whole.graph]
    for part in pending:
        for node in part.node:
            node.input[:] = ["blind" if name == "label" else name for name in node.input]
            pending += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    kept = (np.arange(3) != place).astype("float32")
    whole.graph.initializer.append(onnx.numpy_helper.from_array(kept, "kept"))
    whole.graph.node.insert(0, onnx.helper.make_node("Mul", ["label", "kept"], ["blind"]))
    onnx.save(whole, path)
    with pytest.raises(validate.ValidationError, match=rf"{stem}\.onnx.*(differs|is not that)"):
        validate.check(model, tmp_path)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_variant_heeds_every_covariate(folder, onnx_vae, precision, x, y):
    near = OnnxVAE(folder, precision=precision)
    for label in y[:6]:
        gap = np.abs(near.sample(9, label=label) - onnx_vae.sample(9, label=label)).max()
        assert 0 < gap < {"float16": 2e-3, "int8": 0.1}[precision]


def test_the_manifest_and_the_card_name_the_covariates(folder, onnx_vae, model):
    told = json.loads((folder / "manifest.json").read_bytes())
    assert told["covariates"] == onnx_vae.covariates == model.covariates
    assert "num_classes" not in told
    card = (folder / "README.md").read_text()
    assert "| `site` | the place, from 0, in: `a`, `b`, `c` |" in card
    assert "sample(64, label={'site': 'a', 'age': 40.0, 'day': '01.01.2020'})" in card


def test_the_command_line_draws_by_name_and_goes_on(folder, onnx_vae, tmp_path, error_line):
    asked = ["--where", "site=b", "--where", "age=31.5", "--where", "day=02.01.2020"]
    out = tmp_path / "x.npy"
    assert cli.main([str(folder), *asked, "--count", "9", "--out", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out), onnx_vae.sample(9, label=[1, 31.5, 1]))
    for wrong, message in (
        ([], "--where site=a --where age=40.0"),
        (["--label", "1"], "label must be 3 numbers"),
        (asked[:4], "got no 'day'"),
        ([*asked[:3], "age=", *asked[4:]], "'age' must be a number, got ''"),
    ):
        assert cli.main([str(folder), *wrong, "--out", str(tmp_path / "no.npy")]) == 2
        assert message in error_line()
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


@pytest.mark.parametrize("labels", [[SITE], [AGE], COVARIATES], ids=len)
def test_the_labels_of_a_table_whose_decoder_takes_z_alone_are_no_columns(labels):
    size = Column("size", "number", likelihood="normal", x_knots=(-1.0, 1.0), y_knots=(-1.0, 1.0))
    plain = VAE.from_architecture("mlp", (1,), 2, Columns([size]), seed=0, hidden=(4,))
    told = [Column(**{**column.told(), "label": True}) for column in labels]
    vae = VAE(plain.encoder, plain.decoder, likelihood=Columns([*told, size]))
    about = manifest.about(vae, None)
    assert vae.covariates == manifests.covariates(about) == []
    assert [column["name"] for column in about["columns"]] == ["size"]
    manifests._check_columns(about)


def test_the_gaps_of_a_table_are_filled_given_its_labels(y):
    """imputer.onnx by itself; the gate compares it with Keras where a table is exported."""
    size = Column("size", "number", likelihood="normal", x_knots=(-1.0, 1.0), y_knots=(-1.0, 1.0))
    likelihood = Columns([Column(**{**AGE.told(), "label": True}), size])
    vae = VAE.from_architecture("mlp", (1,), 2, likelihood, seed=0, hidden=(4,))
    graph = imputer(convert.parts(vae))
    gaps, ages = np.full((COUNT, 1), np.nan, np.float32), 5.0 * np.arange(COUNT, dtype="float32")
    feeds = {"x": gaps, "label": ages[:, None], "index": np.arange(COUNT)}
    feeds |= {"num_samples": np.array(3), "seed": np.array(0)}
    filled = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, feeds)[0]
    expected = vae.impute(gaps, 3, label=ages)
    np.testing.assert_allclose(filled, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("run", [cards.run_python, cards.run_node, cards.run_cpp])
def test_the_programs_of_the_card_give_the_first_label(folder, onnx_vae, tmp_path, run):
    place = cards.copied(folder, tmp_path / "bundle")
    run(place)
    first = conditions.in_turn(onnx_vae.covariates, [0])[0]
    expected = onnx_vae.sample(16, label=first)
    rows = np.loadtxt(place / "samples.csv", delimiter=",")
    np.testing.assert_allclose(rows, expected, atol=1e-5)
