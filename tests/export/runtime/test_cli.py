"""python -m export.runtime: pictures and arrays, from the command line to the file."""

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.runtime import OnnxVAE, cli, memory, resumable, sessions
from export.runtime import vae as module

ROOT = Path(__file__).parents[3]
SMALL_CHUNKS = """
import sys
from export.runtime import cli, resumable, vae
vae.CHUNK, resumable.INTERVAL = 16, float(sys.argv[1])
sys.exit(cli.main(sys.argv[2:]))
"""


def test_picture(exported, tmp_path, capsys):
    out = tmp_path / "samples.png"
    assert cli.main([str(exported), "--count", "64", "--seed", "0", "--out", str(out)]) == 0
    assert Image.open(out).size == (530, 530)
    assert capsys.readouterr().out.startswith("64 samples of seed 0 in ")
    assert out.read_bytes() == (exported / "samples.png").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]


@pytest.mark.parametrize("shape", [(4, 5, 2), (1, 1, 3)])
def test_picture_of_any_channels(make_vae, tmp_path, shape):
    make_vae("mlp", shape, "normal", hidden=(4,)).export(tmp_path / "bundle")
    out = tmp_path / "samples.png"
    assert cli.main([str(tmp_path / "bundle"), "--count", "6", "--out", str(out)]) == 0
    assert min(Image.open(out).size) >= 50


@pytest.mark.parametrize("count", [0, 5, 2600])
def test_array(exported, onnx_vae, tmp_path, capsys, count):
    out = tmp_path / "samples.npy"
    arguments = ["--count", str(count), "--seed", "-3", "--temperature", "0.5", "--first", "2"]
    assert cli.main([str(exported), *arguments, "--out", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out), onnx_vae.sample(count, -3, 0.5, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["samples.npy"]
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{count} samples of seed -3 in ")
    assert printed.err == ""


def test_array_of_a_killed_run_goes_on_and_is_that_of_an_undisturbed_one(exported, tmp_path):
    out, record, count = tmp_path / "x.npy", tmp_path / ".x.npy.partial/record", 20_000

    def command(out, interval):
        draw = [str(exported), "--count", str(count), "--out", str(out)]
        return [sys.executable, "-c", SMALL_CHUNKS, interval, *draw]

    killed = subprocess.Popen(command(out, "0"), cwd=ROOT)
    while not (record.exists() and record.read_text()):  # its first line comes after the file
        assert killed.poll() is None
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    done = int(record.read_text().splitlines()[-1].split()[0])
    assert 0 < done < count
    assert not out.exists()

    again = subprocess.run(command(out, "1"), cwd=ROOT, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")
    first, last = again.stdout.splitlines()
    assert first == f"going on after {done} of {count} samples: {out}"
    assert last.startswith(f"{count} samples of seed 0 in ")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]

    whole = tmp_path / "whole.npy"
    subprocess.run(command(whole, "1"), cwd=ROOT, capture_output=True, check=True)
    assert out.read_bytes() == whole.read_bytes()


@pytest.fixture
def interrupted(monkeypatch):
    """From the third chunk on, Ctrl-C."""
    stream = OnnxVAE.sample_stream

    def broken(self, *draw):
        for index, part in enumerate(stream(self, *draw)):
            if index == 2:
                raise KeyboardInterrupt
            yield part

    monkeypatch.setattr(OnnxVAE, "sample_stream", broken)


def test_interrupted_array_goes_on_by_the_same_command(
    exported, onnx_vae, tmp_path, error_line, capsys, interrupted, monkeypatch
):
    out = tmp_path / "x.npy"
    command = [str(exported), "--count", "4000", "--out", str(out)]
    assert cli.main(command) == 130
    assert error_line() == "interrupted; the same command goes on where it stopped"
    monkeypatch.undo()
    assert cli.main(command) == 0
    assert capsys.readouterr().out.startswith(f"going on after {2 * onnx_vae.chunk} of 4000 ")
    np.testing.assert_array_equal(np.load(out), onnx_vae.sample(4000))
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_another_request_does_not_go_on(
    exported, onnx_vae, tmp_path, capsys, interrupted, monkeypatch
):
    out = tmp_path / "x.npy"
    command = [str(exported), "--count", "4000", "--out", str(out)]
    assert cli.main(command) == 130
    monkeypatch.undo()
    assert cli.main([*command, "--seed", "1"]) == 0
    assert "going on" not in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(out), onnx_vae.sample(4000, seed=1))


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_interruption_before_the_first_samples_leaves_nothing(
    exported, tmp_path, error_line, monkeypatch, name
):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.sampler, "draw", interrupt)
    assert cli.main([str(exported), "--out", str(tmp_path / name)]) == 130
    assert error_line() == "interrupted; nothing is written"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [MemoryError(), sessions.ERRORS[0]("cannot allocate")])
