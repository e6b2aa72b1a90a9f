"""What servers, and things between us and them, put on the wire that no library would: early answers, endless headers,
refused parts, messages in the place of the file.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.downloads import add_model, delivered, download, download_failing, download_ok, file_entry, noise
from tests.support.wire import WireServer, ok

BODY = noise(100_000)
KEPT = 40_000
"""Bytes that are there when the server shows its oddity."""

PAGE = b"\xef\xbb\xbf<!-- sorry -->\n<HTML>log in</HTML>"


def zoo_of(tmp_path: Path, server: WireServer) -> Path:
    add_model(tmp_path / "zoo", "net", [file_entry("net.bin", BODY, f"{server.url}/net.bin")])
    return tmp_path / "zoo"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine stands between the server and the test."""
    monkeypatch.setenv("NO_PROXY", "*")


GOOD = {
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n" + ok(BODY),
    "100, 102 and 103": b"".join(b"HTTP/1.1 %d Wait\r\n\r\n" % status for status in (100, 102, 103)) + ok(BODY),
    "a length of thousands of digits": ok(b"").replace(b": 0", b": " + b"1" * 5000) + BODY,
    "line feeds alone": ok(b"").replace(b"\r\n", b"\n").replace(b": 0", b": 100000") + BODY,
}


@pytest.mark.parametrize("sent", GOOD.values(), ids=GOOD.keys())
def test_odd_but_right(sent: bytes, tmp_path: Path) -> None:
    with WireServer(lambda request, number: sent) as server:
        download_ok(zoo_of(tmp_path, server), tmp_path / "out")
        assert len(server.requests) == 1
    assert delivered(tmp_path / "out") == {"public/net/net.bin": BODY}


BAD = {
    "early answers without end": (b"HTTP/1.1 103 Early\r\n\r\n" * 60 + ok(BODY), "the connection broke"),
    "a long header": (ok(BODY, "X: " + "y" * 70_000), "127.0.0.1 sends headers that are too long, or too many"),
    "many headers": (ok(BODY, *["X: y"] * 200), "127.0.0.1 sends headers that are too long, or too many"),
    "another protocol": (b"HTTP/2.0 200 OK\r\n\r\n", "what 127.0.0.1 sends is not HTTP/1.1"),
    "a cut status": (b"HTTP/1.1 20", "127.0.0.1 hung up in the middle of its answer"),
    "a page": (ok(PAGE), "sent an HTML page instead of the file"),
}


@pytest.mark.parametrize(("sent", "words"), BAD.values(), ids=BAD.keys())
def test_odd_and_wrong_is_named(sent: bytes, words: str, tmp_path: Path) -> None:
    with WireServer(lambda request, number: sent) as server:
        assert words in download_failing(zoo_of(tmp_path, server), tmp_path / "out", "--num_attempts", "1")


DRIPS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", "the headers of 127.0.0.1 did not end within 0.5 s"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", "nothing came from 127.0.0.1 for 0.5 s"),
}


@pytest.mark.parametrize(("first", "drop", "words"), DRIPS.values(), ids=DRIPS.keys())
def test_what_drips_around_the_file_is_given_up(first: bytes, drop: bytes, words: str, tmp_path: Path) -> None:
    def drip(request: bytes, number: int) -> Iterator[bytes]:
        yield first
        while True:  # no read waits for long, and there is no end
            time.sleep(0.1)
            yield drop

    with WireServer(drip) as server:
        zoo = zoo_of(tmp_path, server)
        message = download_failing(zoo, tmp_path / "out", "--num_attempts", "1", "--timeout", "0.5")
    assert f"stalled: {words}" in message


def cut_first(later: Callable[[bytes], bytes]) -> Callable[[bytes, int], bytes]:
    """A server that cuts the first answer, and then answers as ``later`` does."""
    return lambda request, number: ok(BODY)[: -len(BODY) + KEPT] if number == 1 else later(request)


@pytest.mark.parametrize("status", [400, 403, 405, 412, 416, 500, 501])
def test_a_server_that_gives_no_parts_is_asked_for_the_whole(status: int, tmp_path: Path) -> None:
    refusal = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    with WireServer(cut_first(lambda request: refusal if b"Range:" in request else ok(BODY))) as server:
        download_ok(zoo_of(tmp_path, server), tmp_path / "out", "--max_wait", "60")
    assert delivered(tmp_path / "out") == {"public/net/net.bin": BODY}


MESSAGES = {
    "JSON": ok(b'{"error": "quota"}'),
    "JSON, chunked": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{"error": "quot"}\r\n0\r\n\r\n',
    "a page": ok(PAGE),
    "a packed page": ok(gzip.compress(PAGE), "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES.keys())
def test_what_is_there_is_not_given_up_for_a_message(message: bytes, tmp_path: Path) -> None:
    with WireServer(cut_first(lambda request: message)) as server:
        zoo = zoo_of(tmp_path, server)
        assert "sent a" in download_failing(zoo, tmp_path / "out")
        server.script = lambda request, number: ok(BODY)
        server.requests.clear()
        download_ok(zoo, tmp_path / "out")
        assert f"bytes={KEPT}-".encode() in server.requests[0]


def test_a_diagnosis_is_of_the_file_and_not_of_ranges_or_pages(tmp_path: Path) -> None:
    refusal = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    with WireServer(lambda request, number: refusal if b"Range:" in request else ok(BODY)) as server:
        told = download_ok(zoo_of(tmp_path, server), tmp_path / "out", "--diagnose").out
        assert "ranges:    refused with HTTP 403: an interrupted download begins anew" in told
        assert "result:    usable" in told
        page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n\r\n" + PAGE
        server.script = lambda request, number: page
        outcome = download(zoo_of(tmp_path, server), tmp_path / "out", "--diagnose")
        assert (outcome.code, "page:      an HTML page, not the file" in outcome.out) == (1, True)
