"""Several things at once, in order, and left when somebody says so."""

from __future__ import annotations

import threading
import time

import pytest

from mixnet_tools.threads import DaemonThreads, run_each


def test_threads_that_are_closed_are_waited_for_no_longer_than_said() -> None:
    silent, begun = threading.Event(), threading.Event()

    def read() -> None:
        begun.set()
        silent.wait(60)

    threads = DaemonThreads(2, "reader")
    assert threads.submit(lambda: 5).result(timeout=10) == 5
    failed = threads.submit(lambda: 1 // 0)
    assert isinstance(failed.exception(timeout=10), ZeroDivisionError)
    reads = [threads.submit(read) for _ in range(9)]
    assert begun.wait(10)
    before = time.monotonic()
    threads.close(0.1)
    assert time.monotonic() - before < 30
    assert sum(one.cancelled() for one in reads) >= 7
    silent.set()


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_the_order_of_the_items(jobs: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.01 * (4 - item))
        return item * 10

    assert run_each(work, [1, 2, 3, 4], jobs, threading.Event()) == [10, 20, 30, 40]


def test_as_many_run_at_once_as_were_asked_for() -> None:
    together = threading.Barrier(3, timeout=20)
    assert run_each(lambda item: together.wait() >= 0, [1, 2, 3], 3, threading.Event()) == [True, True, True]


def test_a_single_job_runs_in_the_calling_thread() -> None:
    ours = threading.get_ident()
    assert run_each(lambda item: threading.get_ident(), [1, 2], 1, threading.Event()) == [ours, ours]
    assert run_each(lambda item: threading.get_ident(), [1], 5, threading.Event()) == [ours]


def test_a_failure_stops_the_others_and_begins_nothing_new() -> None:
    stop, begun, ended = threading.Event(), list[int](), list[int]()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("zero")
        assert stop.wait(60)
        ended.append(item)

    with pytest.raises(ValueError, match="zero"):
        run_each(work, range(50), 2, stop)
    assert len(begun) <= 3
    assert sorted(ended) == sorted(begun)[1:]


def test_a_thread_that_does_not_look_is_left_behind() -> None:
    never, stop = threading.Event(), threading.Event()

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("zero")
        never.wait(60)

    before = time.monotonic()
    with pytest.raises(ValueError, match="zero"):
        run_each(work, range(2), 2, stop, patience=0.1)
    assert time.monotonic() - before < 30
    never.set()
