"""How much memory there is. A request for more is refused; otherwise the system would kill it."""

import math
import os
from functools import cache
from pathlib import Path, PurePosixPath

SHARE = 0.9  # of the memory; the rest is for the program itself
CGROUP, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def check_fits(count: int, size: int) -> None:
    """Refuses `count` samples that take `size` bytes, if there is less memory than that.

    Raises:
        ValueError: the message names two ways to draw as many.

    Example:

    >>> check_fits(count=64, size=64 * 784 * 4)
    """
    if size > SHARE * total():
        raise ValueError(refusal(count, size))


def refusal(count: int, size: int) -> str:
    """The message for a request that does not fit, with the ways to draw as many samples."""
    return (
        f"{count} samples take {size / 1e9:.1f} GB at once, more than fits into memory "
        f"({total() / 1e9:.1f} GB): draw them chunk by chunk, by sample_stream or by "
        f"python -m {__package__} with --out samples.npy"
    )


@cache
def total() -> float:
    """Bytes of memory that this process may use: all of the machine's, or its cgroup's limit."""
    return min(_physical(), *_cgroup_limits())


def _physical():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on this system
        return math.inf


def _cgroup_limits():
    """The limits of this process's groups and of the groups around them, then infinity."""
    lines = MEMBERSHIP.read_text().splitlines() if MEMBERSHIP.is_file() else []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if "memory" in controllers.split(","):
            root, name = CGROUP / "memory", "memory.limit_in_bytes"
        else:
            root, name = CGROUP, "memory.max"
        place = PurePosixPath(group.lstrip("/"))
        yield from (_number(root / folder / name) for folder in (place, *place.parents))
    yield math.inf


def _number(path):
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return math.inf
