"""The command line with tables: rows in, rows out, gaps filled; bad input is one line."""

import csv
import datetime
import shutil

import numpy as np
import pytest

from keras_vae import tables
from keras_vae.cli import main
from keras_vae.models import load_model
from keras_vae.tables import rows


def people(path, count=300):
    rng = np.random.default_rng(2)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sex", "height", "since", "visits"])
        for i in range(count):
            sex = rng.choice(["f", "m"])
            height = f"{rng.normal(165 + 12 * (sex == 'm'), 7):.1f}" if i % 5 else ""
            day = datetime.date(2020, 1, 1) + datetime.timedelta(int(rng.integers(0, 400)))
            since = day if i % 7 else "NA"
            writer.writerow([sex, height, since, rng.negative_binomial(1, 0.05)])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    data, small = people(folder / "people.csv"), ["--epochs", "2", "--hidden", "8"]
    arguments = ["train", "--data", data, "--label", "sex", *small, "--out", folder / "run"]
    assert main([*map(str, arguments), "--latent-dim", "2", "--quiet"]) == 0
    return folder / "run"


def test_train_leaves_a_model_of_the_columns(run):
    vae = load_model(run / "model.keras")
    assert [column.name for column in vae.likelihood.table] == ["sex", "height", "since", "visits"]
    assert (vae.input_shape, vae.num_classes) == ((3,), 2)
    told = tables.table.given(run / "columns.json")
    assert [c.kind for c in told] == ["category", "number", "date", "count"]
    assert told[0].label


def test_sample_writes_rows_of_the_table(run, tmp_path):
    out = tmp_path / "rows.csv"
    request = ["--count", "40", "--seed", "3", "--where", "sex=m"]
    assert main(["sample", str(run), *request, "--out", str(out)]) == 0
    vae = load_model(run / "model.keras")
    x = vae.sample(40, seed=3, label=1, mean=False)
    head, lines, _ = rows.read(out)
    assert head == ["sex", "height", "since", "visits"]
    assert {line[0] for line in lines} == {"m"}
    told = [column.told() for column in vae.likelihood.table]
    np.testing.assert_allclose(rows.numbers(told, lines, head), x, rtol=1e-5)
    assert tables.read(out, tables.table.given(run / "columns.json")).x.shape == (40, 3)


def test_impute_fills_the_gaps_and_leaves_all_else(run, tmp_path, capsys):
    out = tmp_path / "whole.csv"
    data = run.parent / "people.csv"
    assert main(["impute", str(run), "--data", str(data), "--out", str(out)]) == 0
    cells = [text for row in rows.read(data)[1] for text in row]
    gaps = sum(text in rows.EMPTY for text in cells)
    assert f"{gaps} gaps filled" in capsys.readouterr().out
    (head, before, _), (names, after, _) = rows.read(data), rows.read(out)
    assert names == head
    pairs = [
        pair for old, new in zip(before, after, strict=True) for pair in zip(old, new, strict=True)
    ]
    assert all(new == old for old, new in pairs if old not in rows.EMPTY)
    assert not any(new in rows.EMPTY for _, new in pairs)


def test_a_table_with_decimal_commas_is_filled_as_it_was_read(run, tmp_path):
    data, out = tmp_path / "commas.csv", tmp_path / "whole.csv"
    with open(run.parent / "people.csv") as file:
        data.write_text(file.read().replace(",", ";").replace(".", ","))
    assert main(["impute", str(run), "--data", str(data), "--out", str(out)]) == 0
    before, after = rows.read(data)[1], rows.read(out)[1]
    assert before[1] == after[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --data people.csv --likelihood normal --out new", "likelihood is not for a table"),
        ("train --data people.csv --label sx --out new", "Did you mean 'sex'"),
        ("train --data people.csv --columns broken.json --out new", "broken.json describes no"),
        ("train --data people.csv --columns none.json --out new", "none.json cannot be read"),
        ("train --data digits --label sex --out new", "are for tables, and digits is none"),
        ("train --data none.csv --out new", "none.csv"),
        ("sample RUN --out new.csv", "label"),
        ("sample RUN --where sex=x --out new.csv", "one of f, m, got 'x'"),
        ("plot RUN --where sex=x", "one of f, m, got 'x'"),
        ("evaluate RUN --unseen maybe", "--unseen"),
        ("sample RUN --where height=5 --out new.csv", "must be sex="),
        ("impute RUN --data other.csv --out new.csv", "columns 'height'"),
        ("impute RUN --data people.csv --out new.npy", "must end in .csv"),
        ("sample RUN --label 0 --where sex=f --out new.csv", "give one of them"),
        ("impute RUN --data twice.csv --out new.csv", "got 'sex' twice"),
        ("impute RUN --data none.csv --out new.csv", "none.csv"),
        ("impute RUN --data people.csv --num-samples 0 --out new.csv", "num_samples must be"),
    ],
)
def test_bad_requests_are_a_line_and_leave_nothing(
    run, arguments, message, tmp_path, monkeypatch, capsys
):
    shutil.copy(run.parent / "people.csv", tmp_path)
    (tmp_path / "broken.json").write_text('{"columns": [5]}')
    (tmp_path / "other.csv").write_text("sex,since,visits\nf,2020-01-03,2\n")
    (tmp_path / "twice.csv").write_text("sex,since,sex\nf,2020-01-03,m\n")
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    given = [str(run) if word == "RUN" else word for word in arguments.split()]
    try:
        status = main(given)
    except SystemExit as stop:
        status = stop.code
    err = capsys.readouterr().err
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.iterdir()) == before


def test_rows_of_what_is_no_table_are_refused(make_vae, tmp_path, capsys):
    make_vae().save(tmp_path / "model.keras")
    assert main(["sample", str(tmp_path), "--out", str(tmp_path / "rows.csv")]) == 2
    assert "the model is not of a table" in capsys.readouterr().err
    assert not (tmp_path / "rows.csv").exists()
