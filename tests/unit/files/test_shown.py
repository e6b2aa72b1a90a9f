"""Text for people: no secrets of URLs, nothing that steers a terminal."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.files.shown import redact, redact_within, shown, without_secrets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("gnp.\u202egpj", "gnp.\\u202egpj"),
        ("a\u2066b\u200fc\ufeff", "a\\u2066b\\u200fc\\ufeff"),
        ("\x9b31m\x7f\b\r", "\\x9b31m\\x7f\\x08\\r"),
        ("lone \udc80 surrogate", "lone \\udc80 surrogate"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("line\u2028end", "line\\u2028end"),
        ("plain\ttext\nin two lines, größer: ✅ 猫\xa0", "plain\ttext\nin two lines, größer: ✅ 猫\xa0"),
    ],
)
def test_steering_characters_are_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert shown(expected) == expected
    assert "\n" not in shown(text, lines=False)


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    assert all(one in "\n\t" or unicodedata.category(one) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for one in shown(text))
    shown(text).encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "https://me:s3cret@host/a",
        "https://me:s3/cret@host/a",
        "https://me:hun#s3cret@host/a",
        "https://me:hun?s3cret@host/a",
        "https://s3cret@host/a",
        "https://host/a?X-Amz-Signature=s3cret&id=1",
        "https://host/a?token=s3cret",
        "https://host/a?s3cret",
        "https://host/a#s3cret",
        "s3://key:s3cret@bucket/a",
        "HTTPS://host/a?sig=s3cret, and more",
        "{'url': 'https://host/a?sig=s3cret'}",
        'json: {"url": "https://host/a?sig=s3cret"}',
        "from 9https://me:s3cret@host/a",
        "line\nhttps:/me:s3cret@host/a: no such file",
    ],
)
def test_secrets_are_removed_wherever_a_url_stands(text: str) -> None:
    assert "s3cret" not in shown(text)
    assert "cret" not in shown(text)
    assert "***" in shown(text) or "#" in text
    assert redact_within(redact_within(text)) == redact_within(text)


@pytest.mark.parametrize("piece", ["a", "a:/", "a://", "a://b:", "http://", "http://a:@", "@:", "http://a?b=", "\x1b"])
def test_the_time_grows_with_the_length_only(piece: str) -> None:
    """A text 20 times as long may take 200 times as long, not 400 as with its square."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        times = []
        for _ in range(3):
            started = time.perf_counter()
            shown(text)
            redact(f"http://{text}")
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(200_000) < 200 * seconds(10_000) + 0.05


def test_a_malformed_url_is_hidden_as_a_whole() -> None:
    for url in ("http://odd me:s3 cret@host/a b", "http://me:s3cret" + "s3cret" * 30, "http://me:s3@cret@host/x"):
        assert "cret" not in str(without_secrets([{"url": url}]))
    assert without_secrets({"a": ["http://host:80/x", 1, None]}) == {"a": ["http://host:80/x", 1, None]}
