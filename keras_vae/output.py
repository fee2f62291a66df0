"""A standard output that does not end the work: a reader that went away, a full disk, ASCII.

`keras_vae/output.py` and `export/runtime/output.py` are one text: the runtime works alone.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from typing import Any


def patiently(work: Callable[..., Any], *arguments: Any) -> Any:
    """Calls `work(*arguments)`, whatever becomes of its standard output, and returns its status.

    What cannot be printed does not stop the work. If the reader went away (`| head`), that is all.
    Another error is told at the end, with status 1 in the place of 0, as of any command of Unix.
    Characters that the output does not know are printed as their numbers.

    Args:
        work: returns an exit status, or raises `SystemExit`, which is raised again.

    Example:

    >>> patiently(print, "112.5")
    112.5
    """
    _open_what_is_closed()
    output, exits = Output(sys.stdout), False
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(Output(sys.stderr)):
        try:
            status = work(*arguments)
        except SystemExit as ending:
            status, exits = ending.code, True
        output.flush()
    if output.error is not None and output.error.errno != errno.EPIPE:
        rest = "" if status else "; all else is done"
        print(f"error: cannot print: {output.error.strerror}{rest}", file=sys.stderr)
        status = status or 1
    if exits:
        sys.exit(status)
    return status


class Output:
    """A stream of text to which writing never fails.

    Attributes:
        error: the first `OSError`, after which nothing is written; None so far.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self.error = stream, None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Writes the text, or leaves it."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Writes what is still held back, or leaves it."""
        self._try("flush")

    def _try(self, name, *arguments):
        if self.error is not None:
            return
        try:
            getattr(self._stream, name)(*arguments)
        except OSError as error:
            self.error = error
            with contextlib.suppress(OSError, ValueError):  # Python itself flushes at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _open_what_is_closed():
    """Opens standard streams that are closed, or the next file that is opened would be one."""
    for name, mode in {"stdin": "r", "stdout": "w", "stderr": "w"}.items():
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
