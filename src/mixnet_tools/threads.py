"""Does several things at once, in threads that do not keep the process alive.

Python waits at its end for the threads of ``concurrent.futures``, even for one that reads from a silent server. These
are daemon threads: nobody waits for them longer than :meth:`DaemonThreads.close` says.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class DaemonThreads:
    """Up to ``most`` threads. They do what is submitted, in this order."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Let a thread call ``work``; the future has its result, or the exception that it raised."""
        future: Future[Result] = Future()
        self._waiting.put(_Task(partial(_carry_out, future, work), future.cancel))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name=f"{self._name}_{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self, patience: float | None = None) -> None:
        """Cancel what has not begun, and wait until the rest is done, for ``patience`` seconds at most if given."""
        while True:
            try:
                task = self._waiting.get_nowait()
            except queue.Empty:
                break
            if task is not None:
                task.cancel()
        for _ in self._threads:
            self._waiting.put(None)
        deadline = None if patience is None else time.monotonic() + patience
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            task.run()
            del task  # an idle thread keeps no image


class _Task(NamedTuple):
    run: Callable[[], None]
    cancel: Callable[[], bool]


def _carry_out(future: Future[Result], work: Callable[[], Result]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def in_order(
    threads: DaemonThreads, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each of ``items``, in their order. At most ``ahead`` results wait to be read."""
    pending: deque[Future[Result]] = deque()
    waiting = iter(items)
    pending.extend(threads.submit(partial(work, item)) for item in islice(waiting, ahead))
    while pending:
        result = pending.popleft().result()
        pending.extend(threads.submit(partial(work, item)) for item in islice(waiting, 1))
        yield result


def run_each(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    stop: threading.Event,
    patience: float | None = None,
) -> list[Result]:
    """``work(item)`` for each of ``items``, in their order; ``jobs`` at once.

    A single job runs in the calling thread, where a signal interrupts it at once. With several, an interruption of the
    calling thread and an exception of ``work`` have the same effect: ``stop`` is set, so that ``work`` can end early,
    nothing new begins, and after at most ``patience`` seconds (None: when all has ended) the exception is raised.
    """
    if jobs == 1 or len(items) == 1:
        return [work(item) for item in items]
    threads = DaemonThreads(jobs, "job")
    try:
        futures = [threads.submit(partial(work, item)) for item in items]
        return [future.result() for future in futures]
    except BaseException:
        stop.set()
        raise
    finally:
        threads.close(patience)


def processors() -> int:
    """How many processors this process may use: in a container, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
