"""The command line with several covariates: trained on columns, drawn by --where, in one line."""

import csv
import json
import shutil

import numpy as np
import pytest

from export import bundle
from export import cli as exporting
from keras_vae.cli import main
from keras_vae.models import load_model
from keras_vae.tables import rows

COLUMNS = [
    {"name": "sex", "kind": "category", "categories": ["female", "male"]},
    {"name": "age", "kind": "number"},
    {"name": "height", "kind": "number", "decimals": 1, "likelihood": "normal"},  # a small graph
    {"name": "town", "kind": "category", "categories": ["a", "b, c"]},
    {"name": "work", "kind": "category", "categories": ["x", "y"]},
]
ASKED = ["--where", "sex=male", "--where", "age=31", "--where", "town=b, c"]


def people(path, count=300):
    rng = np.random.default_rng(2)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sex", "age", "height", "town", "work"])
        for i in range(count):
            sex, age = rng.choice(["female", "male"]), int(rng.integers(18, 80))
            height = f"{rng.normal(165 + 12 * (sex == 'male'), 7):.1f}" if i % 5 else ""
            writer.writerow([sex, age, height, rng.choice(["a", "b, c"]), rng.choice(["x", "y"])])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("covariates")
    data, columns = people(folder / "people.csv"), folder / "columns.json"
    columns.write_text(json.dumps({"columns": COLUMNS}))
    small = ["--epochs", "2", "--hidden", "8", "--columns", columns]
    arguments = ["train", "--data", data, "--label", "sex,town,age", *small]
    assert main([*map(str, arguments), "--out", str(folder / "run"), "--latent-dim", "2"]) == 0
    return folder / "run"


def test_train_gives_the_decoder_the_columns(run):
    vae = load_model(run / "model.keras")
    assert [c["name"] for c in vae.covariates] == ["sex", "age", "town"]  # as in the table
    assert vae.input_shape == (2,)
    ages = [int(line[1]) for line in rows.read(run.parent / "people.csv")[1]]
    assert abs(vae.covariates[1]["mean"] - np.mean(ages)) < 3  # of the training part
    told = json.loads((run / "columns.json").read_text())["columns"]
    assert told[1] == {**COLUMNS[1], "label": True}
    assert json.loads((run / "run.json").read_text())["settings"]["label"] == "sex,town,age"


def test_rows_are_drawn_by_name(run, tmp_path):
    out, request = tmp_path / "rows.csv", [*ASKED, "--count", "50", "--seed", "3"]
    assert main(["sample", str(run), *request, "--out", str(out)]) == 0
    head, lines, _ = rows.read(out)
    assert head == ["sex", "age", "height", "town", "work"]
    assert {(line[0], line[1], line[3]) for line in lines} == {("male", "31", "b, c")}
    x = load_model(run / "model.keras").sample(50, seed=3, label=[1, 31, 1], mean=False)
    np.testing.assert_allclose([float(line[2]) for line in lines], x[:, 0], atol=0.06)
    assert main(["plot", str(run), *ASKED]) == 0


def test_a_category_that_training_did_not_hold_is_an_error_or_a_gap(run, tmp_path, capsys):
    data, out = tmp_path / "odd.csv", tmp_path / "whole.csv"
    data.write_text((run.parent / "people.csv").read_text().replace(",x\n", ",z\n"))
    impute = ["impute", str(run), "--data", str(data), "--out", str(out)]
    assert main(impute) == 2
    assert "holds 'z' in row" in (line := capsys.readouterr().err)
    assert "give --unseen missing" in line
    assert not out.exists()
    assert main([*impute, "--unseen", "missing"]) == 0
    after = rows.read(out)[1]
    assert {line[4] for line in after} == {"y", "z"}  # what was observed is left
    assert not any("" in line for line in after)


