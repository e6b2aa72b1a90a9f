"""Whether to ask again, and when: with a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.network.failure import Kind, SourceFailure
from mixnet_tools.network.retry import (
    MAX_DELAY,
    Patience,
    RetryPolicy,
    delay_before_retry,
    parse_retry_after,
    retrying,
)

CUT = SourceFailure("was cut off", Kind.TRANSIENT)
REFUSED = SourceFailure("refuses the connection", Kind.UNREACHABLE)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waits(failure: SourceFailure, policy: RetryPolicy, back_after: float = float("inf")) -> tuple[list[float], bool]:
    """The pauses before each further attempt, of which those after ``back_after`` seconds succeed; whether one did."""
    clock, pauses = Clock(), list[float]()

    def attempt() -> bool:
        if clock.now < 1000.0 + back_after:
            raise failure
        return True

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.sleep(seconds)

    try:
        return pauses, retrying(attempt, policy, clock=clock, sleep=sleep)
    except SourceFailure:
        return pauses, False


@given(st.integers(1, 60), st.floats(0.001, 100), st.sampled_from(list(Kind)))
def test_pauses_grow_but_stay_bounded(attempt: int, base: float, kind: Kind) -> None:
    pause = delay_before_retry(SourceFailure("x", kind), attempt, base)
    assert 0 <= pause <= MAX_DELAY
    if kind is Kind.TRANSIENT:
        assert pause >= min(base * 2.0 ** (attempt - 1), MAX_DELAY) / 2


def test_pauses_differ_from_client_to_client() -> None:
    assert len({delay_before_retry(CUT, 3, 1.0) for _ in range(20)}) > 1


@pytest.mark.parametrize("failure", [CUT, REFUSED, SourceFailure("503", Kind.TRANSIENT, status=503)])
def test_a_server_that_is_away_for_ten_seconds_is_waited_for(failure: SourceFailure) -> None:
    pauses, succeeded = waits(failure, RetryPolicy(), back_after=10.0)
    assert succeeded
    assert sum(pauses) <= 10.0 + MAX_DELAY


def test_the_time_without_a_byte_ends_it_and_a_last_attempt_comes_at_its_end() -> None:
    pauses, succeeded = waits(CUT, RetryPolicy(max_wait=60.0))
    assert not succeeded
    assert sum(pauses) == pytest.approx(60.0)
    assert len(pauses) < 20


def test_a_number_of_attempts_ends_it_sooner() -> None:
    assert len(waits(CUT, RetryPolicy(attempts=3))[0]) == 2
    assert waits(CUT, RetryPolicy(attempts=1))[0] == []
    assert waits(CUT, RetryPolicy(max_wait=0.0))[0] == []


def test_the_pause_that_a_server_asks_for_is_kept_unless_it_is_too_long() -> None:
    def busy(seconds: float) -> SourceFailure:
        return SourceFailure("HTTP 503", Kind.TRANSIENT, retry_after=seconds, status=503)

    assert waits(busy(60.0), RetryPolicy(max_wait=60.0))[0] == [60.0]
    assert waits(busy(61.0), RetryPolicy(max_wait=60.0))[0] == []
    hurried = waits(busy(0.0), RetryPolicy(max_wait=60.0))[0]
    assert 3 < len(hurried) < 20  # "now" is no reason to ask without a pause


def test_what_cannot_pass_is_not_asked_again() -> None:
    for failure in (SourceFailure("404", Kind.PERMANENT), SourceFailure("no name", Kind.UNREACHABLE, lasting=True)):
        assert waits(failure, RetryPolicy())[0] == []


def test_an_attempt_that_brought_bytes_does_not_count() -> None:
    clock = Clock()
    patience = Patience(RetryPolicy(max_wait=60.0, attempts=2), clock)
    for _ in range(50):
        patience.begin()
        clock.sleep(40.0)
        patience.bytes_came()
        assert patience.pause_after(CUT) is not None
    patience.begin()
    assert patience.pause_after(CUT) is None
    assert patience.attempts == 51


def test_the_time_in_our_own_line_is_not_the_servers() -> None:
    clock = Clock()
    patience = Patience(RetryPolicy(max_wait=60.0), clock)
    patience.begin()
    assert patience.pause_after(CUT) is not None
    clock.sleep(100.0)
    patience.begin(waited_in_line=100.0)
    assert patience.pause_after(CUT) is not None
    assert not patience.ran_out
    clock.sleep(61.0)
    assert patience.pause_after(CUT) is None
    assert patience.ran_out


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_any_retry_after_is_a_number_of_seconds_or_nothing(text: str, date: str | None) -> None:
    seconds = parse_retry_after(text, date)
    assert seconds is None or seconds >= 0
