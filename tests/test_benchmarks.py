"""The harness of the benchmarks: fresh processes in turn, medians, ratios, failures shown."""

import doctest
import os
import sys

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import anomaly, engines, harness, samples, synthesis, tables
from benchmarks.harness import Contender, run, run_once, table
from benchmarks.ladder import __main__ as ladder
from benchmarks.speed import exporting, growth, sampling
from keras_vae import cli
from keras_vae.evaluation import reference

ROUNDS = [{"rate": 10.0}, {"rate": 30.0}, {"rate": 20.0}]
TWICE = [{"rate": 20.0}, {"rate": 60.0}, {"rate": 80.0}]


@pytest.fixture
def contender(tmp_path):
    """Makes a contender of a few lines of Python."""

    def make(name, code, **more):
        (tmp_path / f"{name}.py").write_text(code)
        return Contender(name, name, env={"PYTHONPATH": str(tmp_path)}, **more)

    return make


def rows(text):
    """Cells of a table's lines, below its head."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


PARTS = [exporting, growth, sampling]
MODULES = [anomaly, command, engines, harness, ladder, samples, synthesis, tables, *PARTS]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_the_docstrings_run(module):
    assert doctest.testmod(module).failed == 0


def test_a_contender_is_measured_in_a_process_of_its_own(contender):
    code = "import json, os; print('noise'); print(json.dumps({'process': os.getpid()}))"
    one = contender("one", code)
    first, second = run([one], rounds=2)["one"]
    assert first["process"] != second["process"]
    assert first["seconds"] > 0
    assert first["peak_megabytes"] > 1


def test_every_contender_runs_once_a_round_in_changing_order(contender):
    lines = []
    contenders = [contender(name, "print('{}')") for name in ("one", "two", "three")]
    results = run(contenders, rounds=6, progress=lines.append, seed=1)
    assert {name: len(done) for name, done in results.items()} == {"one": 6, "two": 6, "three": 6}
    turns = [line.split(":")[0].split(" ")[1] for line in lines]
    orders = [tuple(turns[i : i + 3]) for i in range(0, 18, 3)]
    assert all(sorted(order) == ["one", "three", "two"] for order in orders)
    assert len(set(orders)) > 1


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('no data')", "ValueError: no data"),
        ("print('epoch 1')", "printed no JSON object as its last line, but 'epoch 1'"),
        ("print([1])", "printed no JSON object as its last line, but '[1]'"),
        ("import sys; sys.exit(3)", "exit status 3"),
    ],
)
def test_one_that_fails_is_shown_and_the_others_go_on(contender, code, why):
    good = contender("good", "print('{\"rate\": 2}')")
    results = run([contender("bad", code), good], rounds=2)
    assert [result["failed"] for result in results["bad"]] == [why]
    assert len(results["good"]) == 2
    assert rows(table(results, "rate", "good"))[1][:2] == ["bad", f"failed: {why}"]


def test_one_that_takes_too_long_is_stopped(contender):
    endless = contender("endless", "while True: pass")
    assert run_once(endless, timeout=0.5)["failed"].startswith("killed, after 0.5 s")


def test_one_whose_interpreter_is_missing_is_shown():
    missing = Contender("missing", "json", python="no/such/python")
    assert run_once(missing)["failed"] == "no/such/python: No such file or directory"


def test_a_table_has_medians_spread_and_the_median_of_the_ratios_within_a_round():
    results = {"one": ROUNDS, "two": TWICE}
    first, second = rows(table(results, "rate", "one", also={"more": "missing"}))
    assert first == ["two", "60.0", "20.0", "80.0", "2.00", "–"]  # not 60 / 20
    assert second == ["one", "20.0", "10.0", "30.0", "1.00", "–"]
    assert rows(table(results, "rate", "one", higher_is_better=False))[0][0] == "one"


def test_without_its_baseline_a_table_has_no_ratios():
    results = {"one": ROUNDS, "two": [{"failed": "a | b"}]}
    done, failed = rows(table(results, "rate", "two"))
    assert done[4] == "–"
    assert failed[1] == "failed: a / b"


def test_the_threads_of_every_library_are_limited():
    environment = Contender("one", "json", threads=1).environment
    assert environment["OMP_NUM_THREADS"] == environment["TF_NUM_INTRAOP_THREADS"] == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="cores are chosen on Linux alone")
def test_a_process_has_the_cores_of_its_threads_and_this_one_keeps_its_own(contender):
    before = os.sched_getaffinity(0)
    code = "import json, os; print(json.dumps({'cores': len(os.sched_getaffinity(0))}))"
    assert run_once(contender("one", code, threads=1))["cores"] == 1
    assert os.sched_getaffinity(0) == before


def test_the_readme_keeps_what_stands_around_the_tables():
    assert command.BEGIN in command.README.read_text()
    part = {"title": "Speed", "minutes": 1.0, "header": "- a machine", "markdown": "a table"}
    once = command.with_tables(f"A\n{command.BEGIN}\n{command.END}\nZ\n", {"growth": part})
    assert once.startswith("A\n")
    assert once.endswith("\nZ\n")
    assert "a table\n\nMeasured in 1.0 minutes:\n\n- a machine" in once
    assert command.with_tables(once, {"growth": part}) == once


def test_the_page_of_samples_has_the_tables_between_its_marks(tmp_path, monkeypatch):
    """A run with its posterior, as it was trained on a file of few vectors."""
    rng, run, page = np.random.default_rng(0), tmp_path / "run", tmp_path / "page.md"
    np.save(tmp_path / "x.npy", rng.normal(size=(500, 3)).astype("float32"))
    given = f"train --data {tmp_path}/x.npy --epochs 1 --latent-dim 2 --quiet --out {run}".split()
    assert cli.main(given) == 0
    monkeypatch.setattr(reference, "told_apart", lambda *sets: 0.5)  # no network
    assert samples.main([str(run), "--out", str(page)]) == 2
    begin, end = (mark.format(f"{tmp_path}/x.npy") for mark in (samples.BEGIN, samples.END))
    page.write_text(f"A\n{begin}\nstale\n{end}\nanother table\n")
    assert samples.main([str(tmp_path), "--out", str(page)]) == 2
    assert samples.main([str(run), "--out", str(page), "--seeds", "2"]) == 0
    text = page.read_text()
    assert text.startswith(f"A\n{begin}\n{tmp_path}/x.npy: samples means of p(x|z)")
    assert text.endswith(f"{end}\nanother table\n")
    assert "stale" not in text
    assert "`python -m benchmarks.samples " in text
    table = text.split("\n\n")[1].replace("\\|", "/")
    assert [row[0] for row in rows(table)] == [str(run), f"{run}, z from q(z/x)", "floor"]


def test_the_page_of_anomalies_has_the_tables_between_its_marks(tmp_path, monkeypatch, capsys):
    """Of two splits, without the model, whose training takes seconds."""
    page = tmp_path / "page.md"
    page.write_text(f"A\n{anomaly.BEGIN}\nstale\n{anomaly.END}\nZ\n")
    monkeypatch.delitem(anomaly.METHODS, "keras-vae")
    arguments = ["--out", str(page), "--splits"]
    assert anomaly.main([*arguments, "1"]) == 2
    assert anomaly.main([*arguments, "2"]) == 0
    text = page.read_text()
    assert text.startswith(f"A\n{anomaly.BEGIN}\nROC-AUC")
    assert text.endswith(f"{anomaly.END}\nZ\n")
    assert "stale" not in text
    cells = [row for row in rows(text.split("\n\n")[1]) if row[0].startswith("digits")]
    assert [float(cell.strip("*")[:5]) > 0.6 for cell in cells[0][1:]] == [True] * 4
    page.write_text("no marks")
    assert anomaly.main([*arguments, "2"]) == 2
    assert "must hold the lines" in capsys.readouterr().err


def test_the_page_of_anomalies_has_its_tables():
    page = (command.HERE.parent / "docs" / "anomalies.md").read_text()
    (part,) = page.split(anomaly.BEGIN)[1:]
    assert part.split(anomaly.END)[0].count("| digits, each in turn |") == 3
