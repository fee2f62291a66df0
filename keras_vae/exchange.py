"""Two paths that change places in one step, where the system can."""

import ctypes
import os
import sys

HERE = -100  # AT_FDCWD: relative paths are those of the process
EXCHANGE = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


def exchange(one, other):
    """Two paths change places in one step; False, and nothing is done, if that cannot be.

    Such a step is unknown on Windows and to some file systems; and both paths must be there.
    """
    if sys.platform not in ("linux", "darwin"):
        return False
    linux, one, other = sys.platform == "linux", os.fsencode(one), os.fsencode(other)
    rename = getattr(ctypes.CDLL(None), "renameat2" if linux else "renamex_np", None)
    places = (HERE, one, HERE, other) if linux else (one, other)
    return rename is not None and rename(*places, EXCHANGE) == 0