def test_trouble_while_sampling_is_one_line(exported, tmp_path, error_line, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(module.sampler, "draw", fail)
    assert cli.main([str(exported), "--out", str(tmp_path / "a.npy")]) == 2
    assert error_line() in ("out of memory; nothing is written", "cannot allocate")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "-1"], "count must be a whole number >= 0, got -1"),
        (["--count", "-1", "--out", "OUT/a.npy"], "count must be a whole number >= 0, got -1"),
        (["--count", "many"], "argument --count: invalid int value: 'many'"),
        (["--count", "0"], "count >= 1"),
        (["--seed", str(2**63)], "seed must be a whole number from"),
        (["--temperature", "nan"], "temperature must be a finite number"),
        (["--temperature", "1e39", "--out", "OUT/a.npy"], "is more than float32 can hold"),
        (["--first", "-1"], "first must be a whole number >= 0"),
        (["--frist", "1"], "unrecognized arguments: --frist 1"),
        (["--count", str(10**15), "--out", "OUT/a.npy"], "first + count must be at most 2**44"),
        (["--count", str(10**13), "--out", "OUT/a.npy"], "2,560,000,000 MB are needed, and "),
        (["--count", str(10**13)], "draw them chunk by chunk, by sample_stream or by "),
        (
            ["--out", "OUT/samples.gif"],
            "--out must end in .png or .npy, or .csv for rows of a table, got",
        ),
        (["--out", "OUT/no/samples.png"], "there is no folder"),
    ],
)
def test_refusal_is_one_line(exported, tmp_path, error_line, arguments, message):
    arguments = [argument.replace("OUT", str(tmp_path)) for argument in arguments]
    try:
        status = cli.main([str(exported), "--out", str(tmp_path / "samples.png"), *arguments])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in error_line()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 252 + ".png", "a" * 252 + ".npy", "folder.npy"])
def test_a_place_for_no_file_is_refused_before_the_work(
    exported, tmp_path, error_line, monkeypatch, name
):
    (tmp_path / "folder.npy").mkdir()
    monkeypatch.setattr(cli, "OnnxVAE", lambda *_, **__: pytest.fail("it began"))
    assert cli.main([str(exported), "--out", str(tmp_path / name)]) == 2
    assert re.search("File name too long|Exists and is not a regular file", error_line())
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npy"]


def test_rows_that_were_damaged_are_drawn_again(
    exported, onnx_vae, tmp_path, capsys, interrupted, monkeypatch
):
    out = tmp_path / "x.npy"
    command = [str(exported), "--count", "4000", "--out", str(out)]
    monkeypatch.setattr(resumable, "INTERVAL", 0)
    assert cli.main(command) == 130
    monkeypatch.undo()
    with (tmp_path / ".x.npy.partial/array.npy").open("r+b") as array:
        array.seek(128 + 4 * 64 * (onnx_vae.chunk + 1))
        array.write(b"damage")
    assert cli.main(command) == 0
    damaged, going_on, _ = capsys.readouterr().out.splitlines()
    chunk = onnx_vae.chunk
    assert damaged == f"what was written after {chunk} samples is damaged: drawn again"
    assert going_on.startswith(f"going on after {chunk} of 4000 samples")
    np.testing.assert_array_equal(np.load(out), onnx_vae.sample(4000))


def test_damaged_bundle_is_one_line_too(exported, tmp_path, error_line):
    bundle = tmp_path / "bundle"
    shutil.copytree(exported, bundle)
    (bundle / "sampler.onnx").write_bytes((exported / "sampler.onnx").read_bytes()[:1000])
    assert cli.main([str(bundle), "--out", str(tmp_path / "samples.png")]) == 2
    assert "was cut short or changed; copy or export it again" in error_line()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_picture_that_would_not_fit_is_refused_and_the_array_is_not(
    exported, tmp_path, error_line, monkeypatch
):
    monkeypatch.setattr(memory, "total", lambda: 100_000)
    draw = [str(exported), "--count", "1000", "--out"]
    assert cli.main([*draw, str(tmp_path / "a.png")]) == 2
    assert error_line().endswith("python -m export.runtime with --out samples.npy")
    assert cli.main([*draw, str(tmp_path / "a.npy")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_second_run_at_once_is_refused(exported, tmp_path, error_line):
    out = tmp_path / "a.npy"
    with resumable.resumable(out, (1,), {}) as rows:
        assert cli.main([str(exported), "--out", str(out)]) == 2
        assert error_line().startswith(f"another run is writing {out}: wait for it")
        rows.append(np.ones(1))
    assert np.load(out).tolist() == [1]


@pytest.mark.parametrize("name", ["samples.png", "samples.npy"])
def test_full_disk_leaves_what_was_there(exported, tmp_path, error_line, full_disk, name):
    out = tmp_path / name
    out.write_text("before")
    with full_disk():
        assert cli.main([str(exported), "--out", str(out)]) == 2
    assert error_line().startswith(f"cannot write {out}: ")
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_picture_without_pillow_is_refused(exported, tmp_path, error_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert cli.main([str(exported), "--out", str(tmp_path / "samples.png")]) == 2
    assert error_line() == "a picture needs Pillow: install it, or use --out samples.npy"


@pytest.mark.parametrize(("terminal", "tqdm"), [(True, True), (True, False), (False, True)])
def test_bar_shows_on_a_terminal_if_tqdm_is_there(
    exported, tmp_path, capsys, monkeypatch, terminal, tqdm
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    assert cli.main([str(exported), "--count", "2000", "--out", str(tmp_path / "a.npy")]) == 0
    assert ("100%" in capsys.readouterr().err) == (terminal and tqdm)
