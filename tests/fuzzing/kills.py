"""python -m tests.fuzzing.kills [TARGET ...]: kills the real commands at their system calls.

Needs Linux and strace, and 10 to 30 minutes. A first run of each command is traced. Then, for every
system call of it that renames, removes or makes something beside its output, and for some of those
that write there, the command is run again over what an earlier one wrote, and is killed at that
call. Each time the old or the new must be there, whole; now and then the command is run once more,
which must leave the new and nothing hidden.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from keras_vae.commands.runs import DERIVED, Run

NAMES = ["rename", "renameat", "renameat2", "link", "linkat", "symlink", "unlink", "unlinkat"]
NAMES += ["mkdir", "mkdirat", "rmdir"]
WRITES = ["openat", "write", "pwrite64", "ftruncate", "fallocate", "fsync"]
CALL = re.compile(r"(\d+) +(\w+)\((.*)")
OLD = ("--seed", "1", "--epochs", "2", "--latent-dim", "4")


class Target(NamedTuple):
    """A command that writes."""

    command: Any
    """`command(folder, place)`: what writes the new."""
    begin: Any
    """`begin(folder, place)`: writes the old."""
    name: str


def python(*arguments):
    return [sys.executable, "-m", *map(str, arguments)]


def train(place, *options):
    return python("keras_vae", "train", "--epochs", 1, "--overwrite", *options, "--out", place)


def sample(bundle, place):
    return python("export.runtime", bundle, "--count", 3000, "--out", place)


def old_run(folder, place):
    shutil.copytree(folder / "old", place)
    for name in DERIVED:
        (place / name).write_text("old")


TARGETS = {
    "export": Target(
        lambda folder, place: python("export", folder / "new", "--out", place),
        lambda folder, place: shutil.copytree(folder / "old-onnx", place),
        "onnx",
    ),
    "train": Target(lambda folder, place: train(place), old_run, "run"),
    "array": Target(
        lambda folder, place: sample(folder / "new-onnx", place),
        lambda folder, place: shutil.copy(folder / "old.npy", place),
        "x.npy",
    ),
}


def run(command):
    subprocess.run(command, check=True, capture_output=True)


def prepare(folder):
    """An old and a new run, their bundles, and an old array."""
    for name, options in {"old": OLD, "new": ()}.items():
        run(train(folder / name, *options))
        run(python("export", folder / name, "--out", folder / f"{name}-onnx"))
    run(sample(folder / "old-onnx", folder / "old.npy"))


def contents(place):
    """The visible files, once a run is opened as every command opens it."""
    if place.is_dir():
        Run(place)
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return {p.name: p.read_bytes() for p in files if ".writing" not in str(p.relative_to(place))}


def traced(command, trace, *options):
    """The exit status of a command under strace."""
    strace = ["strace", "-f", "-y", "-o", str(trace), "-e", f"trace={','.join(NAMES + WRITES)}"]
    return subprocess.run([*strace, *options, *command], capture_output=True).returncode


def points(trace, beside, some):
    """The calls of the main thread in the folder: (name, which of that name), ...

    All that change names, and `some` of those that write.
    """
    calls = [
        CALL.match(line).groups() for line in trace.read_text().splitlines() if CALL.match(line)
    ]
    count, names, writes = {}, [], []
    for thread, name, arguments in calls:
        if thread != calls[0][0]:
            continue
        count[name] = count.get(name, 0) + 1
        if str(beside) in arguments and (name != "openat" or re.search("WRONLY|RDWR", arguments)):
            (names if name in NAMES else writes).append((name, count[name]))
    return names + writes[:: max(1, len(writes) // some)]


def kill(target, folder, some, again):
    """Kills the command at each point; the number of kills, of the old, and of the new found."""
    place, trace = folder / "killed" / target.name, folder / "trace"
    command = target.command(folder, place)
    afresh(target, folder, place)
    old = contents(place)
    assert traced(command, trace) == 0
    new, found = contents(place), {"old": 0, "new": 0, "not killed": 0}
    assert not [name for name in new if new[name] == old.get(name)]
    for number, (name, when) in enumerate(points(trace, place.parent, some)):
        afresh(target, folder, place)
        status = traced(command, trace, "-e", f"inject={name}:signal=KILL:when={when}")
        there = contents(place)
        same = {file for file in old if there.get(file) == old[file]}
        assert there == old or (not same and there.keys() == new.keys()), (name, when, same)
        found["old" if there == old else "new"] += 1
        found["not killed"] += status == 0
        if number % again == 0:
            run(command)
            assert contents(place).keys() == new.keys(), (name, when)
            assert not list(place.parent.rglob(".*")), (name, when)
    return found


def afresh(target, folder, place):
    shutil.rmtree(place.parent, ignore_errors=True)
    place.parent.mkdir()
    target.begin(folder, place)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing.kills")
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    parser.add_argument("--writes", type=int, default=20, help="about how many of the writes")
    parser.add_argument("--again", type=int, default=5, help="a whole run after so many kills")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name in options.targets or TARGETS:
            found = kill(TARGETS[name], Path(folder), options.writes, options.again)
            print(f"{name}: {found}", flush=True)


if __name__ == "__main__":
    main()
