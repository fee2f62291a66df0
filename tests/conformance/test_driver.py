"""A runtime that answers otherwise, or not at all, is a row that says so; locks name no address."""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conformance import driver, expected, runtimes, table
from tests.conformance.runtimes import Runtime

HERE = Path(__file__).parent
GRAPH = """
    <ir_version: 8, opset_import: ["": 18]>
    sampler (int64 seed, int64 first, int64 count, float temperature)
      => (float[batch, 2] z, float[batch, 2] x_hat) {
      axis = Constant <value = int64[1] {0}> ()
      size = Constant <value = int64[1] {2}> ()
      rows = Unsqueeze (count, axis)
      shape = Concat <axis = 0> (rows, size)
      z = Expand (temperature, shape)
      x_hat = Neg (z)
    }
"""
ONNXRUNTIME = Runtime("onnxruntime", (sys.executable, HERE / "runners" / "with_onnxruntime.py"))


@pytest.fixture
def ask(tmp_path):
    """Writes requests about GRAPH, whose z is the temperature, and returns them and the folder."""
    bundle, folder = tmp_path / "bundle", tmp_path / "requests"
    bundle.mkdir()
    onnx.save(onnx.parser.parse_model(GRAPH), bundle / expected.SAMPLER)

    def ask(z=lambda z: z, x_hat=lambda z: -z, seeds=(0, 2**40)):
        def draw(seed, count):
            array = np.full((count, 2), np.float32(0.3))
            outputs = {"z": z(array), "x_hat": x_hat(array)}
            return expected.draw(expected.SAMPLER, seed, 0, count, 0.3, **outputs)

        requests = [draw(seed, count) for seed in seeds for count in (0, 3)]
        expected.write(folder, bundle, requests)
        return requests, folder

    return ask


def program(code, **options):
    return Runtime("a program", (sys.executable, "-c", code), **options)


def report(requests, wrong=lambda request: False, **more):
    """What a runner reports that is right but where `wrong`."""
    right, other = ({"identical": same, "difference": 0.0, "share": 0} for same in (True, False))
    results = {
        str(i): {name: other if wrong(request) else right for name in request.outputs}
        for i, request in enumerate(requests)
    }
    return {"version": "1", "load_seconds": {expected.SAMPLER: 0.5}, "results": results, **more}


def test_a_runtime_that_gives_every_bit_is_good(ask, capsys):
    assert driver.compare([ONNXRUNTIME], *ask()) == 0
    line = capsys.readouterr().out.splitlines()[2]
    assert line.split(" | ")[2:5] == ["yes", "0", "-"]


def test_one_other_bit_of_z_is_seen(ask, capsys):
    assert driver.compare([ONNXRUNTIME], *ask(z=lambda z: np.nextafter(z, 1))) == 1
    written = capsys.readouterr().out
    assert "| no |" in written
    assert "z differs in 2 requests, such as sampler.onnx seed=0 first=0 count=3" in written


def test_other_images_are_seen_and_a_nan_is_not_taken_for_equal(ask, capsys):
    for x_hat in (lambda z: z, lambda z: -z * np.nan, lambda z: -z[:, :1]):
        assert driver.compare([ONNXRUNTIME], *ask(x_hat=x_hat)) == 1
        assert "x_hat differs from Keras by" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        (program("import sys; sys.exit('boom')"), "boom"),
        (program("import os; os.abort()"), "ended with status -6"),
        (program("print('hello')"), "answered 'hello', which is not JSON"),
        (program("import time; time.sleep(60)"), "no answer within 1 s"),
        (program("bytes(2**34)"), "MemoryError"),
        (program("", needs=("no-such-program",)), "missing: apt install it"),
    ],
)
def test_a_runner_that_fails_is_a_row_with_its_reason(ask, monkeypatch, runtime, reason):
    monkeypatch.setitem(runtimes.HOW, "no-such-program", "apt install it")
    requests, folder = ask()
    row = table.row(runtime, requests, runtimes.run(runtime, folder, timeout=1))
    assert row == table.Row(("a program", "-", reason, *"------"), good=False)