def test_commands_that_score_a_table_take_unseen(run, tmp_path, capsys):
    data = tmp_path / "odd.csv"
    data.write_text((run.parent / "people.csv").read_text().replace(",x\n", ",z\n"))
    for command in ("evaluate", "calibrate"):
        arguments = [command, str(run), "--data", str(data)]
        assert main(arguments) == 2
        assert "give unseen='missing' (--unseen missing)" in capsys.readouterr().err
        assert main([*arguments, "--unseen", "missing"]) == 0


def test_a_flag_is_advised_only_where_it_can_be_asked_for_and_helps(run, tmp_path, capsys):
    text = (run.parent / "people.csv").read_text()
    label, entry = tmp_path / "label.csv", tmp_path / "entry.csv"
    label.write_text(text.replace(",a,", ",c,"))
    entry.write_text(text.replace(",x\n", ",z\n"))
    train = ["train", "--columns", str(run.parent / "columns.json"), "--data"]
    for arguments, told in (
        (["evaluate", str(run), "--data", label], "'town' holds 'c'"),
        (["impute", str(run), "--out", tmp_path / "out.csv", "--data", label], "'town' holds 'c'"),
        ([*train, entry, "--out", tmp_path / "new"], "'work' holds 'z'"),
    ):
        assert main([*map(str, arguments)]) == 2
        assert told in (line := capsys.readouterr().err)
        assert "unseen" not in line


def test_export_takes_unseen_for_the_data_that_judge(run, tmp_path, monkeypatch, capsys):
    data, judged = tmp_path / "odd.csv", []
    data.write_text((run.parent / "people.csv").read_text().replace(",x\n", ",z\n"))
    monkeypatch.setattr(bundle, "write", lambda *_, x, **others: judged.append(x))
    monkeypatch.setattr(exporting, "_summary", lambda *_: [])
    arguments = [str(run), "--out", str(tmp_path / "bundle"), "--unseen", "missing"]
    assert exporting.main(arguments) == 2
    assert "--data and --unseen are for" in capsys.readouterr().err
    arguments += ["--data", str(data), "--precision", "float16"]
    assert exporting.main([*arguments, "--unseen", "error"]) == 2
    assert "(--unseen missing)" in capsys.readouterr().err
    assert exporting.main(arguments) == 0
    (x,) = judged
    assert 0 < np.isnan(x[:, 1]).sum() < len(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --data people.csv --label sex,sx --out new", "got 'sx'. Did you mean 'sex'"),
        ("train --data whole.csv --label sex,age --out new", "at least one that is no label"),
        ("train --data gaps.csv --label sex,age --out new", "'age' must not be missing, as in row"),
        ("sample RUN --out new.csv", "--where sex=female --where age="),
        ("sample RUN --label 1 --out new.csv", "label must be 3 numbers"),
        ("sample RUN --where sex=male --out new.csv", "got no 'age'"),
        ("sample RUN --where sex=x --where age=3 --where town=a --out n.csv", "got 'x'"),
        ("sample RUN --where sex=male --where age=inf --where town=a --out n.csv", "finite"),
        ("sample RUN --where size=3 --out new.csv", "must be sex= or age= or town="),
        ("plot RUN --where sex=male", "got no 'age'"),
        ("evaluate RUN --data digits --unseen missing", "for tables"),
        ("impute RUN --data gaps.csv --out new.csv", "row 1 has no 'age', its label"),
    ],
)
def test_bad_requests_are_a_line_and_leave_nothing(
    run, arguments, message, tmp_path, monkeypatch, capsys
):
    shutil.copy(run.parent / "people.csv", tmp_path)
    text = (tmp_path / "people.csv").read_text().splitlines()
    cells = text[2].split(",")
    (tmp_path / "gaps.csv").write_text("\n".join([*text[:2], f"{cells[0]},,9,a,x", *text[3:]]))
    whole = [",".join(line.split(",")[:2]) for line in text]
    (tmp_path / "whole.csv").write_text("\n".join(whole))
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    assert main([str(run) if word == "RUN" else word for word in arguments.split()]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.iterdir()) == before
