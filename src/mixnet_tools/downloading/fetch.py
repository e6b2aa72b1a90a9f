"""From several places to one verified file under its final name.

The file's bytes go to a :class:`~mixnet_tools.downloading.transport.partial_file.Part` and are hashed on the way; only
when size and digest are right is it renamed. Each source is tried in turn; one that failed in a way that can pass is
tried again in the next round, when the others have failed as well. :mod:`.transport` opens bodies and judges them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.descriptors.model_yml import ModelFile
from mixnet_tools.downloading.messages import Attempted, cannot_write, gave_up, nowhere_offline
from mixnet_tools.downloading.parallel import Stopped
from mixnet_tools.downloading.sources import DrivePlace, LocalPlace, Place
from mixnet_tools.downloading.transport.partial_file import Part
from mixnet_tools.downloading.transport.receive import Body, Listener, receive
from mixnet_tools.downloading.transport.retry import Kind, SourceFailure, delay_before_retry

if TYPE_CHECKING:
    from mixnet_tools.downloading.transport.http import HttpClient

EARLIER_RUN = "an earlier run"
"""``served_by`` of a file whose bytes had all arrived before this run."""

_SECONDS_BETWEEN_TICKS = 0.1
_MAX_PASSES = 4


@dataclass(frozen=True)
class FetchRules:
    """How hard to try. ``timeout`` (for connecting, and for a stall of the body) and ``backoff`` are in seconds."""

    num_attempts: int = 3
    timeout: float = 30.0
    backoff: float = 0.5
    offline: bool = False


@dataclass(frozen=True)
class Errand:
    """A file to fetch: from ``places``, by way of ``part``, to ``target``; messages call it ``shown_as``."""

    file: ModelFile
    places: Sequence[Place]
    part: Path
    target: Path
    shown_as: Path


class Fetcher:
    """Fetches files, from several threads if need be; once ``stop`` is set, every fetch ends with :class:`Stopped`."""

    def __init__(self, rules: FetchRules, stop: threading.Event) -> None:
        self._rules = rules
        self._stop = stop
        self._lock = threading.Lock()
        self._client: HttpClient | None = None

    def fetch(self, errand: Errand, tick: Callable[[int], None]) -> str:
        """Put the file of ``errand`` in its place, and say who served it.

        ``tick`` is told now and then how many bytes are there. Raises :class:`DownloadError` (or one of its kinds)
        when no place had the file or it cannot be written, and :class:`Stopped`.
        """
        listener = Listener(self.check_stop, _seldom(tick))
        try:
            with Part(errand.part, errand.file.size, errand.file.checksum) as incoming:
                incoming.resume(self.check_stop)
                served_by = self._first_that_serves(errand, incoming, listener)
                tick(errand.file.size)
                incoming.move_to(errand.target)
                return served_by
        except BrokenPipeError:
            raise  # not the disk: whoever read our progress has gone
        except OSError as error:
            raise cannot_write(errand.shown_as, error) from error

    def check_stop(self) -> None:
        """Raise :class:`Stopped` once the run was interrupted."""
        if self._stop.is_set():
            raise Stopped

    def close(self) -> None:
        """Close the connections that were kept open."""
        if self._client is not None:
            self._client.close()

    def _first_that_serves(self, errand: Errand, part: Part, listener: Listener) -> str:
        if part.is_complete_and_right:
            return EARLIER_RUN
        if part.position == part.size:
            part.restart(None)
        usable = [place for place in errand.places if isinstance(place, LocalPlace) or not self._rules.offline]
        failed: dict[Place, Attempted] = {}
        ready: dict[Place, float] = {}
        for attempt in range(1, self._rules.num_attempts + 1):
            to_leave = set[str]()
            for place in [one for one in usable if one not in failed or failed[one].failure.may_pass]:
                if place.group in to_leave:
                    continue  # its server was just seen to fail
                self._stop.wait(max(0.0, ready.get(place, 0.0) - time.monotonic()))
                self.check_stop()
                try:
                    self._from(place, part, errand.file.name, listener)
                    return str(place)
                except SourceFailure as failure:
                    failed[place] = Attempted(place, attempt, failure)
                    if failure.may_pass:
                        to_leave.add(place.group)
                        ready[place] = time.monotonic() + delay_before_retry(failure, attempt, self._rules.backoff)
        explain = nowhere_offline if self._rules.offline else gave_up
        raise explain(errand.file, errand.shown_as, list(failed.values()))

    def _from(self, place: Place, part: Part, name: str, listener: Listener) -> None:
        """One attempt at ``place``, begun anew where what is there already turns out not to fit."""
        recode = False
        for passes_left in reversed(range(_MAX_PASSES)):
            try:
                with contextlib.closing(self._open(place, part, recode)) as body:
                    receive(body, part, name, recode, listener)
                return
            except SourceFailure as failure:
                if failure.kind not in (Kind.RESTART, Kind.RECODE):
                    raise
                if not passes_left:
                    raise SourceFailure(str(failure), Kind.PERMANENT, integrity=failure.integrity) from None
                recode = recode or failure.kind is Kind.RECODE
                part.restart(None)

    def _open(self, place: Place, part: Part, recode: bool) -> Body:
        if isinstance(place, LocalPlace):
            from mixnet_tools.downloading.transport.local_file import LocalBody

            return LocalBody(place.path, part.size, part.position)
        client = self._http_client()
        if isinstance(place, DrivePlace):
            from mixnet_tools.downloading.transport.google_drive import open_drive

            return open_drive(client, place.id, part.size, part.position, part.origin)
        return client.open(place.url, part.size, part.position, part.origin, recode)

    def _http_client(self) -> HttpClient:
        from mixnet_tools.downloading.transport.http import (
            HttpClient,  # requests is only loaded where the network is used
        )

        with self._lock:
            if self._client is None:
                self._client = HttpClient(self._rules.timeout)
            return self._client


def _seldom(tick: Callable[[int], None]) -> Callable[[int], None]:
    last = 0.0

    def report(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_TICKS:
            last = now
            tick(count)

    return report
