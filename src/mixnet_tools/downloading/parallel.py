"""Several pieces of work at once, that can be left at any moment.

The threads are daemons: after Ctrl-C nobody waits for one that sits in a read on the network. All they hold is a part
on disk, which is as good as after a kill, and the model's lock, which ends with the process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_GRACE = 1.0  # seconds that an interrupted run gives its threads to end by themselves


class Stopped(Exception):
    """The run was interrupted; what has arrived is kept."""


def run_each(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int, stop: threading.Event
) -> list[Result | Exception]:
    """``work(item)``, or the exception that it raised, for each of ``items`` in their order, ``jobs`` at once.

    Once ``stop`` is set (here, when this thread is interrupted) nothing new begins, and :class:`Stopped` is raised.
    """
    if jobs == 1 or len(items) == 1:
        return [_outcome(work, item) for item in items]
    todo: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | Exception]] = queue.SimpleQueue()
    for numbered in enumerate(items):
        todo.put(numbered)

    def worker() -> None:
        while not stop.is_set():
            try:
                index, item = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, _outcome(work, item)))
            except Stopped:
                return

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(jobs, len(items)))]
    for thread in threads:
        thread.start()
    results: dict[int, Result | Exception] = {}
    try:
        while len(results) < len(items):
            index, result = _get(done, stop)
            results[index] = result
    except BaseException:
        stop.set()
        deadline = time.monotonic() + _GRACE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        raise
    return [results[index] for index in range(len(items))]


def _outcome(work: Callable[[Item], Result], item: Item) -> Result | Exception:
    try:
        return work(item)
    except Stopped:
        raise
    except Exception as error:
        return error


def _get(done: queue.SimpleQueue[Result], stop: threading.Event) -> Result:
    while True:
        try:
            return done.get(timeout=0.2)
        except queue.Empty:
            if stop.is_set():
                raise Stopped from None
