"""Opens damaged inputs one after the other, in one process, and says what came of each."""

import resource
import signal
import time
import traceback
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

SECONDS = 20
BYTES = 2 << 30


class Outcome(NamedTuple):
    """What came of a campaign."""

    name: str
    refused: int
    """How many inputs were refused with one clear line."""
    accepted: int
    """How many were opened and used; whether that is right, the attempt itself decides."""
    faults: list
    """One text for each fault: the number of the case, what it was, what happened."""

    def __str__(self):
        total = self.refused + self.accepted + len(self.faults)
        counts = f"{self.refused} refused, {self.accepted} accepted, {len(self.faults)} faults"
        return f"{self.name}: {total} cases, {counts}"


def campaign(name, count, attempt, seed=0, first=0):
    """Calls `attempt(rng)` for each case, and gathers what it should not have done.

    Args:
        name: of the kind of input.
        count: how many cases.
        attempt: damages an input, opens and uses it. `rng` depends on `seed` and the number of the
            case alone, so a fault is seen again by `first=number, count=1`. It raises a ValueError
            or an OSError of one line for an input that it refuses. Anything else is a fault:
            another exception, text of many lines, more than 20 s, more than 2 GB on top of what
            the process held before, and what it finds wrong itself (an `AssertionError`).
        seed, first: which cases.
    """
    refused, faults = 0, []
    for number in range(first, first + count):
        rng = np.random.default_rng((seed, number))
        started, before = time.perf_counter(), _peak()
        try:
            with _limited():
                attempt(rng)
            fault = None
        except (ValueError, OSError) as error:
            fault = None if _clear(error) else f"not one clear line: {error!r:.300}"
            refused += fault is None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            fault = "".join(traceback.format_exception(error, limit=-3)).strip()[-900:]
        if time.perf_counter() - started > SECONDS:
            fault = f"took {time.perf_counter() - started:.0f} s; {fault}"
        if _peak() - before > BYTES:
            fault = f"took {(_peak() - before) / 1e9:.1f} GB; {fault}"
        if fault:
            faults.append(f"{name} {number}: {fault}")
    return Outcome(name, refused, count - refused - len(faults), faults)


def _clear(error):
    text = str(error)
    return bool(text.strip()) and "\n" not in text.strip() and len(text) < 1000


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _limited():
    """Ends a case that hangs, by an exception if it can."""

    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(2 * SECONDS)
    try:
        yield
    except TimeoutError:
        raise RuntimeError(f"hung for {2 * SECONDS} s") from None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
