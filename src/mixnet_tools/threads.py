"""Threads that do not keep the process: at its end nobody waits for one that sits in a read from a silent server.

Those of ``concurrent.futures`` are waited for when the interpreter ends, whatever they do.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads:
    """Up to ``most`` threads that do what is :meth:`submit`-ted, in this order."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """What will be there once ``work`` is done."""
        future: Future[T] = Future()
        self._waiting.put((future, work))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name=f"{self._name}_{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self, patience: float) -> None:
        """Cancel what has not begun, and wait up to ``patience`` seconds for what has."""
        while True:
            try:
                entry = self._waiting.get_nowait()
            except queue.Empty:
                break
            if entry is not None:
                entry[0].cancel()
        for _ in self._threads:
            self._waiting.put(None)
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            _carry_out(*entry)
            del entry  # an idle thread keeps no image


def _carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
