"""Data that do not fit into memory are refused before they are read."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory.max")


def check_fits(shape, itemsize=1):
    """Raises a `ValueError` if data of that shape take more memory than there is.

    Args:
        shape: of the array, as its file or the header of its first picture says.
        itemsize: bytes of a number as it is stored; as float32 it takes 4, and 4 more to be split.
    """
    needed = math.prod(map(int, shape)) * (itemsize + 8)
    if needed > memory():
        raise ValueError(
            f"data of shape {tuple(map(int, shape))} take {needed / 1e9:,.1f} GB of memory, and "
            f"there are {memory() / 1e9:,.1f} GB"
        )


def memory():
    """Bytes of memory: all of the machine's, or the limit of this container."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on this system
        physical = math.inf
    try:
        return min(physical, int(CGROUP.read_text()))
    except (OSError, ValueError):  # there is none, or it says "max"
        return physical
