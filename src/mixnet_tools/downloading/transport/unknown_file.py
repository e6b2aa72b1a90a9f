"""Fetches a file of which nothing is known yet, neither size nor digest: within a budget, whole or not at all.

No digest tells whether two parts are of the same file. So a file that was cut is continued only where the server says
that it has not changed (If-Range), and begun anew elsewhere.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from mixnet_tools.downloading.transport.partial_file import Origin
from mixnet_tools.downloading.transport.receive import is_page
from mixnet_tools.errors import DownloadError, HttpStatusError, OutputError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.network.failure import Kind, SourceFailure
from mixnet_tools.network.retry import RetryPolicy, retrying

if TYPE_CHECKING:
    from mixnet_tools.downloading.transport.http import HttpBody, HttpClient

MOST_BYTES = 16 << 30
"""The largest file that is fetched."""

_UNKNOWN = -1
"""The size of a file that is not known: a Content-Encoding is then one of the transfer."""

_GAIN = 1024
"""Bytes. An attempt that brought fewer counts as one that brought nothing."""


def fetch_unknown(
    location: Location, folder: Path, *, most: int = MOST_BYTES, attempts: int = 3, timeout: float = 30.0
) -> Path:
    """Fetch the file behind the URL ``location`` into ``folder``, under the last part of its name; returns its path.

    A failure that can pass is followed by another of ``attempts``; one that brought bytes does not count. Raises
    :class:`UsageError` for a URL that is not http(s), :class:`HttpStatusError` or :class:`DownloadError` where the file
    cannot be had or is larger than ``most`` bytes, and :class:`OutputError` where it cannot be written.
    """
    target = folder / _file_name(location)

    try:
        with target.open("wb") as stream:
            arrival = _Arrival(location, stream, most)
            _persistently(location, arrival.go_on, attempts, timeout, arrival.has_paid)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written to: {error.strerror or error}") from error
    return target


def fetch_small(location: Location, *, most: int, accept: str | None = None, attempts: int = 3) -> bytes:
    """The bytes behind the URL ``location``, in the media type ``accept``. Raises as :func:`fetch_unknown` does."""

    stream = io.BytesIO()
    _persistently(location, _Arrival(location, stream, most, accept).go_on, attempts, 30.0)
    return stream.getvalue()


def fetch_headers(location: Location, wanted: str, *, attempts: int = 3) -> Mapping[str, str]:
    """The headers of the first answer for the URL ``location`` that has the header ``wanted``; raises as the others."""
    return _persistently(location, lambda client: client.headers(location.url, wanted), attempts, 30.0)


_Result = TypeVar("_Result")


def _persistently(
    location: Location,
    action: Callable[[HttpClient], _Result],
    attempts: int,
    timeout: float,
    has_paid: Callable[[], bool] = lambda: False,
) -> _Result:
    """What ``action`` returns. A failure that can pass is followed by another attempt."""
    from mixnet_tools.downloading.transport.http import HttpClient

    if location.scheme not in ("http", "https"):
        raise UsageError(f"{location}: expected an http:// or https:// address")
    with contextlib.closing(HttpClient(timeout)) as client:
        try:
            return retrying(lambda: action(client), RetryPolicy(attempts=attempts), has_paid=has_paid)
        except SourceFailure as failure:
            raise _given_up(location, failure) from None


class _Arrival:
    """The file behind ``location``, of at most ``most`` bytes, on its way to ``stream``."""

    def __init__(self, location: Location, stream: BinaryIO, most: int, accept: str | None = None) -> None:
        self._location, self._stream, self._most, self._accept = location, stream, most, accept
        self._origin: Origin | None = None
        self._size, self._position, self._furthest = _UNKNOWN, 0, 0

    def has_paid(self) -> bool:
        """Whether more of the file is there than ever before when this was asked."""
        gained, self._furthest = self._position - self._furthest, max(self._position, self._furthest)
        return gained >= _GAIN

    def go_on(self, client: HttpClient) -> None:
        """Receive what is missing. Raises :class:`SourceFailure`."""
        can_continue = self._origin is not None and self._origin.validator is not None and self._size != _UNKNOWN
        offset = self._position if can_continue else 0
        url = self._location.url
        try:
            body = client.open(url, self._size, offset, self._origin, accept=self._accept, unchanged=True)
        except SourceFailure as failure:
            if failure.kind is not Kind.RESTART:
                raise
            body = client.open(url, _UNKNOWN, accept=self._accept)
        with contextlib.closing(body):
            self._receive(body)

    def _receive(self, body: HttpBody) -> None:
        too_large = SourceFailure(f"has more than {self._most:,} bytes, which no model has", Kind.PERMANENT)
        if body.offset != self._position or not body.offset:
            self._stream.seek(0)
            self._stream.truncate()
            size = body.declared if body.total is None else body.total
            self._size = _UNKNOWN if body.is_decoded or size is None else size
            self._position, self._origin = 0, body.origin
        if self._size > self._most:
            raise too_large
        for chunk in body.chunks():
            if not self._position and is_page(chunk):
                raise SourceFailure("sent an HTML page instead of a model (a login or error page?)", Kind.PERMANENT)
            if self._position + len(chunk) > self._most:
                raise too_large
            self._stream.write(chunk)
            self._position += len(chunk)
        if self._size not in (_UNKNOWN, self._position):
            raise SourceFailure(f"was cut off, after {self._position} of {self._size} bytes", Kind.TRANSIENT)


def _given_up(location: Location, failure: SourceFailure) -> DownloadError:
    text = f"{location}: {failure}"
    return DownloadError(text) if failure.status is None else HttpStatusError(text, status=failure.status)


def _file_name(location: Location) -> str:
    """The last part of the URL's path, if it is a plain name of a file."""
    name = location.name
    return name if name.isprintable() and "/" not in name and name not in ("", ".", "..") else "model"
