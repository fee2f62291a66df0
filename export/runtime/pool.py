"""A function of many chunks, computed by a few threads, its results in order."""

import os
from collections import deque
from functools import cache
from itertools import chain, islice


def in_order(function, items, workers):
    """Yield function(item) for each item, in the order of `items`, in bounded memory.

    At most 2 * workers results wait or are being computed at a time. onnxruntime lets other
    Python threads run while it computes, so that many workers keep that many cores busy. An
    exception of `function` is raised here as it is. When the iterator ends, is closed or is let
    go, the threads finish the items they are at, and begin no other. They stay for the next call.

    Args:
        function: of one argument; safe to call from several threads at once.
        items: an iterable, taken from no further than needed.
        workers: how many threads; with 1 the caller's own thread computes.

    Example:

    >>> list(in_order(abs, [-1, 2, -3], workers=2))
    [1, 2, 3]
    """
    items = iter(items)
    first = list(islice(items, 2))
    items = chain(first, items)
    if workers == 1 or len(first) < 2:  # a single item is done before a thread has started
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
            future, item = pending.popleft()  # one that no thread has begun is done here, at once
            yield function(item) if future.cancel() else future.result()
            submit(1)
    finally:
        for future, _ in pending:
            future.cancel()


@cache
def _threads(workers):
    """So many threads, begun when they are first needed; idle ones do not delay the exit."""
    from concurrent.futures import ThreadPoolExecutor  # not needed for the first sample

    return ThreadPoolExecutor(workers, thread_name_prefix="OnnxVAE")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads stay behind with the parent


def cores():
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
