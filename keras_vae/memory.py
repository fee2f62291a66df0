"""Data that do not fit into memory are refused before they are read."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory.max")


class TooLargeError(ValueError):
    """Of data that take more memory than there is; the message names them."""


def check_fits(where, shape, itemsize=1, beside=0):
    """Raises a `TooLargeError` if data of that shape take more memory than there is.

    Args:
        where: the file or the folder, for the message.
        shape: of the array, as its file or the first picture says.
        itemsize: bytes of a number as it is stored; as float32 it takes 4, and 4 more when some
            examples are held out of a training.
        beside: bytes that others of the same file take.

    Returns:
        The bytes that they take, those of the others included.
    """
    needed = beside + math.prod(map(int, shape)) * (itemsize + 8)
    if needed > memory():
        raise TooLargeError(
            f"{where} holds an array of shape {tuple(map(int, shape))}, with which its data take "
            f"{needed / 1e9:,.1f} GB of memory, and there are {memory() / 1e9:,.1f} GB: use fewer "
            "examples, or smaller ones"
        )
    return needed


def holds(shape, itemsize):
    """Whether an array takes no more than half of the memory: the rest is for what is computed."""
    return math.prod(map(int, shape)) * itemsize <= memory() / 2


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
