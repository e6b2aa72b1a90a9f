"""Classifies the failures of a source: whether they can pass, and how long to wait before the next attempt."""

from __future__ import annotations

import email.utils
import random
import time
from enum import Enum

MAX_RETRY_AFTER = 60.0
"""Seconds. A server that asks for a longer pause is not waited for: the next source is tried."""

MAX_DELAY = 30.0
"""Seconds. The longest pause between two attempts, unless a server asks for more."""


class Kind(Enum):
    """What a failure means for its source."""

    UNREACHABLE = "unreachable"  # no name, no route, refused: can pass, and costs nothing to ask again soon
    TRANSIENT = "transient"  # timeout, truncated body, 429, 5xx: can pass
    PERMANENT = "permanent"  # 404, a wrong file, a login page: asking again gets the same answer
    RESTART = "restart"  # the bytes so far do not fit this source: begin again, without them
    RECODE = "recode"  # the body's Content-Encoding was taken the wrong way: begin again, the other way


class SourceFailure(Exception):
    """One attempt at one source failed. ``str()`` says how, without the URL.

    ``retry_after`` is the pause in seconds that the server asked for, ``status`` its HTTP status. ``integrity`` means
    that the bytes themselves were wrong.
    """

    def __init__(
        self,
        text: str,
        kind: Kind,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        integrity: bool = False,
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.retry_after = retry_after
        self.status = status
        self.integrity = integrity

    @property
    def may_pass(self) -> bool:
        """Whether the same request can succeed later in this run."""
        return self.kind is not Kind.PERMANENT and (self.retry_after or 0.0) <= MAX_RETRY_AFTER


def delay_before_retry(failure: SourceFailure, attempt: int, base: float) -> float:
    """Seconds to wait after attempt number ``attempt`` (from 1) failed: exponential backoff from ``base``, with jitter.

    A pause that the server asked for is kept. Otherwise the pause is drawn from the upper half of a range that doubles
    each time, so that many clients that failed together do not come back together.

    >>> delay_before_retry(SourceFailure("HTTP 429", Kind.TRANSIENT, retry_after=7.0), 1, 1.0)
    7.0
    """
    if failure.retry_after is not None:
        return min(failure.retry_after, MAX_RETRY_AFTER)
    if failure.kind in (Kind.RESTART, Kind.RECODE):
        return 0.0
    if failure.kind is Kind.UNREACHABLE:
        base /= 2
    ceiling = min(base * 2.0 ** (attempt - 1), MAX_DELAY)
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing


def parse_retry_after(text: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, or None if it is missing or cannot be understood.

    >>> parse_retry_after("120"), parse_retry_after("soon"), parse_retry_after(None)
    (120.0, None, None)
    >>> parse_retry_after("Thu, 01 Jan 1970 00:02:00 GMT", now=60.0)
    60.0
    """
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))
