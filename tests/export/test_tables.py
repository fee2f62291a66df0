"""A table from its bundle: the same rows, gaps and scores as from Keras, text for text."""

import csv
import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

import keras_vae
from export import convert, validate
from export.bundle import GRAPHS
from export.runtime import OnnxVAE, cli
from export.runtime import manifest as manifests
from keras_vae import noise, tables
from keras_vae.tables import Column, Columns, fitted, rows
from tests.export import cards

COLUMNS = [
    Column("income", "number", decimals=1, minimum=0.0),
    Column("sex", "category", categories=("f", "m"), label=True),
    Column("size", "number", decimals=1, likelihood="normal"),
    Column("since", "date", format="%d.%m.%Y", origin="2020-01-01"),
    Column("visits", "count"),
    Column("town", "category", categories=("A, B", 'say "x"', "c")),
]
PLAIN = [column.told() for column in COLUMNS]


def population(count):
    """Rows with gaps and their labels."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, count)
    columns = [
        np.round(rng.lognormal(3 + y, 1), 1),
        np.round(rng.normal(165 + 12 * y, 7), 1),
        rng.integers(-500, 900, count),
        rng.negative_binomial(1, 0.05, count),
        rng.integers(0, 3, count),
    ]
    x = np.stack(columns, axis=-1).astype("float32")
    x[rng.random(x.shape) < 0.2] = np.nan
    x[0] = np.nan
    return x, y


@pytest.fixture(scope="module")
def model():
    """A conditional model after a few steps."""
    x, y = population(600)
    model = keras_vae.VAE.from_architecture(
        "mlp", (5,), 2, Columns(fitted(COLUMNS, x)), seed=0, hidden=(16,), num_classes=2
    )
    model.compile(optimizer="adam")
    model.fit(x, y, epochs=3, verbose=0)
    return model


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """A bundle that no test may change."""
    path = tmp_path_factory.mktemp("tables") / "bundle"
    model.export(path)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A file of 40 rows with gaps."""
    path = tmp_path_factory.mktemp("data") / "people.csv"
    x, y = population(40)
    texts = [rows.texts(PLAIN, x[[i]], y[i]) for i in range(40)]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["note", *texts[0]])  # a column that the model does not know
        writer.writerows(["?", *(values[0] for values in row.values())] for row in texts)
    return path


def test_rows_of_a_bundle_are_those_of_keras(model, folder, tmp_path):
    out, request = tmp_path / "rows.csv", ["--count", "300", "--seed", "7", "--first", "5"]
    assert cli.main([str(folder), *request, "--where", "sex=m", "--out", str(out)]) == 0
    x = model.sample(300, seed=7, first=5, label=1, mean=False)
    expected = tables.text(model.likelihood, x, label=1)
    head, lines, _ = rows.read(out)
    assert head == list(expected)
    unlike = [
        (line, row)
        for line, row in zip(lines, zip(*expected.values(), strict=True), strict=True)
        if line != list(row)
    ]
    assert len(unlike) <= 1, unlike  # where rounding decides


def test_gaps_are_filled_as_by_keras_and_all_else_is_left(model, folder, table, tmp_path):
    out = tmp_path / "whole.csv"
    request = ["--impute", str(table), "--num-samples", "20", "--seed", "3"]
    assert cli.main([str(folder), *request, "--out", str(out)]) == 0
    x, y = population(40)
    expected = rows.texts(PLAIN, model.impute(x, 20, seed=3, label=y))
    (head, before, _), (names, after, _) = rows.read(table), rows.read(out)
    assert names == head
    for place, name in enumerate(head):
        for row, (old, new) in enumerate(zip(before, after, strict=True)):
            gap = name not in ("note", "sex") and old[place] == ""
            assert new[place] == (expected[name][row] if gap else old[place])


