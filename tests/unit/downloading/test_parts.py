"""The downloader's pure pieces: waiting, explaining, redacting, patching, ordering of places."""

from __future__ import annotations

import errno
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.descriptors import zoo
from mixnet_tools.descriptors.model_yml import ModelDescriptor, RegexReplace
from mixnet_tools.downloading.archives.regex_replace import replace_text
from mixnet_tools.downloading.messages import Attempted, cannot_write, gave_up
from mixnet_tools.downloading.parallel import Stopped, run_each
from mixnet_tools.downloading.sources import LocalPlace, WebPlace, places
from mixnet_tools.downloading.transport import urls
from mixnet_tools.downloading.transport.network_errors import explain
from mixnet_tools.downloading.transport.partial_file import Origin, Part
from mixnet_tools.downloading.transport.receive import Listener, receive
from mixnet_tools.downloading.transport.retry import (
    MAX_DELAY,
    MAX_RETRY_AFTER,
    Kind,
    SourceFailure,
    delay_before_retry,
    parse_retry_after,
)
from mixnet_tools.errors import DownloadError, HttpStatusError, IntegrityError, OfflineError
from mixnet_tools.files.location import redact, redact_within
from tests.support.downloads import add_model, file_entry


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


SECRET = st.text(alphabet="abcXYZ019", min_size=6, max_size=12).map(lambda text: "s3" + text)


@given(SECRET, SECRET, SECRET, SECRET)
def test_no_secret_of_a_url_is_shown(user: str, password: str, token: str, fragment: str) -> None:
    url = f"https://{user}:{password}@host.example:8443/dir/net.bin?X-Amz-Signature={token}&id=7#{fragment}"
    for shown in (redact(url), redact_within(f"503, url='{url}'"), urls.curl_line(url, "net.bin", "sha384")):
        for secret in (user, password, token, fragment):
            assert secret not in shown
        assert "host.example:8443/dir/net.bin" in shown
    assert redact("https://host.example/a?justatoken") == "https://host.example/a?***"


@given(st.text(max_size=60))
def test_redacting_never_fails(text: str) -> None:
    assert isinstance(redact(f"http://{text}"), str)


@given(st.lists(st.text(alphabet="ab#?%é &+", min_size=1, max_size=5), min_size=1, max_size=4).map("/".join))
def test_a_joined_url_keeps_every_character_of_the_path(relative: str) -> None:
    joined = urls.join("https://host/base/?key=1", relative)
    parts = urlsplit(joined)
    from urllib.parse import unquote

    assert unquote(parts.path) == f"/base/{relative}"
    assert parts.query == "key=1"


NO_ROUTE = urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("x"), "no route")
EXPLANATIONS = [
    (requests.ConnectionError(socket.gaierror(-2, "unknown")), "the name host.example cannot be resolved", True),
    (requests.ConnectionError(ConnectionRefusedError(111, "no")), "host.example refuses the connection", True),
    (requests.ConnectionError(NO_ROUTE), "host.example cannot be reached", True),
    (requests.ConnectTimeout(), "no connection to host.example within 9 s", True),
    (requests.ReadTimeout(), "stalled: nothing came for 9 s", True),
    (urllib3.exceptions.IncompleteRead(1, 2), "was cut off", True),
    (requests.ConnectionError(ConnectionResetError(104, "reset")), "the connection broke", True),
    (
        requests.exceptions.ProxyError("cannot connect to http://user:hunter2@proxy"),
        "the proxy could not be used",
        True,
    ),
    (requests.exceptions.SSLError(ssl.SSLError("handshake")), "no secure connection to host.example", True),
    (requests.exceptions.InvalidURL("http://user:hunter2@"), "is not a usable URL", False),
    (requests.exceptions.RequestException("hunter2"), "the request failed (RequestException)", True),
]


@pytest.mark.parametrize(("error", "words", "may_pass"), EXPLANATIONS)
def test_network_errors_are_explained_without_their_own_text(error: Exception, words: str, may_pass: bool) -> None:
    failure = explain(error, "https://user:hunter2@host.example/net.bin", 9.0)
    assert words in str(failure)
    assert failure.may_pass is may_pass
    assert "hunter2" not in str(failure)


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


@pytest.fixture
def model(tmp_path: Path) -> ModelDescriptor:
    entry = file_entry("sub/n.bin", b"x", {"$type": "file", "path": "n.bin"}, "https://host.example/n.bin")
    add_model(tmp_path, "net", [entry])
    return zoo.find_models([tmp_path])[0].load()


