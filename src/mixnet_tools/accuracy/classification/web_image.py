"""Fetch one image over HTTP, within a budget of bytes and time."""

from __future__ import annotations

import time

from mixnet_tools.errors import DatasetError, MixnetToolsError
from mixnet_tools.files.location import Location

CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 10.0, 20.0, 60.0
"""How long to wait for a connection, for the next bytes, and for the whole image."""

BLOCK = 1 << 16


def fetch_image(location: Location, max_bytes: int) -> bytes:
    """The bytes behind the URL ``location``.

    Raises :class:`DatasetError` where the server cannot be reached or answers with an error, or where the image has
    more than ``max_bytes`` or takes longer than :data:`WHOLE_SECONDS`.
    """
    import requests

    deadline = time.monotonic() + WHOLE_SECONDS
    data = bytearray()
    try:
        with requests.get(location.url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
            if answer.status_code != requests.codes.ok:
                raise DatasetError(f"{location}: the server answers {answer.status_code} {answer.reason}")
            for block in answer.iter_content(BLOCK):
                data += block
                if len(data) > max_bytes:
                    raise DatasetError(f"{location}: has more than {max_bytes:,} bytes")
                if time.monotonic() > deadline:
                    raise DatasetError(f"{location}: not complete after {WHOLE_SECONDS:g} seconds")
    except MixnetToolsError:
        raise
    except requests.RequestException as error:
        raise DatasetError(f"{location}: cannot be fetched: {_cause(error)}") from error
    return bytes(data)


def _cause(error: BaseException) -> str:
    """The innermost reason: requests and urllib3 wrap the system's own words, and repeat the URL with its secrets."""
    inner: BaseException = error
    while True:
        reason = getattr(inner, "reason", None)
        args = [one for one in inner.args if isinstance(one, BaseException)]
        following = reason if isinstance(reason, BaseException) else args[0] if args else None
        if following is None or following is inner:
            break
        inner = following
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(inner).__name__
