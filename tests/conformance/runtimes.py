"""The runtimes, and how one is run: a process of its own, within limits of time and memory."""

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build" / "conformance"
RUNNERS = Path(__file__).with_name("runners")
TIMEOUT = 600  # seconds
MEMORY = 8 * 2**20  # kB of data
CHROMIUM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), "chromium")

PYTHON = BUILD / "python" / "bin" / "python"
NODE = BUILD / "node"
OPENVINO = BUILD / "openvino"
HOW = {
    PYTHON: "make conformance",
    OPENVINO: "apt install g++",
    "node": "apt install nodejs",
    NODE / ".locked": "apt install npm",
    CHROMIUM: "apt install chromium",
}


@dataclass(frozen=True)
class Runtime:
    """One row of the table.

    Args:
        name: what the table calls it.
        command: the runner, to which the folder of requests is added.
        needs: keys of `HOW`; without one of them the row says how to get it.
        narrow: whether it keeps int64 in 32 bits.
        known: what stands in the messages of errors that are defects of the runtime, to the words
            for them; they do not make the row fail.
    """

    name: str
    command: tuple
    needs: tuple = ()
    narrow: bool = False
    known: dict = field(default_factory=dict)


def python(name, script, **options):
    """A runtime that has a Python package."""
    return Runtime(name, (PYTHON, RUNNERS / script), (PYTHON,), **options)


def node(name, script, *arguments, needs=()):
    """A runtime that has a Node package."""
    command = ("node", RUNNERS / script, NODE, *arguments)
    return Runtime(name, command, ("node", NODE / ".locked", *needs))


REFERENCE = {"(operator 'ConvTranspose')": "no ConvTranspose of an empty batch"}
TRACT = {
    "Unimplemented(Loop)": "no Loop",
    "Can't divide": "no Loop, and before it no division by a symbolic size",
    "shape input is variable": "no Reshape to a size that is computed",
}
RUNTIMES = (
    python("onnxruntime", "with_onnxruntime.py"),
    python("ONNX reference evaluator", "with_reference.py", known=REFERENCE),
    python("OpenVINO", "with_openvino.py", narrow=True),
    Runtime("OpenVINO, C++", (OPENVINO,), (OPENVINO,), narrow=True),
    python("tract", "with_tract.py", known=TRACT),
    node("onnxruntime-node", "node.mjs", "onnxruntime-node"),
    node("onnxruntime-web, Node", "node.mjs", "onnxruntime-web"),
    node("onnxruntime-web, browser", "chromium.mjs", CHROMIUM, needs=(CHROMIUM,)),
)


def run(runtime, folder, timeout=TIMEOUT):
    """What the runner reports of the requests in `folder`, or `{"reason": why it does not}`."""
    for need in runtime.needs:
        if not shutil.which(need) and not Path(need).is_file():
            return {"reason": f"missing: {HOW[need]}"}
    limited = ("sh", "-c", f'ulimit -d {MEMORY}; exec "$@"', "sh", *runtime.command, folder)
    try:
        status, out, err = _finish(limited, timeout)
    except subprocess.TimeoutExpired:
        return {"reason": f"no answer within {timeout} s"}
    if status:
        return {"reason": _reason(err) or f"ended with status {status}"}
    answer = out.strip().rpartition("\n")[2]
    try:
        return json.loads(answer)
    except ValueError:
        return {"reason": f"answered {answer[:80]!r}, which is not JSON"}


def _finish(command, timeout):
    """Runs a command to its end, and ends whatever it started."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = {"ORT_DISABLE_TELEMETRY": "1"} | os.environ
    process = subprocess.Popen(command, **pipes, env=env, text=True, start_new_session=True)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode, out, err


def _reason(err):
    """The line that names the error, or the last one."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or [""])[-1]