def test_only_a_runtime_of_narrow_integers_may_differ_and_only_beyond_int32(ask):
    requests, _ = ask(seeds=(-1, 2**31))
    beyond = report(requests, wrong=lambda request: not request.narrow)
    within = report(requests, wrong=lambda request: request.narrow)
    narrow, wide = (Runtime("a runtime", (), narrow=flag) for flag in (True, False))
    row = table.row(narrow, requests, beyond)
    assert (row.cells[2], row.good) == (table.NARROW, True)
    assert not table.row(narrow, requests, within).good
    assert not table.row(wide, requests, beyond).good


@pytest.mark.parametrize(
    ("index", "narrow"), [((7, 2**31 - 1, 0), True), ((0, 2**31, 7), False), ((), True)]
)
def test_a_score_may_differ_only_where_an_index_is_beyond_int32(ask, index, narrow):
    inputs = {"seed": np.array(7), "index": np.array(index, np.int64)}
    score = expected.Request(expected.SCORER, 4, inputs, {"elbo": np.zeros(len(index))})
    requests = [*ask()[0], score]
    answers = report(requests)
    answers["results"][str(len(requests) - 1)]["elbo"] = {"identical": False, "difference": 9.0}
    row = table.row(Runtime("a runtime", (), narrow=True), requests, answers)
    assert (score.narrow, row.good) == (narrow, not narrow)
    assert not table.row(ONNXRUNTIME, requests, answers).good


@pytest.mark.parametrize(("other", "good"), [(0, True), (2, True), (3, False)])
def test_a_draw_may_differ_where_rounding_decides_and_hardly_elsewhere(ask, other, good):
    """In 1 of 10,000 elements, all requests together."""
    requests, _ = ask()
    draws = [
        expected.draw(expected.GENERATOR, 0, 0, 1, x=np.zeros((1, size))) for size in (4, 19_996)
    ]
    answers = report(requests := [*requests, *draws])
    answers["results"][str(len(requests) - 2)]["x"] = {"difference": 1.0, "share": other / 4}
    row = table.row(ONNXRUNTIME, requests, answers | {"version": "1"})
    assert (row.cells[4], row.good) == (f"{other / 20_000:.1e}" if other else "0", good)


def test_a_request_without_an_answer_is_not_good(ask):
    requests, _ = ask()
    assert not table.row(ONNXRUNTIME, requests, report(requests[:-1])).good
    assert not table.row(ONNXRUNTIME, requests, report([])).good
    skipped = {str(i): {"skipped": True} for i in range(len(requests))}
    assert not table.row(ONNXRUNTIME, requests, report([], results=skipped)).good


def test_the_scores_are_compared_in_nats_and_a_known_defect_is_named(ask):
    requests, _ = ask()
    score = expected.Request(expected.SCORER, 4, {}, {"log_likelihood": np.zeros(2)})
    requests = [*requests, score]
    tract = Runtime("tract", (), known={"Unimplemented(Loop)": "no Loop"})

    def row(result):
        answers = report(requests)
        answers["results"][str(len(requests) - 1)] = result
        return table.row(tract, requests, answers)

    def gap(difference):
        return row({"log_likelihood": {"identical": False, "difference": difference}})

    assert (gap(1e-5).cells[5], gap(1e-5).good) == ("1.0e-05", True)
    assert not gap(0.1).good
    assert not gap(None).good
    known = row({"error": "Failed analyse: Unimplemented(Loop)"})
    assert (known.cells[5], known.good) == ("no Loop", True)
    assert not row({"error": "out of memory"}).good


def test_locks_name_no_address_and_hold_what_is_asked():
    npm = json.loads((HERE / "package-lock.json").read_text())
    asked = json.loads((HERE / "package.json").read_text())["dependencies"]
    packages = {name: entry for name, entry in npm["packages"].items() if name}
    assert {f"node_modules/{name}" for name in asked} <= set(packages)
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())
    pip = (HERE / "requirements.lock").read_text()
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())
    names = {name.split(">=")[0] for name in project["dependency-groups"]["conformance"]}
    assert names <= {line.split("==")[0] for line in pip.splitlines()}
    assert "--hash=sha256:" in pip
    assert not any(word in pip for word in ("://", "--index", "--find-links"))
