"""Fetches one file from the cache or from one of its sources, verifies it, and gives it its final name.

The bytes go to a partial file and are hashed on the way. The file gets its name only when size and digest are right.
:mod:`mixnet_tools.downloading.transport` opens the sources, judges what they send, and decides which is asked next.
"""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.downloading.cache.store import WrongSize
from mixnet_tools.downloading.context import DownloadContext
from mixnet_tools.downloading.manifest import FileRecord
from mixnet_tools.downloading.messages import cannot_write, gave_up, moved_aside, nowhere_offline, wrong_size
from mixnet_tools.downloading.sources import DriveSource, LocalSource, Source, WebSource
from mixnet_tools.downloading.transport.partial_file import PartialFile, adopt
from mixnet_tools.downloading.transport.receive import Listener
from mixnet_tools.downloading.transport.servers import Server, Servers
from mixnet_tools.downloading.transport.transfer import Opener, Surroundings, Transfer
from mixnet_tools.files.aside import make_way
from mixnet_tools.files.atomic import rename_durably
from mixnet_tools.network.retry import RetryPolicy

if TYPE_CHECKING:
    from mixnet_tools.downloading.transport.http import HttpClient

FROM_CACHE = "the cache"
"""``served_by`` of a file that came from the cache."""

EARLIER_RUN = "an earlier run"
"""``served_by`` of a file whose bytes had all arrived before this run."""

_SECONDS_BETWEEN_REPORTS = 0.1


@dataclass(frozen=True)
class FileRequest:
    """A file of ``model`` to fetch: from ``sources``, by way of ``partial``, to ``target``.

    Messages call it ``shown_as``. With ``anew`` it comes from a source even if the cache has it. What is at ``target``
    stays there until it is replaced. If it is not the file of the ``known`` size (bytes) and time (ns), which an
    earlier run has put there, it is moved aside then.
    """

    model: str
    file: ModelFile
    sources: tuple[Source, ...]
    partial: Path
    target: Path
    shown_as: Path
    anew: bool
    known: tuple[int, int] | None = None


class Fetcher:
    """Fetches files, in several threads if need be. :meth:`close` it in the end."""

    def __init__(self, context: DownloadContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._client: HttpClient | None = None
        self._servers = Servers()
        options = context.options
        policy = RetryPolicy(options.max_wait, options.num_attempts, options.backoff)
        self._surroundings = Surroundings(self._opener, self._server, self._wait, context.progress.note, policy)

    def fetch(self, request: FileRequest) -> FileRecord:
        """Put the file in its place.

        Raises :class:`DownloadError` (or one of its kinds) when no source had the file or it cannot be written, and
        :class:`Stopped`.
        """
        file, context, successful = request.file, self._context, False
        context.progress.file_begin(request.model, file.name, file.size)
        try:
            served_by = self._from_cache(request)
            if served_by is None:
                with PartialFile(request.partial, file.size, file.checksum) as part:
                    part.resume(context.check_stop)
                    served_by = self._first_that_serves(request, part)
                    context.progress.file_progress(request.model, file.name, file.size)
                    part.put_down()
                    self._make_way(request, request.partial)
                    part.move_to(request.target)
                if context.cache:
                    context.cache.store(file.checksum, request.target)
            if context.cache:
                context.cache.remember(file.checksum, request.model)
            mtime_ns = request.target.stat().st_mtime_ns
            successful = True
        except BrokenPipeError:
            raise  # not the disk: whoever read our progress has gone
        except OSError as error:
            raise cannot_write(request.shown_as, error) from error
        finally:
            context.progress.file_end(request.model, file.name, successful)
        return FileRecord(size=file.size, checksum=file.checksum, mtime_ns=mtime_ns, served_by=served_by)

    def close(self) -> None:
        """Close the connections that were kept open."""
        if self._client is not None:
            self._client.close()

    def _from_cache(self, request: FileRequest) -> str | None:
        if request.anew:
            return None
        _continue_what_is_there(request)
        cache, file = self._context.cache, request.file
        copy = request.partial.with_suffix(".cached")
        try:
            if not cache or not cache.fetch(file.checksum, file.size, copy, self._context.check_stop):
                return None
        except WrongSize as error:
            raise wrong_size(request.file, request.shown_as, error.size) from error
        self._make_way(request, copy)
        rename_durably(copy, request.target)
        return FROM_CACHE

    def _make_way(self, request: FileRequest, new: Path) -> None:
        """Move a file of somebody else away from the final name, now that ``new`` is verified."""
        if request.target != request.shown_as:
            return  # among the downloader's own files
        if kept := make_way(request.target, new, request.known):
            self._context.progress.note(moved_aside(request.target, kept))

    def _first_that_serves(self, request: FileRequest, part: PartialFile) -> str:
        """Complete ``part`` from the first source that can; returns which one that was."""
        if part.is_complete_and_right:
            return EARLIER_RUN
        if part.position == part.size:
            part.restart(None)
        context = self._context
        offline = context.options.offline
        usable = [source for source in request.sources if isinstance(source, LocalSource) or not offline]
        listener = Listener(context.check_stop, self._seldom(request))
        transfer = Transfer(part, request.file.name, usable, listener, self._surroundings)
        if source := transfer.run():
            return str(source)
        explain = nowhere_offline if offline else gave_up
        raise explain(request.file, request.shown_as, list(transfer.failed.values()))

    def _opener(self, source: Source) -> Opener:
        if isinstance(source, LocalSource):
            from mixnet_tools.downloading.transport.local_file import LocalBody

            return lambda size, offset, _origin, _recode: LocalBody(source.path, size, offset)
        client = self._http_client()
        if isinstance(source, DriveSource):
            from mixnet_tools.downloading.transport.google_drive import open_drive

            return partial(open_drive, client, source.id)
        return partial(client.open, source.url)

    def _server(self, source: Source) -> Server:
        if isinstance(source, LocalSource):
            return Server()  # the disk takes any number of readers
        return self._servers[source.server if isinstance(source, WebSource) else "Google Drive"]

    def _wait(self, seconds: float) -> None:
        self._context.stop.wait(seconds)
        self._context.check_stop()

    def _http_client(self) -> HttpClient:
        if self._client is not None:
            return self._client
        # requests is only loaded where the network is used.
        from mixnet_tools.downloading.transport.http import HttpClient

        with self._lock:
            if self._client is None:
                self._client = HttpClient(self._context.options.timeout)
            return self._client

    def _seldom(self, request: FileRequest) -> Callable[[int], None]:
        """A function that reports how many bytes are there, ten times a second at most."""
        progress, last = self._context.progress, 0.0

        def report(count: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _SECONDS_BETWEEN_REPORTS:
                last = now
                progress.file_progress(request.model, request.file.name, count)

        return report


def _continue_what_is_there(request: FileRequest) -> None:
    """If a shorter file has the final name, continue a copy of it: it may be the beginning of the right one.

    omz_downloader writes under the final name, so a killed run of it leaves such a beginning there.
    """
    try:
        known = request.target.lstat()
    except OSError:
        return
    if stat.S_ISREG(known.st_mode) and 0 < known.st_size < request.file.size and not request.partial.exists():
        adopt(request.target, request.partial, request.file.checksum)
