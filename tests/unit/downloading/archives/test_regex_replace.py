"""Patches of text files."""

from __future__ import annotations

import pytest

from mixnet_tools.descriptors.file_entries import RegexReplace
from mixnet_tools.downloading.archives import regex_replace
from mixnet_tools.downloading.archives.regex_replace import replace_text
from mixnet_tools.errors import DownloadError


def step(pattern: str, replacement: str, count: int = 0) -> RegexReplace:
    given = {"$type": "regex_replace", "file": "a.py", "pattern": pattern, "replacement": replacement, "count": count}
    return RegexReplace.model_validate(given)


def test_a_patch_replaces_as_often_as_it_says() -> None:
    assert replace_text(step("a", "b"), b"a a a", "x") == b"b b b"
    assert replace_text(step("a", "b", 2), b"a a a", "x") == b"b b a"
    assert replace_text(step(r"(\w)=(\w)", r"\2=\1"), "é=b".encode(), "x") == "b=é".encode()
    assert replace_text(step("(?m)^b$", "c"), b"a\r\nb\r\n", "x") == b"a\nc\n"


@pytest.mark.parametrize(
    ("patch", "contents", "words"),
    [
        (step("z", "b"), b"a", "expected at least one place that match 'z', found 0"),
        (step("a", "b", 3), b"aa", "expected 3 places that match 'a', found 2"),
        (step("a", "b"), b"\xff", "needs a text file in UTF-8"),
        (step("a", r"\7"), b"a", "invalid group reference"),
    ],
)
def test_a_patch_that_does_not_fit_says_why(patch: RegexReplace, contents: bytes, words: str) -> None:
    with pytest.raises(DownloadError) as caught:
        replace_text(patch, contents, "net/a.py")
    assert words in str(caught.value)
    assert "net/a.py" in str(caught.value)


@pytest.mark.parametrize(
    ("patch", "contents", "words"),
    [
        (step("(a+)+$", "b"), b"a" * 40 + b"!", "takes more than 1 s to compile and match"),
        (step("(?i)" + "[\0-\U0010ffff]" * 390, "b"), b"a", "takes more than 1 s to compile and match"),
        (step("a", "b" * 2000), b"a" * 100_000, "the text grows beyond 16,777,216 characters"),
        (step("(?s)(.+)", "\\1" * 1000), b"a" * (16 << 20), "the text grows beyond 16,777,216 characters"),
        (step("a", "b"), b"a" * ((16 << 20) + 1), "more than 16,777,216 bytes"),
        (step("(?i)(", "b"), b"a", "missing ), unterminated subpattern"),
    ],
    ids=["backtracking", "compiling", "growing", "one large piece", "large file", "late error"],
)
def test_what_takes_too_long_or_grows_too_much_is_refused(
    patch: RegexReplace, contents: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regex_replace, "MAX_SECONDS", 1)
    with pytest.raises(DownloadError) as caught:
        replace_text(patch, contents, "net/a.py")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300