def test_places_are_mirrors_in_order_then_source_then_original(model: ModelDescriptor, tmp_path: Path) -> None:
    found = places(model, model.files[0], ["https://m.example/zoo/", str(tmp_path)])
    assert [str(place) for place in found] == [
        "https://m.example/zoo/public/net/sub/n.bin",
        "https://m.example/zoo/net/sub/n.bin",
        "https://m.example/zoo/sub/n.bin",
        f"{tmp_path}/public/net/sub/n.bin",
        f"{tmp_path}/net/sub/n.bin",
        f"{tmp_path}/sub/n.bin",
        f"{tmp_path}/public/net/n.bin",
        "https://host.example/n.bin",
    ]
    assert len({place.group for place in found}) == 4


def attempted(place: str, failure: SourceFailure, group: str | None = None) -> Attempted:
    return Attempted(WebPlace(f"https://{place}/n.bin", group or place), 1, failure)


def test_an_error_has_the_type_of_what_went_wrong(model: ModelDescriptor) -> None:
    gone = SourceFailure("HTTP 404", Kind.PERMANENT, status=404)
    unreachable = SourceFailure("no route", Kind.UNREACHABLE)
    wrong = SourceFailure("sent another file", Kind.PERMANENT, integrity=True)
    cut = SourceFailure("was cut off", Kind.TRANSIENT)

    def kind(*failures: SourceFailure) -> DownloadError:
        return gave_up(model.files[0], Path("n.bin"), [attempted(str(n), one) for n, one in enumerate(failures)])

    assert type(kind(gone, gone)) is HttpStatusError
    assert type(kind(unreachable, unreachable)) is OfflineError
    assert type(kind(gone, wrong)) is IntegrityError
    assert type(kind(unreachable, cut)) is DownloadError
    assert all(error.hint for error in (kind(gone), kind(unreachable), kind(wrong), kind(cut)))


def test_a_mirror_is_one_line_however_many_layouts_were_tried(model: ModelDescriptor) -> None:
    gone = SourceFailure("HTTP 404", Kind.PERMANENT, status=404)
    wrong = SourceFailure("HTTP 500", Kind.TRANSIENT, status=500)
    failures = [attempted("m.example/a", gone, "m"), attempted("m.example/b", wrong, "m"), attempted("other", gone)]
    text = str(gave_up(model.files[0], Path("n.bin"), failures))
    assert text.count("m.example") == 1
    assert "m.example/b/n.bin: HTTP 500" in text


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EIO])
def test_what_the_disk_says_is_passed_on_with_a_way_out(code: int) -> None:
    error = cannot_write(Path("out/net.bin"), OSError(code, "the reason", "out/net.bin"))
    assert "out/net.bin" in str(error)
    assert error.hint


# ---- taking in a body


class Body:
    """An answer with the given chunks."""

    offset = 0
    is_delimited = True
    is_encoded = False

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.declared: int | None = sum(map(len, chunks))
        self.origin = Origin("key", None)

    def chunks(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """Nothing is open."""


def test_after_a_stop_nothing_more_is_written(tmp_path: Path) -> None:
    body, written = Body(b"abc", b"def", b"ghi"), list[int]()

    def stop_after_two() -> None:
        if len(written) == 2:
            raise Stopped

    with Part(tmp_path / "x.part", 9, f"sha256:{hashlib.sha256(b'abcdefghi').hexdigest()}") as part:
        with pytest.raises(Stopped):
            receive(body, part, "x", False, Listener(stop_after_two, written.append))
        assert (tmp_path / "x.part").read_bytes() == b"abcdef"
    with Part(tmp_path / "x.part", 9, f"sha256:{hashlib.sha256(b'abcdefghi').hexdigest()}") as part:
        part.resume(lambda: None)
        part.write(b"ghi")
        assert part.is_complete_and_right
        part.move_to(tmp_path / "new folder" / "x")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x"]


# ---- several at once


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_order_and_failures_stop_nothing(jobs: int) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise DownloadError("two")
        return item * 10

    results = run_each(work, [1, 2, 3, 4], jobs, threading.Event())
    assert [results[0], *results[2:]] == [10, 30, 40]
    assert isinstance(results[1], DownloadError)


def test_as_many_run_at_once_as_were_asked_for() -> None:
    together = threading.Barrier(3, timeout=20)
    assert run_each(lambda item: together.wait() >= 0, [1, 2, 3], 3, threading.Event()) == [True, True, True]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stop_ends_the_run_and_begins_nothing_new(jobs: int) -> None:
    stop, begun = threading.Event(), []

    def work(item: int) -> None:
        begun.append(item)
        stop.set()
        raise Stopped

    with pytest.raises(Stopped):
        run_each(work, list(range(50)), jobs, stop)
    assert len(begun) <= jobs


def test_a_local_place_is_shown_as_its_path() -> None:
    assert str(LocalPlace(Path("a/b"), "g")) == "a/b"
