"""Fetches a file of which nothing is known yet, neither size nor digest: within a budget, whole or not at all."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from mixnet_tools.errors import DownloadError, HttpStatusError, OutputError, UsageError
from mixnet_tools.files.location import Location
from mixnet_tools.network.failure import Kind, SourceFailure
from mixnet_tools.network.retry import RetryPolicy, retrying

if TYPE_CHECKING:
    from mixnet_tools.downloading.transport.http import HttpClient

MOST_BYTES = 16 << 30
"""The largest file that is fetched."""

_UNKNOWN = -1
"""The size of a file that is not known: a Content-Encoding is then one of the transfer."""

_HTML_STARTS = (b"<!doctype html", b"<html")


def fetch_unknown(
    location: Location, folder: Path, *, most: int = MOST_BYTES, attempts: int = 3, timeout: float = 30.0
) -> Path:
    """Fetch the file behind the URL ``location`` into ``folder``, under the last part of its name; returns its path.

    A failure that can pass is followed by another of ``attempts``. Raises :class:`UsageError` for a URL that is not
    http(s), :class:`HttpStatusError` or :class:`DownloadError` where the file cannot be had or is larger than ``most``
    bytes, and :class:`OutputError` where it cannot be written.
    """
    target = folder / _file_name(location)

    def receive(client: HttpClient) -> None:
        with target.open("wb") as stream:
            _receive(client, location, stream, most)

    try:
        _persistently(location, receive, attempts, timeout)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written to: {error.strerror or error}") from error
    return target


def fetch_small(location: Location, *, most: int, accept: str | None = None, attempts: int = 3) -> bytes:
    """The bytes behind the URL ``location``, in the media type ``accept``. Raises as :func:`fetch_unknown` does."""

    def receive(client: HttpClient) -> bytes:
        stream = io.BytesIO()
        _receive(client, location, stream, most, accept)
        return stream.getvalue()

    return _persistently(location, receive, attempts, 30.0)


def fetch_headers(location: Location, wanted: str, *, attempts: int = 3) -> Mapping[str, str]:
    """The headers of the first answer for the URL ``location`` that has the header ``wanted``; raises as the others."""
    return _persistently(location, lambda client: client.headers(location.url, wanted), attempts, 30.0)


_Result = TypeVar("_Result")


def _persistently(
    location: Location, action: Callable[[HttpClient], _Result], attempts: int, timeout: float
) -> _Result:
    """What ``action`` returns. A failure that can pass is followed by another attempt."""
    from mixnet_tools.downloading.transport.http import HttpClient

    if location.scheme not in ("http", "https"):
        raise UsageError(f"{location}: expected an http:// or https:// address")
    with contextlib.closing(HttpClient(timeout)) as client:
        try:
            return retrying(lambda: action(client), RetryPolicy(attempts=attempts))
        except SourceFailure as failure:
            raise _given_up(location, failure) from None


def _receive(client: HttpClient, location: Location, stream: BinaryIO, most: int, accept: str | None = None) -> None:
    with contextlib.closing(client.open(location.url, _UNKNOWN, accept=accept)) as body:
        size, too_large = 0, SourceFailure(f"has more than {most:,} bytes, which no model has", Kind.PERMANENT)
        if (body.declared or 0) > most:
            raise too_large
        for chunk in body.chunks():
            if not size and chunk[:512].lstrip()[:16].lower().startswith(_HTML_STARTS):
                raise SourceFailure("sent an HTML page instead of a model (a login or error page?)", Kind.PERMANENT)
            size += len(chunk)
            if size > most:
                raise too_large
            stream.write(chunk)
        if not body.is_decoded and body.declared not in (None, size):
            raise SourceFailure(f"was cut off, after {size} of {body.declared} bytes", Kind.TRANSIENT)


def _given_up(location: Location, failure: SourceFailure) -> DownloadError:
    text = f"{location}: {failure}"
    return DownloadError(text) if failure.status is None else HttpStatusError(text, status=failure.status)


def _file_name(location: Location) -> str:
    """The last part of the URL's path, if it is a plain name of a file."""
    name = location.name
    return name if name.isprintable() and "/" not in name and name not in ("", ".", "..") else "model"