def test_scores_and_latents_of_rows_with_gaps_are_those_of_keras(model, folder):
    x, y = population(30)
    onnx_vae = OnnxVAE(folder)
    for name, values in model.score(x, 10, seed=2, label=y).items():
        found = onnx_vae.score(x, 10, seed=2, label=y)[name]
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-4)
    for found, values in zip(onnx_vae.encode(x), model.encode(x), strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5)
    terms = onnx_vae.element_log_prob(x, 10, seed=2, label=y)
    assert (terms[np.isnan(x)] == 0).all()
    filled = onnx_vae.impute(x, 10, seed=2, label=y)
    np.testing.assert_array_equal(filled[~np.isnan(x)], x[~np.isnan(x)])
    np.testing.assert_allclose(filled, model.impute(x, 10, seed=2, label=y), rtol=1e-5, atol=1e-3)
    with pytest.raises(ValueError, match="infinite"):
        onnx_vae.impute(np.full((1, 5), np.inf), label=0)
    assert onnx_vae.impute(x[:0], label=0).shape == (0, 5)


def test_a_bundle_of_no_table_knows_no_gaps(exported, tmp_path):
    other, x = OnnxVAE(exported), np.full((1, 8, 8, 1), np.nan)
    for refuse in (other.score, other.encode, other.impute):
        with pytest.raises(ValueError, match="NaN"):
            refuse(x)
    with pytest.raises(ValueError, match=r"no imputer\.onnx: its model knows no gaps"):
        other.impute(np.zeros((1, 8, 8, 1)))


def test_the_manifest_tells_of_the_columns_and_of_gaps(folder):
    told = manifests.read(folder)
    assert told["columns"] == PLAIN
    assert told["x"]["missing"] == "NaN"
    assert "imputer.onnx" in told["files"]
    assert "x_filled" in told["validation"]["outputs"]
    text = json.dumps(told)
    assert "knots" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda head, row: (head[:1] + head[2:], row[:1] + row[2:]), "the columns 'income'"),
        (lambda head, row: (head, [*row[:6], "d"]), "'town' holds 'd' in row 0"),
        (lambda head, row: (head, [*row[:2], "x", *row[3:]]), "'sex' holds 'x' in row 0"),
        (lambda head, row: (head, [*row[:2], "", *row[3:]]), "has no 'sex'"),
        (lambda head, row: (head[:2] + head[3:], row[:2] + row[3:]), "the columns 'sex'"),
        (lambda head, row: (head, row[:-1]), "row 0 has 6 values"),
        (lambda head, row: (head, [row[0], "much", *row[2:]]), "'income' holds 'much' in row 0"),
        (lambda head, row: (head, [row[0], "inf", *row[2:]]), "infinite|'income' holds 'inf'"),
        (lambda head, row: (head, [row[0], "-1", *row[2:]]), "'income'"),
        (lambda head, row: (head, [*row[:4], "2020-01-05", *row[5:]]), "'since' holds"),
    ],
)
def test_a_file_that_cannot_be_filled_is_refused_in_a_line(
    folder, table, tmp_path, error_line, change, message
):
    head = rows.read(table)[0]
    row = ["", "2.50", "f", "160.5", "03.02.2020", "", "c"]
    path, out = tmp_path / "given.csv", tmp_path / "whole.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(change(head, row))
    assert cli.main([str(folder), "--impute", str(path), "--out", str(out)]) == 2
    line = error_line()
    assert any(part in line for part in message.split("|")), line
    assert not out.exists()


def test_a_category_that_training_did_not_hold_is_filled_as_a_gap_if_asked(
    folder, table, tmp_path, error_line
):
    path, out = tmp_path / "odd.csv", tmp_path / "whole.csv"
    path.write_text(table.read_text(encoding="utf-8").replace('"A, B"', "Z"), encoding="utf-8")
    arguments = [str(folder), "--impute", str(path), "--out", str(out), "--num-samples", "2"]
    assert cli.main(arguments) == 2
    assert "'town' holds 'Z' in row" in (line := error_line())
    assert line.endswith("give --unseen missing")
    assert cli.main([*arguments, "--unseen", "missing"]) == 0
    towns = {line[-1] for line in rows.read(out)[1]}
    assert "Z" in towns  # what was observed is left
    assert "" not in towns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "sex=x"], "one of f, m, got 'x'"),
        (["--where", "town=c"], "must be sex="),
        ([], "label"),
        (["--impute", "nowhere.csv"], "nowhere.csv"),
        (["--impute", "TABLE", "--num-samples", "0"], "num_samples must be"),
    ],
)
def test_bad_requests_leave_nothing(folder, table, tmp_path, error_line, arguments, message):
    out = tmp_path / "rows.csv"
    given = [str(table) if argument == "TABLE" else argument for argument in arguments]
    assert cli.main([str(folder), *given, "--out", str(out)]) == 2
    assert message in error_line()
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_bundle_of_no_table_are_refused(exported, tmp_path, error_line):
    for more in ([], ["--where", "sex=m"], ["--impute", "x.csv"]):
        assert cli.main([str(exported), *more, "--out", str(tmp_path / "rows.csv")]) == 2
        assert "is no model of a table: it has no columns" in error_line()


