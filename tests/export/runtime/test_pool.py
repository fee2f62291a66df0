"""Results in order, in bounded memory, by threads that stay for the next call and then rest."""

import gc
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from export.runtime.pool import cores, in_order

ROOT = Path(__file__).parents[3]
FORKED = """
import os
from export.runtime.pool import in_order
expected = list(range(50))
assert list(in_order(abs, expected, workers=2)) == expected
pid = os.fork()
if not pid:
    os._exit(list(in_order(abs, expected, workers=2)) != expected)
print(os.waitpid(pid, 0)[1], end="")
"""
WORKERS = pytest.mark.parametrize("workers", [1, 2, 5])


def slow(item):
    time.sleep(random.random() / 500)
    return item


@WORKERS
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_results_stand_in_the_order_of_the_items(workers, count):
    assert list(in_order(slow, range(count), workers)) == list(range(count))


def test_workers_work_at_the_same_time():
    meeting = threading.Barrier(3, timeout=10)
    assert len(list(in_order(lambda item: meeting.wait(), range(3), workers=3))) == 3


@WORKERS
def test_items_are_taken_no_further_than_needed(workers):
    taken = []
    results = in_order(slow, (taken.append(i) or i for i in range(10**9)), workers)
    for i in range(20):
        assert next(results) == i
        assert len(taken) <= i + 1 + 2 * workers
    results.close()


@WORKERS
def test_exception_comes_as_it_is_after_the_results_before_it(workers):
    error = MemoryError("no more")

    def fail_at_7(item):
        if item == 7:
            raise error
        return slow(item)

    results = in_order(fail_at_7, range(1000), workers)
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(MemoryError) as caught:
        next(results)
    assert caught.value is error


@pytest.mark.parametrize("end", ["close", "let go", "exception"])
def test_nothing_is_begun_after_an_iterator_is_given_up(end):
    begun = []
    results = in_order(lambda i: slow(begun.append(i)) or 1 / (i - 20), range(10**9), workers=4)
    next(results)
    if end == "close":
        results.close()
    elif end == "exception":
        with pytest.raises(ZeroDivisionError):
            list(results)
    del results
    gc.collect()
    slowest = list(in_order(slow, range(100), workers=4))  # the same threads, free again
    assert len(begun) <= 21 + 2 * 4
    assert slowest == list(range(100))
    assert len(begun) == len(set(begun))


def test_threads_stay_for_the_next_call():
    def threads():
        return {thread for thread in threading.enumerate() if thread.name.startswith("OnnxVAE")}

    list(in_order(slow, range(50), workers=3))
    before = threads()
    list(in_order(slow, range(50), workers=3))
    assert threads() == before


@pytest.mark.parametrize("left", ["list(results)", "next(results)"])
def test_threads_do_not_hold_up_the_exit(left):
    code = f"""
from export.runtime.pool import in_order
results = in_order(abs, range(100), workers=2)
{left}
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_process_has_threads_of_its_own():
    run = subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, b"0")


def test_one_item_needs_no_thread():
    here = threading.get_ident()
    assert list(in_order(lambda item: threading.get_ident(), [1], workers=4)) == [here]


def test_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= 4096
