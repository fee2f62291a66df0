"""python -m tests.fuzzing.steps FOLDER: kills a process at each of its steps that changes a disk.

Everything that is written stands here as a few small files. Each is written by a child that is
killed before its first step, before its second, ... until it ends by itself. Each time the old or
the new is there, whole, and the same work done again leaves the new and nothing hidden.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import keras_vae.files
from export.runtime import files, resumable
from keras_vae import folders
from keras_vae.commands.runs import DERIVED, Run

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LONG = 1000
FOLDER = ("manifest.json", "sampler.onnx")


class Kind(NamedTuple):
    """One kind of thing that is written."""

    write: Any
    """`write(place, text)`."""
    read: Any
    """`read(place)`: the text that was written, None if nothing was, or an error if it is mixed."""


def write_file(module):
    def write(place, text):
        with module.atomic_write(place) as new:
            new.write_text(text * LONG)

    return write


def read_file(place):
    return text_of([place]) if not place.exists() or place.stat().st_size == LONG else "cut short"


def text_of(files):
    """The one letter that the files are made of; None if there is none of them."""
    if not any(file.exists() for file in files):
        return None
    (letter,) = {letter for file in files for letter in file.read_text()}
    return letter


def write_folder(place, text):
    with folders.atomic_folder(place) as new:
        for name in FOLDER:
            (new / name).write_text(text)


def read_folder(place):
    return text_of([place / name for name in FOLDER]) if place.exists() else None


def write_in_two_steps(place, text):
    folders.exchange = lambda one, other: False
    write_folder(place, text)


def read_after_a_failure(place):
    """The next run puts the old folder back, even if it comes to nothing itself."""
    try:
        write_folder(place, None)
    except TypeError:
        return read_folder(place)


def write_run(place, text):
    place.mkdir(exist_ok=True)
    with folders.atomic_files(place, DERIVED) as new:
        for name in ("model.keras", "metrics.json"):
            (new / name).write_text(text)
    if text == "o":
        (place / "evaluation.json").write_text(text)


def read_run(place):
    run = Run(place)
    found = text_of([run.model, run.metrics])
    assert found == "o" or not run.report.exists()
    return found


def write_array(place, text):
    resumable.INTERVAL = 0
    with resumable.resumable(place, (4, 2), {"text": text}) as rows:
        for _ in range(rows.done, 4):
            rows.append(np.full((1, 2), ord(text)))


def read_array(place):
    if not place.exists():
        return None
    (letter,) = set(np.load(place).flat)
    return chr(int(letter))


KINDS = {
    "file": Kind(write_file(keras_vae.files), read_file),
    "file of the runtime": Kind(write_file(files), read_file),
    "folder": Kind(write_folder, read_folder),
    "folder in two steps": Kind(write_in_two_steps, read_after_a_failure),
    "run": Kind(write_run, read_run),
    "array": Kind(write_array, read_array),
}


def changes_the_disk(event, arguments):
    """Whether an audit event is of a call that opens for writing, renames, removes or makes."""
    if event == "open":
        return bool((arguments[2] or 0) & WRITES)
    return event in (
        "os.rename",
        "os.remove",
        "os.rmdir",
        "os.mkdir",
        "os.truncate",
        "ctypes.dlsym",
    )


def killed(step, work, *arguments):
    """Whether a child that does the work was killed before so many steps were done."""
    child = os.fork()
    if not child:
        left = [step]

        def hook(event, arguments):
            if changes_the_disk(event, arguments):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work(*arguments)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def steps(kind, folder, old):
    """Kills at each step and returns how many there were; `old` is "o", or None for nothing."""
    step, ended = 0, False
    while not ended:
        step += 1
        place = folder / f"{step}" / "it.npy"
        place.parent.mkdir(parents=True)
        if old:
            kind.write(place, old)
        ended = not killed(step, kind.write, place, "n")
        there = kind.read(place)
        assert there == "n" if ended else there in (old, "n"), (step, there)
        kind.write(place, "n")
        assert kind.read(place) == "n", step
        left = list(place.parent.rglob(".*"))
        assert not left, (step, left)
    return step - 1


def main():
    os.fsync = lambda descriptor: None  # the system lives on, so this is time alone
    for number, (name, kind) in enumerate(KINDS.items()):
        for old in ("o", None):
            found = steps(kind, Path(sys.argv[1], f"{number}{old}"), old)
            print(f"{name}, over {'another' if old else 'nothing'}: killed at {found} steps")


if __name__ == "__main__":
    main()
