"""Whether to ask a source again after a failure, and when.

An attempt that brought bytes does not count. What ends it is a time without any byte, or a number of attempts in a row
that brought nothing. Pauses double each time, with jitter; a pause that the server asks for is kept.
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mixnet_tools.network.failure import Kind, SourceFailure

MAX_DELAY = 10.0
"""Seconds. The longest pause between two attempts, unless a server asks for more."""

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on: ``max_wait`` seconds without a byte, and ``attempts`` in a row without one (None: any number;
    1: never ask again). ``backoff`` is the first pause in seconds.
    """

    max_wait: float = 60.0
    attempts: int | None = None
    backoff: float = 0.5


class Patience:
    """What is left of the patience with one source. ``attempts`` counts all attempts so far."""

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._in_vain = 0
        self.attempts = 0
        self.silent_since: float | None = None
        self.ran_out = False

    def begin(self, waited_in_line: float = 0.0) -> None:
        """An attempt begins, after ``waited_in_line`` seconds in which the source was not asked."""
        if self.silent_since is None:
            self.silent_since = self._clock()
        else:
            self.silent_since += waited_in_line

    def bytes_came(self) -> None:
        """The attempt brought bytes: it does not count."""
        self._in_vain, self.silent_since = 0, self._clock()

    def pause_after(self, failure: SourceFailure, last_chance: bool = False) -> float | None:
        """Seconds until the next attempt, after one failed; None where it does not pay to ask again.

        With ``last_chance`` it does not. Afterwards ``ran_out`` says whether it is the time that was over.
        """
        self.attempts += 1
        self._in_vain += 1
        policy, now = self._policy, self._clock()
        left = (now if self.silent_since is None else self.silent_since) + policy.max_wait - now
        if failure.lasting or (failure.retry_after or 0.0) > policy.max_wait:
            return None
        if left <= 0:
            self.ran_out = True
            return None
        if last_chance or (policy.attempts is not None and self._in_vain >= policy.attempts):
            return None
        return min(delay_before_retry(failure, self._in_vain, policy.backoff), max(left, failure.retry_after or 0.0))


def retrying(
    attempt: Callable[[], T],
    policy: RetryPolicy,
    *,
    has_paid: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What ``attempt`` returns. Where it raises a :class:`SourceFailure` that can pass, it is called again.

    ``has_paid`` says after a failure whether the attempt brought bytes, so that it does not count. Raises the last
    :class:`SourceFailure`; its text says how many attempts there were.
    """
    patience = Patience(policy, clock)
    while True:
        patience.begin()
        try:
            return attempt()
        except SourceFailure as failure:
            if has_paid():
                patience.bytes_came()
            pause = patience.pause_after(failure)
            if pause is None:
                if patience.attempts > 1:
                    failure.args = (f"{failure} ({patience.attempts} attempts)",)
                raise
        sleep(pause)


def delay_before_retry(failure: SourceFailure, attempt: int, base: float) -> float:
    """Seconds to wait after attempt number ``attempt`` (from 1) failed: exponential backoff from ``base``, with jitter.

    A pause that the server asked for is kept; it may be longer, never shorter. The pause is drawn from the upper half
    of a range that doubles each time, so that many clients that failed together do not come back together.

    >>> delay_before_retry(SourceFailure("HTTP 429", Kind.TRANSIENT, retry_after=70.0), 1, 1.0)
    70.0
    """
    if failure.kind in (Kind.RESTART, Kind.RECODE, Kind.MORE):
        return 0.0
    if failure.kind is Kind.UNREACHABLE:
        base /= 2
    ceiling = min(base * 2.0 ** min(attempt - 1, 60), MAX_DELAY)
    return max(random.uniform(ceiling / 2, ceiling), failure.retry_after or 0.0)  # noqa: S311 - guards nothing


def parse_retry_after(text: str | None, date: str | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, or None if it is missing or cannot be understood.

    A moment is counted from ``date``, the Date header of the same answer, as the clocks of two machines differ.

    >>> parse_retry_after("120"), parse_retry_after("soon"), parse_retry_after(None)
    (120.0, None, None)
    >>> parse_retry_after("Thu, 01 Jan 1970 00:02:00 GMT", "Thu, 01 Jan 1970 00:01:00 GMT")
    60.0
    """
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    moment, now = _moment(text), _moment(date)
    return None if moment is None else max(0.0, moment - (time.time() if now is None else now))


def _moment(text: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None
