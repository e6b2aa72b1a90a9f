"""Fetch one image over HTTP, within a budget of bytes and time."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from mixnet_tools.network.failure import Kind, SourceFailure, of_status
from mixnet_tools.network.headers import WHOLE
from mixnet_tools.network.retry import RetryPolicy, retrying

if TYPE_CHECKING:
    from mixnet_tools.network.client import Client

SILENT_SECONDS, WHOLE_SECONDS = 15.0, 60.0
"""How long to wait for a connection or the next bytes, and for the whole image."""

BLOCK = 1 << 16

_POLICY = RetryPolicy(max_wait=SILENT_SECONDS, attempts=2)


def fetch_image(location: Location, max_bytes: int) -> bytes:
    """The bytes behind the URL ``location``. A failure that can pass is followed by a second attempt.

    Raises :class:`DatasetError` where the server cannot be reached or answers with an error, or where the image has
    more than ``max_bytes`` or takes longer than :data:`WHOLE_SECONDS`.
    """
    from mixnet_tools.network.client import Client

    deadline = time.monotonic() + WHOLE_SECONDS
    with contextlib.closing(Client(SILENT_SECONDS)) as client:
        try:
            return retrying(lambda: _fetch(client, location.url, max_bytes, deadline), _POLICY)
        except SourceFailure as failure:
            raise DatasetError(f"{location}: cannot be fetched: {failure}") from None


def _fetch(client: Client, url: str, max_bytes: int, deadline: float) -> bytes:
    data = bytearray()
    with contextlib.closing(client.get(url, {})) as answer:
        status = answer.response.status_code
        if status not in WHOLE:
            raise of_status(status, f"the server answers {status} {answer.response.reason or ''}".rstrip())
        while block := answer.read(BLOCK, decode=True):
            data += block
            if len(data) > max_bytes:
                raise SourceFailure(f"has more than {max_bytes:,} bytes", Kind.PERMANENT)
            if time.monotonic() > deadline:
                raise SourceFailure(f"not complete after {WHOLE_SECONDS:g} seconds", Kind.PERMANENT)
    return bytes(data)
