"""A screen without what libraries write while they load."""

import contextlib
import os
import sys


@contextlib.contextmanager
def quiet_stderr():
    """Keeps what TensorFlow's C++ writes while it loads off the screen; it heeds no log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
