"""What is computed on a thread before its turn comes."""

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor


def ahead(function, items, count=2, threads=1):
    """`function` of each item, in order; threads compute `count` ahead of the one in use.

    What it raises for an item is raised when that is the next one.

    Example:

    >>> list(ahead(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    items, pool = iter(items), ThreadPoolExecutor(threads)
    try:
        waiting = deque(pool.submit(function, item) for item in itertools.islice(items, count))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in itertools.islice(items, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
