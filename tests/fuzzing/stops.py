"""python -m tests.fuzzing.stops FOLDER: stops small trainings at random moments, and goes on.

One training is left alone. Each of the others is sent a signal (SIGKILL, SIGTERM, SIGHUP or SIGINT)
at a random moment, and goes on by `train --resume`. Then its files must be those of the first to
the bit, no epoch that was told of may be lost, and nothing hidden may be left. Every training is a
process of its own, forked once Keras is loaded.
"""

import argparse
import os
import random
import re
import signal
import sys
import time
from pathlib import Path

from keras_vae import cli
from keras_vae.commands import training  # noqa: F401  so that it is loaded before the forks

SIGNALS = ("TERM", "HUP", "INT")
TIMES = re.compile(rb'"time": \{.*?\}', re.S)
SMALL = ("--data", "digits", "--latent-dim", "4", "--epochs", "8")


def start(arguments, log):
    """Forks a process that runs the command; its output goes to the file `log`."""
    process = os.fork()
    if process:
        return process
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    try:
        status = cli.main(["train", *arguments])
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        status = 99
    sys.stdout.flush()
    os._exit(status)


def status_of(process):
    """The exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def contents(run):
    """The bytes of a run's files by name; of run.json without its times; names of checkpoints."""
    files = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    files["run.json"] = TIMES.sub(b"", files["run.json"])
    return files | {"checkpoints": sorted(path.name for path in (run / "checkpoints").iterdir())}


def saved(run):
    """After how many epochs the newest checkpoint is; -1 without one."""
    found = (run / "checkpoints").glob("epoch-*.npz")
    return max((int(path.stem.removeprefix("epoch-")) for path in found), default=-1)


def wait_for(epoch, run, process):
    """Waits until so many epochs are saved; returns a status if the process ended before."""
    while saved(run) < epoch:
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return status_of(process)
        time.sleep(0.002)
    return None


def stop(folder, name, settings, number, rng):
    """Sends a training the signal at a random moment, goes on with it; returns what went wrong."""
    run, log = folder / name, folder / f"{name}.log"
    process = start([*settings, "--out", str(run)], log)
    epoch, moment = rng.randrange(-1, 8), rng.random() * 0.15
    status = wait_for(epoch, run, process)
    if status is None:
        time.sleep(moment)
        os.kill(process, number)
        status = status_of(process)
    told = len(re.findall(rb"^epoch ", log.read_bytes(), re.M))
    want = -number if number == signal.SIGKILL else 128 + number
    before = status == -number and saved(run) < 0  # no training had begun to listen
    if status not in (want, 0) and not before:
        return f"status {status} in place of {want}: {log.read_text()}"
    resumable = saved(run) >= 0
    if status == 128 + number and resumable and "to go on: python -m keras_vae" not in last(log):
        return f"it does not say how to go on: {log.read_text()}"
    if max(saved(run), 0) < told:
        return f"{told} epochs were told of, and {saved(run)} are saved"
    again = ["--resume", str(run)] if resumable else [*settings, "--out", str(run)]
    if status_of(start(again, log)) != 0:
        return f"it cannot go on: {log.read_text()}"
    hidden = [path.name for path in run.rglob(".*")]
    if hidden:
        return f"hidden files are left: {hidden}"
    first, then = contents(folder / "whole"), contents(run)
    differing = [key for key in first | then if first.get(key) != then.get(key)]
    return f"these files differ: {differing}" if differing else None


def last(log):
    """The last line."""
    return log.read_text().splitlines()[-1]


def main():
    """Stops trainings; the exit status says whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=30, help="of each signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signals", nargs="+", default=["KILL", *SIGNALS])
    parser.add_argument("--settings", nargs=argparse.REMAINDER, default=[])
    given = parser.parse_args()
    rng, failures = random.Random(given.seed), 0
    for name in SIGNALS:  # none is ignored, as a shell has it for what runs in its background
        signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_DFL)
    settings = [*SMALL, *given.settings]
    given.folder.mkdir(parents=True, exist_ok=True)
    whole = start([*settings, "--out", str(given.folder / "whole")], given.folder / "whole.log")
    if status_of(whole) != 0:
        sys.exit((given.folder / "whole.log").read_text())
    for kind in given.signals:
        for i in range(given.count):
            number = signal.Signals[f"SIG{kind}"]
            wrong = stop(given.folder, f"{kind}-{i}", settings, number, rng)
            failures += wrong is not None
            if wrong:
                print(f"{kind} {i}: {wrong}", flush=True)
        print(f"{kind}: {given.count} trainings stopped", flush=True)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
