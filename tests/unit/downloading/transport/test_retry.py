"""How long to wait before the next attempt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.downloading.transport.retry import (
    MAX_DELAY,
    MAX_RETRY_AFTER,
    Kind,
    SourceFailure,
    delay_before_retry,
    parse_retry_after,
)


@given(st.integers(1, 60), st.floats(0.001, 100), st.sampled_from(list(Kind)))
def test_pauses_grow_but_stay_bounded(attempt: int, base: float, kind: Kind) -> None:
    pause = delay_before_retry(SourceFailure("x", kind), attempt, base)
    assert 0 <= pause <= MAX_DELAY
    if kind is Kind.TRANSIENT:
        assert pause >= min(base * 2.0 ** (attempt - 1), MAX_DELAY) / 2


def test_pauses_differ_from_client_to_client() -> None:
    failure = SourceFailure("x", Kind.TRANSIENT)
    assert len({delay_before_retry(failure, 3, 1.0) for _ in range(20)}) > 1


@given(st.text(max_size=40))
def test_any_retry_after_is_a_number_of_seconds_or_nothing(text: str) -> None:
    seconds = parse_retry_after(text, now=0.0)
    assert seconds is None or seconds >= 0


def test_a_pause_that_is_too_long_ends_the_source() -> None:
    assert SourceFailure("x", Kind.TRANSIENT, retry_after=MAX_RETRY_AFTER).may_pass
    assert not SourceFailure("x", Kind.TRANSIENT, retry_after=MAX_RETRY_AFTER + 1).may_pass
    assert not SourceFailure("x", Kind.PERMANENT).may_pass
