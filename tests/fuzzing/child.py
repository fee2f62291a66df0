"""A process that opens and uses bundles, so that a crash of onnxruntime is one fault of many.

Run as a module it is that process: it reads a folder from each line, and answers with one.
"""

import json
import os
import resource
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECRET = b"a secret"  # what canary.bin is full of


class Child:
    """`use(folder)` opens a bundle in a process whose working directory is `place`."""

    def __init__(self, place):
        self.place, self.process = place, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end()

    def use(self, folder):
        """Raises what the use of the bundle raised there, by its name and its message."""
        if self.process is None:
            self._start()
        try:
            self.process.stdin.write(f"{folder}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:  # it died before it read the line
            answer = ""
        except BaseException:
            self._end()
            raise
        if not answer:
            status = self._end()
            raise RuntimeError(f"the process died: {status}")
        kind, message = json.loads(answer)
        if kind:
            raise {"ValueError": ValueError, "OSError": OSError}.get(kind, RuntimeError)(message)

    def _start(self):
        command = [sys.executable, "-m", "tests.fuzzing.child"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=self.place, env=environment, **pipes)

    def _end(self):
        process, self.process = self.process, None
        if process:
            process.kill()
            process.communicate()
        return process and process.returncode


def use(folder):
    """Opens a bundle and asks it for a little of all that it can; raises the worst refusal."""
    import numpy as np

    from export.runtime import OnnxVAE

    vae = OnnxVAE(folder)
    label = {} if vae.num_classes is None else {"label": 0}
    x = np.zeros((2, *vae.input_shape), np.float32)
    z = np.zeros((2, vae.latent_dim), np.float32)
    verbs = [
        lambda: vae.sample(3, seed=1, **label),
        lambda: vae.sample(3, seed=1, mean=False, **label),
        lambda: vae.encode(x),
        lambda: vae.decode(z, **label),
        lambda: vae.score(x, num_samples=2, **label),
        lambda: vae.element_log_prob(x, num_samples=2, **label),
    ]
    verbs += [
        partial(OnnxVAE(folder, precision=precision).decode, z, **label)
        for precision in vae.manifest.get("precisions", ())
    ]
    refusals = []
    for verb in verbs:
        try:
            values = verb()
        except (ValueError, OSError) as error:
            values = str(error).encode()
            refusals.append(error)
        assert SECRET not in _bytes(values), "a file of the machine was read"
    if refusals:
        raise max(refusals, key=lambda error: (str(error).count("\n"), len(str(error))))


def _bytes(values):
    """All that was computed, as bytes."""
    if isinstance(values, dict | tuple):
        values = values.values() if isinstance(values, dict) else values
        return b"".join(map(_bytes, values))
    return values.tobytes() if hasattr(values, "tobytes") else bytes(values or b"")


def main():
    """Answers until there is no more to read."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            use(Path(line.rstrip("\n")))
            answer = None, ""
        except (ValueError, OSError) as error:
            answer = "OSError" if isinstance(error, OSError) else "ValueError", str(error)
        except Exception as error:
            answer = "fault", "".join(traceback.format_exception(error, limit=-4))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if after - before > 2 << 20:
            answer = "fault", f"took {(after - before) / 2**20:.1f} GB; {answer}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    main()
