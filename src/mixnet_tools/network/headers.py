"""Reads the heads of answers: what a server says of the body that follows."""

from __future__ import annotations

from collections.abc import Mapping

WHOLE = (200, 203)
"""The statuses of an answer whose body is the whole file; 203: a proxy on the way may have changed it."""

_MOST_DIGITS = 18
"""Python reads no number of thousands of digits. No file has more bytes than these can say."""


def declared_length(headers: Mapping[str, str]) -> int | None:
    """The ``Content-Length`` in bytes; None where there is none that is a number.

    >>> declared_length({"Content-Length": "12"}), declared_length({"Content-Length": "-1"}), declared_length({})
    (12, None, None)
    """
    length = headers.get("Content-Length", "")
    return int(length[:_MOST_DIGITS]) if length.isascii() and length.isdigit() else None


def media_type(headers: Mapping[str, str]) -> str:
    """The ``Content-Type`` in lower case, without parameters; "" where there is none.

    >>> media_type({"Content-Type": "Text/HTML; charset=utf-8"})
    'text/html'
    """
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()
