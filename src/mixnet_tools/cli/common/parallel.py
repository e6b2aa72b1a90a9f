"""Doing a thing for several models: one after the other, or N at once, and stopping promptly on Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(items: Sequence[Item], work: Callable[[Item, threading.Event], Result], jobs: int) -> list[Result]:
    """``work(item, stop)`` of each item, in the items' order.

    With one job ``work`` runs in this thread, where a signal interrupts it at once. With more, an interruption (or
    an exception of ``work``) sets ``stop``, which work that runs in another thread must look at, starts nothing new,
    and is raised when the running ones have ended.
    """
    stop = threading.Event()
    if jobs == 1 or len(items) == 1:
        return [work(item, stop) for item in items]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(work, item, stop) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
