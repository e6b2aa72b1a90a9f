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
    inner = error
    for _ in range(10):
        wrapped = [getattr(inner, "reason", None), *inner.args, inner.__cause__, inner.__context__]
        following = next((one for one in wrapped if isinstance(one, BaseException)), None)
        if following is None:
            break
        inner = following
    return inner.strerror if isinstance(inner, OSError) and inner.strerror else type(inner).__name__
