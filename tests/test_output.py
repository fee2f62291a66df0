"""Commands go on, and say so, where their standard output fails."""

import errno
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from export.runtime import output as of_the_runtime
from keras_vae import output

ROOT = Path(__file__).parents[1]
COMMANDS = ("keras_vae", "export", "export.runtime")
MODULES = [output, of_the_runtime]
ANY = pytest.mark.parametrize("module", MODULES, ids=["keras_vae", "export.runtime"])


def test_the_runtime_has_the_same_text():
    assert len({Path(module.__file__).read_text() for module in MODULES}) == 1


class Failing(io.StringIO):
    """A stream that takes a line, and then no more."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        if self.getvalue().count("\n"):
            raise OSError(self.number, os.strerror(self.number))
        return super().write(text)


@ANY
@pytest.mark.parametrize(
    ("number", "status", "found"), [(errno.ENOSPC, 0, 1), (errno.ENOSPC, 2, 2), (errno.EPIPE, 0, 0)]
)
def test_the_work_goes_on_and_what_failed_is_told(
    module, number, status, found, monkeypatch, capsys
):
    stream, done = Failing(number), []

    def work():
        for line in range(3):
            print("line", line)
            done.append(line)
        return status

    monkeypatch.setattr(sys, "stdout", stream)
    assert module.patiently(work) == found
    assert done == [0, 1, 2]
    assert stream.getvalue() == "line 0\n"
    told = capsys.readouterr().err
    assert ("No space left" in told) == (number == errno.ENOSPC)
    assert ("all else is done" in told) == (found == 1)


@ANY
def test_work_may_exit_by_itself(module):
    with pytest.raises(SystemExit) as ending:
        module.patiently(sys.exit, 2)
    assert ending.value.code == 2


def run(module, *arguments, shell="", **options):
    command = f'"$0" -m {module} "$@" {shell}'
    full = ["bash", "-o", "pipefail", "-c", command, sys.executable, *arguments]
    return subprocess.run(full, cwd=ROOT, capture_output=True, text=True, **options)


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize(
    ("shell", "status", "told"),
    [
        (">/dev/full", 1, "cannot print: No space left"),
        ("| true", 0, ""),
        (">&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
    ],
)
def test_every_command_has_it(module, shell, status, told):
    if "full" in shell and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    done = run(module, "--help", shell=shell)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert told in done.stderr
    assert told or not done.stderr


@pytest.mark.parametrize("module", COMMANDS)
def test_a_name_that_no_character_set_knows_is_told_in_ascii(module, tmp_path):
    arguments = {"keras_vae": ["evaluate"], "export.runtime": ["--out", "a.npy"]}
    where = os.fsencode(tmp_path) + b"/\xff\xc3\xbc"
    more = arguments.get(module, ["--out", "b"])
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run(module, *more, where, env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("module", COMMANDS)
def test_a_name_that_is_too_long_is_one_line(module, tmp_path, capsys):
    arguments = {"keras_vae": ["evaluate"], "export.runtime": ["--out", "a.npy"]}
    main = importlib.import_module(f"{module}.cli").main
    assert main([*arguments.get(module, ["--out", "b"]), str(tmp_path / ("n" * 300))]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
