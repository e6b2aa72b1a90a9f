"""One attempt at a source that failed: how, and whether the same can succeed later."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What a failure means for its source."""

    UNREACHABLE = "unreachable"  # no name, no route, refused: can pass, and costs nothing to ask again soon
    TRANSIENT = "transient"  # timeout, truncated body, 429, 5xx: can pass
    PERMANENT = "permanent"  # 404, a wrong file, a login page: asking again gets the same answer
    MORE = "more"  # the server gave a part of what was asked for: ask for the rest, at once
    RESTART = "restart"  # the bytes so far do not fit this source: ask for the whole file
    RECODE = "recode"  # the body's Content-Encoding was taken the wrong way: begin again, the other way


class SlowHeaders(TimeoutError):
    """The headers of an answer come, but do not end."""


class SourceFailure(Exception):
    """One attempt at one source failed. ``str()`` says how, without the URL and without secrets.

    ``retry_after`` is the pause in seconds that the server asked for, ``status`` its HTTP status, or that of the proxy.
    ``integrity`` means that the bytes themselves were wrong. ``lasting`` means that asking again gets the same, as
    where a name does not exist.
    """

    def __init__(
        self,
        text: str,
        kind: Kind,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        integrity: bool = False,
        lasting: bool = False,
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.retry_after = retry_after
        self.status = status
        self.integrity = integrity
        self.lasting = lasting or kind is Kind.PERMANENT


def of_status(status: int, text: str, retry_after: float | None = None) -> SourceFailure:
    """The failure that the HTTP ``status`` of a server or proxy means; ``text`` says it."""
    if status in (408, 425, 429) or status >= 500:
        asks = f", asks to come back in {retry_after:.0f} s" if retry_after else ""
        return SourceFailure(text + asks, Kind.TRANSIENT, retry_after=retry_after, status=status)
    return SourceFailure(text, Kind.PERMANENT, status=status)
