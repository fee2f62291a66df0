"""Contenders in fresh processes, taking turns, with their wall time and peak memory.

This process loads the standard library alone: a child's peak memory is never less than what its
parent had when it started it.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.machine import header
from benchmarks.tables import table

__all__ = ["Contender", "Options", "header", "run", "table"]

THREADS = 2
STARTED = "CONTENDER_STARTED"  # the variable that tells a process when it was
TIMEOUT = 600  # seconds
MEBI = 2**20 if sys.platform == "darwin" else 2**10  # of what ru_maxrss counts, in one MiB
POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass(frozen=True)
class Contender:
    """`python -m module *arguments`, which prints one JSON object as its last line.

    Args:
        name: its row in the table.
        module: such as `benchmarks.contenders.torch_loop`; the repository is the working folder.
        arguments: of its command line, anything that `str` makes text of.
        env: added to the environment.
        python: the interpreter: that of another virtual environment, if need be.
        threads: cores that the process may use, and the size of every library's thread pool.

    Example:

    >>> one = Contender("calendar", "calendar", (2026, 11))
    >>> one.command[1:]
    ['-m', 'calendar', '2026', '11']
    """

    name: str
    module: str
    arguments: tuple = ()
    env: dict = field(default_factory=dict)
    python: str = sys.executable
    threads: int = THREADS

    @property
    def command(self):
        """What is run, as a list."""
        return [str(self.python), "-m", self.module, *map(str, self.arguments)]

    @property
    def environment(self):
        """All variables of the process."""
        limits = dict.fromkeys(POOLS, str(self.threads))
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "ORT_DISABLE_TELEMETRY": "1"}
        return os.environ | quiet | {STARTED: str(time.time())} | limits | self.env


@dataclass(frozen=True)
class Options:
    """What the command line says to every part; a part is a module of `benchmarks.speed`.

    A part has `TITLE`, a line of text, and `measure(options)`, which returns its results (what
    JSON can hold) and its Markdown.
    """

    rounds: int = 2
    """How often each contender is run."""
    quick: bool = False
    """Whether it is only to be seen that everything runs: the smallest sizes."""
    data_dir: str | None = None
    """The folder of MNIST; None: simulated images."""
    pythae: str = "build/bench/pythae/bin/python"
    """The interpreter that has pythae."""
    openvino: str = "build/conformance/python/bin/python"
    """The interpreter that has OpenVINO: that of `make conformance`."""

    def run(self, contenders, timeout=TIMEOUT):
        """As `run`, with these rounds, telling of each process on the standard error."""
        return run(contenders, self.rounds, lambda line: print(line, file=sys.stderr), timeout)


def run(contenders, rounds, progress=lambda line: None, timeout=TIMEOUT, seed=0):
    """Runs every contender once a round, in an order drawn anew, one process at a time.

    One that fails is not run again: its last result holds `"failed"`, the last line of its errors.

    Args:
        contenders: of `Contender`, with different names.
        rounds: how often each is run.
        progress: called with a line of text after each process.
        timeout: seconds after which a process is stopped, and counts as failed.
        seed: of the order.

    Returns:
        `{name: [result of each round]}`, each what the contender printed, and `"seconds"` of wall
        time and `"peak_megabytes"` of resident memory (MiB) beside it.
    """
    order, results = random.Random(seed), {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in order.sample(contenders, len(contenders)):
            if any("failed" in result for result in results[contender.name]):
                continue
            result = run_once(contender, timeout)
            results[contender.name].append(result)
            ending = result.get("failed", "done")
            progress(f"{number + 1}/{rounds} {contender.name}: {result['seconds']:.1f} s, {ending}")
    return results


def run_once(contender, timeout=TIMEOUT):
    """What one fresh process printed, its wall time and its peak memory."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            with cores(contender.threads):
                process = subprocess.Popen(
                    contender.command, stdout=out, stderr=err, env=contender.environment
                )
        except OSError as error:
            return {"failed": f"{contender.python}: {error.strerror}", "seconds": 0.0}
        status, usage = wait(process, timeout)
        measured = {
            "seconds": time.perf_counter() - started,
            "peak_megabytes": usage.ru_maxrss / MEBI,
        }
        texts = [(stream.seek(0), stream.read())[1] for stream in (out, err)]
        return printed(status, *texts, timeout) | measured


def printed(status, out, err, timeout=TIMEOUT):
    """The JSON of the last line, or why there is none.

    Example:

    >>> printed(0, 'epoch 1\\n{"loss": 2.5}\\n', "")
    {'loss': 2.5}
    >>> printed(1, "", "Traceback ...\\nValueError: no data\\n")
    {'failed': 'ValueError: no data'}
    """
    last = (out.strip().splitlines() or [""])[-1]
    if status == -9:
        return {"failed": f"killed, after {timeout} s or for want of memory"}
    if status:
        return {"failed": (err.strip().splitlines() or [f"exit status {status}"])[-1]}
    try:
        return dict(json.loads(last))
    except (TypeError, ValueError):
        return {"failed": f"printed no JSON object as its last line, but {last[:60]!r}"}


def wait(process, timeout):
    """Waits for a process, at most `timeout` seconds; its exit status and resource usage."""
    timer = threading.Timer(timeout, process.kill)
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


@contextmanager
def cores(count):
    """Lets the processes started in the block use the first `count` cores alone, on Linux."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(mine)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)
