"""Results in order, in bounded memory, and no thread that outlives its use."""

import gc
import random
import threading
import time

import pytest

from export.runtime.pool import cores, in_order

WORKERS = pytest.mark.parametrize("workers", [1, 2, 5])


def slow(item):
    time.sleep(random.random() / 500)
    return item


def until(condition, seconds=5):
    """Wait until a condition holds, which it must soon."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


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
def test_no_thread_is_left_of_an_iterator_that_is_given_up(end):
    before, begun = set(threading.enumerate()), []
    results = in_order(lambda i: slow(begun.append(i)) or 1 / (i - 20), range(10**9), workers=4)
    next(results)
    threads = set(threading.enumerate()) - before
    assert threads
    if end == "close":
        results.close()
    elif end == "exception":
        with pytest.raises(ZeroDivisionError):
            list(results)
    del results
    gc.collect()
    until(lambda: not any(thread.is_alive() for thread in threads))
    assert len(begun) <= 21 + 2 * 4


def test_one_item_needs_no_thread():
    here = threading.get_ident()
    assert list(in_order(lambda item: threading.get_ident(), [1], workers=4)) == [here]


def test_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= 4096
