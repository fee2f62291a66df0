"""A few threads compute a function of many chunks; the results come in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain, islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yields function(item) for each item, in the order of `items`, in bounded memory.

    At most 2 * workers results wait or are being computed at a time. onnxruntime lets other
    Python threads run while it computes, so each worker keeps one core busy. An exception of
    `function` is raised here unchanged. When the iterator ends, is closed or is deleted, the
    threads finish the items that they have begun, and begin no others. They stay for the next call.

    Args:
        function: of one argument; safe to call from several threads at once.
        items: an iterable; no more of it is read than is needed.
        workers: how many threads there are; with 1 the caller's own thread computes.

    Example:

    >>> list(in_order(abs, [-1, 2, -3], workers=2))
    [1, 2, 3]
    """
    items = iter(items)
    first = list(islice(items, 2))
    items = chain(first, items)
    if workers == 1 or len(first) < 2:  # one item is done before a thread has started
        yield from map(function, items)
    else:
        yield from _threaded(function, items, workers)


def _threaded(function, items, workers):
    pending, threads = deque(), _threads(workers)

    def submit(number):
        pending.extend((threads.submit(function, item), item) for item in islice(items, number))

    try:
        submit(2 * workers)
        while pending:
            future, item = pending.popleft()  # if no thread has begun it, it is done here
            yield function(item) if future.cancel() else future.result()
            submit(1)
    finally:
        for future, _ in pending:
            future.cancel()


@cache
def _threads(workers):
    """A pool of so many threads. They start when they are needed, and do not delay the exit."""
    from concurrent.futures import ThreadPoolExecutor  # not needed for the first sample

    return ThreadPoolExecutor(workers, thread_name_prefix="OnnxVAE")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a fork copies no threads


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
