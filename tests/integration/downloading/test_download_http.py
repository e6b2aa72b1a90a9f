"""HTTP as servers speak it: redirects, odd addresses, parts that nobody asked for. The digest is the judge."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.support.downloads import add_model, delivered, download_failing, download_ok, file_entry, noise
from tests.support.http_server import Answer, FaultyServer

BODY = noise(100_000)
OTHER = noise(100_000, "another file")
EXPECTED = {"public/net/net.bin": BODY}
ONCE = ("--num_attempts", "1")
PAGE = b"<!DOCTYPE html><html><title>Welcome to our hotel</title></html>" + b" " * 1000


def redirect(server: FaultyServer, path: str, location: str, status: int = 302) -> str:
    return server.put(path, b"", Answer(status=status, headers={"Location": location}))


def zoo_of(tmp_path: Path, url: str, second: str | None = None) -> Path:
    add_model(tmp_path / "zoo", "net", [file_entry("net.bin", BODY, url, second)])
    return tmp_path / "zoo"


def fetch(tmp_path: Path, url: str, *arguments: str) -> None:
    """Download the file from ``url``, which must succeed."""
    download_ok(zoo_of(tmp_path, url), tmp_path / "out", *arguments)
    assert delivered(tmp_path / "out") == EXPECTED


def offset_of(server: FaultyServer, number: int) -> int:
    """From which byte on the request with this number asked; -1 if for the whole file."""
    return int(server.requests[number].headers.get("range", "bytes=-1-").removeprefix("bytes=").rpartition("-")[0])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_stay_on_the_same_server(server: FaultyServer, tmp_path: Path, status: int) -> None:
    server.put("/net.bin", BODY)
    redirect(server, "/start", f"{server.url}/middle", status)  # absolute, without the credentials
    redirect(server, "/middle", "net.bin?signed=1", status)
    fetch(tmp_path, server.url.replace("//", "//user:hunter2@") + "/start")
    assert {request.headers.get("authorization") for request in server.requests} == {
        "Basic " + base64.b64encode(b"user:hunter2").decode()
    }


def test_credentials_go_to_no_other_port_and_new_ones_of_a_redirect_are_used(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password from-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultyServer() as other:
        url = server.url.replace("//", "//user:hunter2@") + "/net.bin"
        other.put("/net.bin", BODY)
        for place in (other.url, other.url.replace("//", "//new:s3cret@"), other.url.replace("127.0.0.1", "localhost")):
            redirect(server, "/net.bin", f"{place}/net.bin")
            download_ok(zoo_of(tmp_path, url), tmp_path / place.rpartition(":")[0].replace("/", ""))
        given = [request.headers.get("authorization", "").removeprefix("Basic ") for request in other.requests]
    assert [base64.b64decode(one) for one in given] == [b"", b"new:s3cret", b"me:from-netrc"]
    assert all("hunter2" not in base64.b64decode(one).decode() for one in given)


@pytest.mark.parametrize(
    ("userinfo", "netrc", "expected"),
    [
        ("user:hunter2@", b"default login me password from-netrc\n", b"user:hunter2"),
        ("token@", b"default login me password from-netrc\n", b"token:"),
        ("me:p%C3%A9%E2%82%AC%40@", b"", "me:p\u00e9\u20ac@".encode()),
        ("", "default login me password p\u20ac\n".encode(), "me:p\u20ac".encode()),
        ("", b"\xff\xfe\0no text", None),
    ],
)
def test_credentials_are_those_of_the_url_or_else_of_netrc(
    server: FaultyServer,
    tmp_path: Path,
    userinfo: str,
    netrc: bytes,
    expected: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_bytes(netrc)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.put("/net.bin", BODY)
    fetch(tmp_path, redirect(server, "/start", "/net.bin").replace("//", f"//{userinfo}"))
    for request in server.requests:
        given = request.headers.get("authorization")
        assert (given and base64.b64decode(given.split()[1])) == expected


ADDRESSES = {
    "UTF-8": ("/caf\u00e9.bin".encode().decode("latin-1"), "/caf%C3%A9.bin"),
    "latin-1": ("/caf\u00e9.bin", "/caf%E9.bin"),
    "a blank": ("/a b.bin", "/a%20b.bin"),
    "no slash": ("b.bin", "/b.bin"),
    "of the same scheme": ("//{host}/c.bin", "/c.bin"),
    "a fragment": ("/d.bin#part", "/d.bin"),
    "blanks around it": (" \t/e.bin \t ", "/e.bin"),
    "a host in other letters": ("http://\uff4cocalhost:{port}/f.bin".encode().decode("latin-1"), "/f.bin"),
}


@pytest.mark.parametrize(("location", "path"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_a_location_may_be_written_oddly(server: FaultyServer, tmp_path: Path, location: str, path: str) -> None:
    host = server.url.removeprefix("http://")
    server.put(path, BODY)
    fetch(tmp_path, redirect(server, "/start", location.format(host=host, port=host[10:])))
    assert server.paths() == ["/start", path]


BAD_ADDRESSES = {
    "http://[::1/x": "redirects to something that is not a usable URL",
    "http://host:port/x": "redirects to something that is not a usable URL",
    "ftp://127.0.0.1/x": "redirects to ftp://127.0.0.1/x, which is not http or https",
    "http://127.0.0.1:9/x?sig=s3cret": "redirects to http://127.0.0.1:9/x?sig=***, which fails: 127.0.0.1 refuses the",
    f"http://{'a' * 64}.invalid/x": ".invalid/x, which fails: is not a usable URL",
}


@pytest.mark.parametrize(("location", "words"), BAD_ADDRESSES.items())
def test_a_location_that_cannot_be_followed_is_that_sources_failure(
    server: FaultyServer, tmp_path: Path, location: str, words: str
) -> None:
    url = redirect(server, "/start", location)
    message = download_failing(zoo_of(tmp_path, url), tmp_path / "out", *ONCE)
    assert words in message
    assert "s3cret" not in message
    download_ok(zoo_of(tmp_path, url, server.put("/net.bin", BODY)), tmp_path / "out")


def test_a_redirect_with_a_long_body_is_not_read_to_its_end(server: FaultyServer, tmp_path: Path) -> None:
    server.put("/net.bin", BODY)
    # A megabyte, of which most never comes: who reads it all waits for a minute.
    location = {"Location": "/net.bin", "Content-Length": "1000000"}
    server.put("/start", b"", Answer(status=302, headers=location, body=b"moved"))
    fetch(tmp_path, f"{server.url}/start", "--timeout", "60")


UNASKED = {
    "203": [Answer(status=203)],
    "203, cut": [Answer(status=203, cut_at=30_000), Answer(status=203)],
    "206 of the whole file": [Answer(ranges="unasked")],
    "206 of the whole file, no length": [Answer(ranges="unasked", declared=-1)],
    "206 with a false size": [Answer(ranges="unasked", headers={"Content-Range": "bytes 0-99999/7"})],
    "206 without a range": [Answer(ranges="unasked", headers={"Content-Range": ""})],
    "parts of 30 kB": [Answer(most=30_000)],
    "parts of 30 kB when asked for the rest": [Answer(cut_at=20_000), Answer(most=30_000)],
    "416, though there is more": [Answer(cut_at=30_000), Answer(ranges="refuse"), Answer(ranges="ignore")],
    "200 with the range, though asked for the rest": [Answer(cut_at=30_000), Answer(ranges="ignore")],
}


@pytest.mark.parametrize("answers", UNASKED.values(), ids=UNASKED.keys())
def test_an_answer_of_another_kind_is_judged_by_the_digest(
    server: FaultyServer, tmp_path: Path, answers: list[Answer]
) -> None:
    fetch(tmp_path, server.put("/net.bin", BODY, *answers))


def test_parts_of_another_file_are_refused_in_the_end(server: FaultyServer, tmp_path: Path) -> None:
    url = server.put("/net.bin", OTHER, Answer(most=30_000))
    message = download_failing(zoo_of(tmp_path, url), tmp_path / "out", *ONCE)
    assert "sent another file: 100000 bytes, sha384" in message
    assert delivered(tmp_path / "out") == {}


def test_etags_that_differ_from_node_to_node_cost_one_request_and_no_byte(server: FaultyServer, tmp_path: Path) -> None:
    nodes = [Answer(etag=f'"node {number}"', cut_at=30_000) for number in range(3)]
    fetch(tmp_path, server.put("/net.bin", BODY, *nodes, Answer(etag='"node 4"')))
    asked = [(offset_of(server, number), "if-range" in one.headers) for number, one in enumerate(server.requests)]
    assert asked[0] == (-1, False)
    assert asked[1][1]
    assert not any(conditional for _, conditional in asked[2:])
    offsets = [offset for offset, _ in asked[1:]]
    assert offsets == sorted(offsets)
    assert offsets[0] > 0


KEPT = {
    "a page of a captive portal": Answer(body=PAGE, etag="", ranges="ignore"),
    "nothing": Answer(body=b"", etag="", ranges="ignore"),
    "a shorter file": Answer(body=BODY[:1000], ranges="ignore"),
}


@pytest.mark.parametrize("answer", KEPT.values(), ids=KEPT.keys())
def test_what_is_there_is_kept_until_it_is_shown_to_be_wrong(
    server: FaultyServer, tmp_path: Path, answer: Answer
) -> None:
    zoo = zoo_of(tmp_path, server.put("/net.bin", BODY, Answer(cut_at=60_000), answer, answer, Answer()))
    download_failing(zoo, tmp_path / "out", *ONCE)
    download_failing(zoo, tmp_path / "out", *ONCE)
    server.put("/net.bin", BODY)
    download_ok(zoo, tmp_path / "out")
    assert delivered(tmp_path / "out") == EXPECTED
    assert offset_of(server, -1) > 10_000


def test_a_server_without_ranges_adds_to_what_is_there(server: FaultyServer, tmp_path: Path) -> None:
    cut = Answer(cut_at=60_000, ranges="ignore")
    zoo = zoo_of(tmp_path, server.put("/net.bin", BODY, cut, Answer(cut_at=30_000, ranges="ignore")))
    download_failing(zoo, tmp_path / "out", *ONCE)
    (part,) = (tmp_path / "out").rglob("*.part")
    there = part.stat().st_size
    download_failing(zoo, tmp_path / "out", *ONCE)
    assert part.stat().st_size == there > 30_000
    server.put("/net.bin", BODY, Answer(ranges="ignore"))
    download_ok(zoo, tmp_path / "out")
    assert delivered(tmp_path / "out") == EXPECTED


def test_all_files_that_failed_are_named(server: FaultyServer, tmp_path: Path) -> None:
    files = [file_entry(f"{number}.bin", BODY, f"{server.url}/{number}.bin") for number in range(8)]
    server.put("/3.bin", BODY)
    add_model(tmp_path / "zoo", "net", files)
    message = download_failing(tmp_path / "zoo", tmp_path / "out")
    assert "7 files could not be downloaded" in message
    assert f"{server.url}/4.bin: HTTP 404 Not Found" in message
    assert all(f"{number}.bin" in message.partition("could not be downloaded")[2] for number in (0, 1, 2, 4, 5, 6, 7))
    assert "3.bin" not in message.partition("could not be downloaded")[2]
    assert delivered(tmp_path / "out") == {"public/net/3.bin": BODY}
