"""Fetches a file of which nothing is known yet, neither size nor digest: within a budget, whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

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
    from mixnet_tools.downloading.transport.http import HttpClient

    if location.scheme not in ("http", "https"):
        raise UsageError(f"{location}: expected an http:// or https:// address")
    target = folder / _file_name(location)
    with contextlib.closing(HttpClient(timeout)) as client:
        try:
            retrying(lambda: _receive(client, location, target, most), RetryPolicy(attempts=attempts))
        except SourceFailure as failure:
            raise _given_up(location, failure) from None
        except OSError as error:
            raise OutputError(f"{target}: cannot be written to: {error.strerror or error}") from error
    return target


def _receive(client: HttpClient, location: Location, target: Path, most: int) -> None:
    with contextlib.closing(client.open(location.url, _UNKNOWN)) as body, target.open("wb") as stream:
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