@pytest.mark.parametrize(
    ("more", "message"),
    [("one_more", "changes what is not missing"), ("more/of/gap", "differs from that of Keras")],
)
def test_the_gate_sees_an_imputer_that_fills_otherwise(model, folder, tmp_path, more, message):
    """One that adds 1 to every size, and one that does so where it was missing."""
    for name in GRAPHS:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    imputer = onnx.load(tmp_path / "imputer.onnx")
    for node in imputer.graph.node:
        node.output[:] = ["whole" if name == "x_filled" else name for name in node.output]
    one = helper.make_tensor("one_more", onnx.TensorProto.FLOAT, [5], [0.0, 1.0, 0, 0, 0])
    zero = helper.make_tensor("nothing", onnx.TensorProto.FLOAT, [], [0.0])
    imputer.graph.initializer.extend([one, zero])
    imputer.graph.node.extend(
        [
            helper.make_node("IsNaN", ["x"], ["gap/of/x"]),
            helper.make_node("Where", ["gap/of/x", "one_more", "nothing"], ["more/of/gap"]),
            helper.make_node("Add", ["whole", more], ["x_filled"]),
        ]
    )
    onnx.save(imputer, tmp_path / "imputer.onnx")
    with pytest.raises(validate.ValidationError, match=r"imputer\.onnx") as error:
        validate.check(model, tmp_path)
    assert message in str(error.value)


def test_a_table_of_numbers_alone_has_the_densities_of_keras():
    columns = [
        {"name": name, "kind": "number", "x_knots": [-4.5, 4.5], "y_knots": [-2.0, 2.0]}
        for name in "abc"
    ]
    likelihood = tables.Columns(columns)
    vae = keras_vae.VAE.from_architecture("mlp", (3,), 2, likelihood, seed=0, hidden=(8,))
    x, epsilon = np.float32([[1, np.nan, -2], [0, 3, 4]]), noise.draws(0, [0, 1], 0, 5, 2)
    qz_x = vae.posterior(x)
    given = {"x": x, "z_mean": qz_x[0], "z_log_var": qz_x[1], "epsilon": epsilon}
    model = convert.densities(vae, convert.params(vae))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(["log_px_z"], {name: np.asarray(v) for name, v in given.items()})[0]
    expected = vae.densities(x, qz_x, vae.draw(qz_x, epsilon).z)[0].log_px_z
    np.testing.assert_allclose(found, expected, rtol=1e-5)


SPOILT = {
    "no categories": lambda columns: columns[1].pop("categories"),
    "no origin": lambda columns: columns[3].pop("origin"),
    "no column": lambda columns: columns.pop(),
}


@pytest.mark.parametrize("how", SPOILT)
def test_columns_that_say_too_little_are_refused(folder, tmp_path, how):
    spoilt = shutil.copytree(folder, tmp_path / "spoilt")
    told = json.loads((spoilt / "manifest.json").read_text())
    SPOILT[how](told["columns"])
    (spoilt / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"was cut short or changed: .*(has no|are not x)"):
        OnnxVAE(spoilt)


def test_a_place_beyond_the_categories_is_refused():
    with pytest.raises(ValueError, match="no categories of 'sex'"):
        rows.texts([{"name": "sex", "kind": "category", "categories": ["f"]}], [[1.0]])


@pytest.mark.parametrize("run", [cards.run_python, cards.run_node])
def test_the_programs_of_the_card_write_the_rows_that_are_drawn(folder, tmp_path, run):
    place = cards.copied(folder, tmp_path / "bundle")
    run(place)
    rows = np.loadtxt(place / "samples.csv", delimiter=",")
    np.testing.assert_allclose(rows, OnnxVAE(folder).sample(16, mean=False, label=0), rtol=1e-6)
