"""What a run knows of each server: how many requests it takes at once, and whether it gives anything at all.

A server that allows two connections answers the third with 503, or refuses it. That is no failure of the file: it waits
until another one is done. The number of requests at once is lowered to what the server took, for the rest of the run.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from mixnet_tools.network.failure import Kind, SourceFailure

_BUSY = (429, 503)
_SECONDS_BETWEEN_LOOKS = 0.2


class Server:
    """One server, as all threads of a run see it. ``given_up`` means that it kept silent for as long as was waited."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._limit: int | None = None
        self._active = 0
        self.last_bytes = float("-inf")
        self.given_up = False

    @contextlib.contextmanager
    def turn(self, check_stop: Callable[[], None]) -> Iterator[float]:
        """Wait until the server takes one more request, and hold that place. Gives the seconds that it took.

        Raises what ``check_stop`` raises.
        """
        begin = self._clock()
        with self._changed:
            while self._limit is not None and self._active >= self._limit:
                self._changed.wait(_SECONDS_BETWEEN_LOOKS)
                check_stop()
            self._active += 1
        try:
            yield self._clock() - begin
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def is_crowded(self, failure: SourceFailure) -> bool:
        """Whether the others of this run are the reason for ``failure``, the answer to a request that has its turn.

        Then fewer are sent at once from now on.
        """
        if failure.kind not in (Kind.UNREACHABLE, Kind.TRANSIENT) or failure.lasting:
            return False
        if failure.status is not None and failure.status not in _BUSY:
            return False
        with self._changed:
            others = self._active - 1
            if others < 1:
                return False
            self._limit = others if self._limit is None else min(self._limit, others)
            return True

    def bytes_came(self) -> None:
        """The server gives bytes."""
        self.last_bytes = self._clock()
        self.given_up = False


class Servers:
    """The servers of a run, by a key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Server] = {}

    def __getitem__(self, key: str) -> Server:
        with self._lock:
            return self._known.setdefault(key, Server())
