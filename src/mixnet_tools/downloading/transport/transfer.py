"""Completes a partial file from its sources, in turn, for as long as it pays.

A source that failed in a way that can pass is asked again, after the others. Whether it pays is judged for each server
by :class:`Patience`: an attempt that brought bytes does not count.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mixnet_tools.downloading.messages import FailedSource
from mixnet_tools.downloading.sources import Source
from mixnet_tools.downloading.transport.partial_file import Origin, PartialFile
from mixnet_tools.downloading.transport.receive import Body, Listener, receive
from mixnet_tools.downloading.transport.servers import Server
from mixnet_tools.network.failure import Kind, SourceFailure
from mixnet_tools.network.retry import Patience, RetryPolicy

_MAX_PASSES = 4
"""How often a source is asked for the whole file because the bytes so far did not fit."""

_MOST_FAILED_PARTS = 2
"""Where the rest of a file was answered so often with 500, the whole is asked for: some programs know no ranges."""

_LONG_PAUSE = 2.0
"""Seconds. A longer pause is told."""


Opener = Callable[[int, int, Origin | None, bool], Body]
"""Opens a file of a size, from an offset on, whose first bytes came from an origin; the last argument asks for the
second reading of a Content-Encoding."""


@dataclass(frozen=True)
class Surroundings:
    """What a transfer needs of its run.

    ``opener`` finds out how to open a source, and ``server`` its server. ``wait`` sleeps, and raises if the run has to
    stop; ``note`` tells people a line.
    """

    opener: Callable[[Source], Opener]
    server: Callable[[Source], Server]
    wait: Callable[[float], None]
    note: Callable[[str], None]
    policy: RetryPolicy
    clock: Callable[[], float] = time.monotonic


class _Place:
    """Where a file may be had: the sources with one ``group``, which are tried in turn until one answers."""

    def __init__(self, sources: Sequence[Source], around: Surroundings) -> None:
        self.sources = list(sources)
        self.server = around.server(sources[0])
        self.patience = Patience(around.policy, around.clock)
        self.ready = float("-inf")
        self.passes_left = _MAX_PASSES
        self.failed_parts = 0


class Transfer:
    """The transfer of the file ``name`` from ``sources`` into ``partial``."""

    def __init__(
        self, partial: PartialFile, name: str, sources: Sequence[Source], listener: Listener, around: Surroundings
    ) -> None:
        self._partial, self._name, self._around = partial, name, around
        self._check_stop, self._on_bytes = listener.check_stop, listener.on_bytes
        groups: dict[str, list[Source]] = {}
        for source in sources:
            groups.setdefault(source.group, []).append(source)
        self._places = [_Place(group, around) for group in groups.values()]
        self._most = partial.position
        self.failed: dict[Source, FailedSource] = {}

    def run(self) -> Source | None:
        """The source that completed the file; None if none could: ``failed`` says why."""
        clock = self._around.clock
        while places := [place for place in self._places if place.sources]:
            place = min(places, key=lambda one: one.ready)  # the first of those that were not asked yet
            self._around.wait(max(0.0, place.ready - clock()))
            source = place.sources[0]
            try:
                with place.server.turn(self._check_stop) as waited:
                    self._check_stop()
                    place.patience.begin(waited)
                    self._receive(place, source)
                return source
            except SourceFailure as failure:
                self._after(place, source, failure)
        return None

    def _after(self, place: _Place, source: Source, failure: SourceFailure) -> None:
        """Decide what comes after ``failure``: another attempt, the next source of this place, or none."""
        now = self._around.clock()
        if isinstance(failure, _Crowded):
            place.patience.silent_since = now
            place.ready = now + (failure.retry_after or 0.0)
            if (failure.retry_after or 0.0) <= self._around.policy.max_wait:
                return
        if self._has_paid():
            place.patience.bytes_came()
        pause = place.patience.pause_after(failure, place.server.given_up)
        self.failed[source] = FailedSource(source, place.patience.attempts, failure)
        if pause is not None:
            place.ready = now + pause
            if pause > _LONG_PAUSE:
                self._around.note(f"{self._name}: {source}: {failure}; asking again in {pause:.0f} s")
            return
        silent_since = place.patience.silent_since
        if place.patience.ran_out and silent_since is not None and place.server.last_bytes < silent_since:
            place.server.given_up = True
        if failure.kind is Kind.PERMANENT:
            place.sources.pop(0)  # its server answers: the next layout of a mirror may have it
            place.patience = Patience(self._around.policy, self._around.clock)
            place.passes_left = _MAX_PASSES
        else:
            place.sources.clear()

    def _has_paid(self) -> bool:
        """Whether more of the file is there than ever before. A few bytes at a time would take for ever."""
        gained = self._partial.position - self._most
        if gained < min(1024, max(1, self._partial.size // 1000)):
            return False
        self._most = self._partial.position
        return True

    def _receive(self, place: _Place, source: Source) -> None:
        """Make one attempt at ``source``. It begins anew where the bytes that are there already do not fit."""
        open_source, partial, listener = self._around.opener(source), self._partial, self._listener_of(place.server)
        whole = recode = False
        while True:
            # Bytes that were unpacked on their way have no place of their own in what the server sends.
            gives_parts = partial.origin is not None and place.failed_parts < _MOST_FAILED_PARTS
            offset = partial.position if gives_parts and not whole else 0
            body: Body | None = None
            try:
                body = open_source(partial.size, offset, partial.origin, recode)
                with contextlib.closing(body):
                    receive(body, partial, self._name, recode, listener)
                return
            except SourceFailure as failure:
                place.failed_parts += bool(offset and failure.status == 500)
                if body is None and place.server.is_crowded(failure):
                    raise _Crowded(str(failure), failure.kind, retry_after=failure.retry_after) from None
                if failure.kind is Kind.MORE and self._has_paid():
                    whole = False
                    continue
                if failure.kind not in (Kind.RESTART, Kind.RECODE):
                    raise
                place.passes_left -= 1
                if not place.passes_left:
                    raise SourceFailure(str(failure), Kind.PERMANENT, integrity=failure.integrity) from None
                whole = True
                if failure.kind is Kind.RECODE:
                    recode = True
                    partial.restart(None)
                if failure.integrity:
                    self._most = 0  # what was there is gone, and what comes now is new

    def _listener_of(self, server: Server) -> Listener:
        def on_bytes(count: int) -> None:
            server.bytes_came()
            self._on_bytes(count)

        return Listener(self._check_stop, on_bytes)


class _Crowded(SourceFailure):
    """The server has enough to do with the other files of this run."""
