"""Signals that end a training, as an exception, so that what is done can be saved."""

import signal
import threading
from contextlib import contextmanager

ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Ctrl-C, what ends a container or a job, and a terminal that is closed."""


class Interrupted(KeyboardInterrupt):
    """A signal that asks the process to end.

    Args:
        number: of the signal. The exit status of a process that one ends is 128 more.
        message: what is left, and how to go on.
    """

    def __init__(self, number, message="interrupted"):
        super().__init__(message)
        self.number = number


@contextmanager
def raised():
    """A context in which a signal of `ENDING` raises `Interrupted`, in the main thread.

    One that the process was told to ignore, as `nohup` tells it, stays ignored. Libraries make
    other errors of an exception that rises in their midst: it is `Interrupted` again at the end.

    Yields:
        A list of the signals that came, for who must know if a library swallowed one.
    """
    came = []

    def interrupt(number, frame):
        came.append(number)
        raise Interrupted(number)

    with _handled(interrupt, lambda kept: kept is not signal.SIG_IGN):
        try:
            yield came
        except Exception as error:
            if came:
                raise Interrupted(came[0]) from error
            raise


@contextmanager
def put_off():
    """A context in which no such signal interrupts: for what must be ended once it is begun."""
    with _handled(signal.SIG_IGN, lambda kept: True):
        yield


@contextmanager
def _handled(handler, replaces):
    if threading.current_thread() is not threading.main_thread():  # Python allows it no other
        yield
        return
    kept = {number: signal.getsignal(number) for number in ENDING}
    for number, before in kept.items():
        if replaces(before):
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in kept.items():
            signal.signal(number, before)
