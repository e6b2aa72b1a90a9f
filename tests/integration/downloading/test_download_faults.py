"""Every way in which a server can fail ends in the right file, or in one clear error and no file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mixnet_tools.downloading.transport import google_drive
from mixnet_tools.network import retry
from mixnet_tools.network.failure import SourceFailure
from tests.support.downloads import IMPATIENT, add_model, delivered, download_failing, download_ok, file_entry, noise
from tests.support.http_server import Answer, FaultyServer

BODY = noise(100_000)
OTHER = noise(100_000, "another file")
DELAY = retry.delay_before_retry
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>" + b" " * 100_000


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty zoo; pauses between attempts are short."""
    monkeypatch.setattr(retry, "delay_before_retry", lambda *given: DELAY(*given) / 20)
    return tmp_path / "zoo"


def patience(answers: Sequence[Answer]) -> Sequence[str]:
    return IMPATIENT if any(answer.is_slow for answer in answers) else ()


def fetch(server: FaultyServer, zoo: Path, *answers: Answer, name: str = "net.bin") -> dict[str, bytes]:
    """The folder after a download of one file, which the server answers with ``answers`` and which must succeed."""
    add_model(zoo, "net", [file_entry(name, BODY, server.put("/net.bin", BODY, *answers))])
    download_ok(zoo, zoo / "out", *patience(answers))
    return delivered(zoo / "out")


def fail(server: FaultyServer, zoo: Path, *answers: Answer) -> str:
    """The message of a download that must fail, and leave nothing under a final name."""
    add_model(zoo, "net", [file_entry("net.bin", BODY, server.put("/net.bin", BODY, *answers))])
    message = download_failing(zoo, zoo / "out", *patience(answers))
    assert delivered(zoo / "out") == {}
    assert str(zoo / "out") in message
    return message


PASSING = {
    "good": [Answer()],
    "cut": [Answer(cut_at=30_000), Answer()],
    "cut at the first byte": [Answer(cut_at=0), Answer()],
    "cut twice": [Answer(cut_at=30_000), Answer(cut_at=30_000), Answer()],
    "cut one byte before the end": [Answer(cut_at=99_999), Answer()],
    "cut, chunked": [Answer(cut_at=30_000, chunked=True), Answer(chunked=True)],
    "cut, no length": [Answer(cut_at=30_000, declared=-1), Answer()],
    "chunked": [Answer(chunked=True)],
    "no length": [Answer(declared=-1)],
    "says it is longer": [Answer(declared=100_100)],
    "stall": [Answer(stall_at=30_000), Answer()],
    "drip": [Answer(drip_at=30_000, drip_seconds=0.05), Answer()],
    "silent before the headers": [Answer(wait=3), Answer()],
    "429": [Answer(status=429, headers={"Retry-After": "0"}), Answer()],
    "503": [Answer(status=503), Answer(status=500), Answer()],
    "408": [Answer(status=408), Answer()],
    "range ignored": [Answer(cut_at=30_000), Answer(ranges="ignore")],
    "range shifted": [Answer(cut_at=30_000), Answer(ranges="shift"), Answer()],
    "range lied about": [Answer(cut_at=30_000), Answer(ranges="lie"), Answer()],
    "range refused": [Answer(cut_at=30_000), Answer(ranges="refuse"), Answer()],
    "changed midway": [Answer(body=OTHER, etag='"old"', cut_at=30_000), Answer()],
    "changed midway, If-Range ignored": [Answer(body=OTHER, etag='"old"', cut_at=30_000), Answer(ranges="always")],
    "changed midway, no ETag": [Answer(body=OTHER, etag="", cut_at=30_000), Answer(etag="")],
    "no ETag": [Answer(etag="", cut_at=30_000), Answer(etag="")],
    "weak ETag": [Answer(etag='W/"x"', cut_at=30_000), Answer(etag='W/"x"')],
    "gzip-encoded": [Answer(packed=True)],
    "gzip-encoded, chunked": [Answer(packed=True, chunked=True)],
    "gzip-encoded, cut": [Answer(packed=True, cut_at=30_000), Answer(packed=True)],
    "called gzip": [Answer(label="gzip")],
    "called gzip, chunked": [Answer(label="gzip", chunked=True)],
    "called gzip, cut": [Answer(label="gzip", cut_at=30_000), Answer(label="gzip")],
    "encoding unheard of": [Answer(label="x-own")],
}


@pytest.mark.parametrize("answers", PASSING.values(), ids=PASSING.keys())
def test_faults_that_can_pass_end_in_the_right_file(server: FaultyServer, zoo: Path, answers: list[Answer]) -> None:
    assert fetch(server, zoo, *answers) == {"public/net/net.bin": BODY}


HOPELESS = {
    "401": ([Answer(status=401)], "HTTP 401 Unauthorized: the server wants credentials"),
    "403": ([Answer(status=403)], "HTTP 403 Forbidden: the server does not allow it"),
    "404": ([Answer(status=404)], "HTTP 404 Not Found: there is no such file"),
    "410": ([Answer(status=410)], "HTTP 410 Gone"),
    "418": ([Answer(status=418)], "HTTP 418"),
    "204": ([Answer(status=204)], "HTTP 204"),
    "html": ([Answer(body=PAGE)], "sent an HTML page instead of the file"),
    "wrong body": ([Answer(body=OTHER)], "sent another file: 100000 bytes, sha384 "),
    "longer": ([Answer(body=BODY + b"!")], "sent another file: more than 100000 bytes"),
    "longer, chunked": ([Answer(body=BODY + b"!", chunked=True)], "sent another file: more than 100000 bytes"),
    "shorter": ([Answer(body=BODY[:-1])], "sent another file: 99999 bytes, sha384 "),
    "empty": ([Answer(body=b"")], "sent another file: 0 bytes"),
    "wrong body, gzip-encoded": ([Answer(body=OTHER, packed=True)], "sent another file"),
    "no redirect target": ([Answer(status=302)], "HTTP 302 Found"),
    "redirected to a file": (
        [Answer(status=302, headers={"Location": "file:///etc/passwd"})],
        "redirects to file:///etc/passwd, which is not http or https",
    ),
    "busy for an hour": (
        [Answer(status=503, headers={"Retry-After": "3600"})],
        "HTTP 503 Service Unavailable, asks to come back in 3600 s",
    ),
}


@pytest.mark.parametrize(("answers", "words"), HOPELESS.values(), ids=HOPELESS.keys())
def test_faults_that_cannot_pass_are_not_retried(
    server: FaultyServer, zoo: Path, answers: list[Answer], words: str
) -> None:
    message = fail(server, zoo, *answers)
    assert words in message
    assert "attempts)" not in message
    encoded = answers[0].packed
    assert server.paths() == ["/net.bin"] * (2 if encoded else 1)


STUBBORN = {
    "always cut": ([Answer(cut_at=10)], "was cut off, after"),
    "always silent": ([Answer(stall_at=0)], "stalled: nothing came from 127.0.0.1 for 1 s"),
    "always dripping": ([Answer(drip_at=0, drip_seconds=0.05)], "stalled: "),
    "always 500": ([Answer(status=500)], "HTTP 500"),
    "always 429": ([Answer(status=429, headers={"Retry-After": "0"})], "HTTP 429"),
}


@pytest.mark.parametrize(("answers", "words"), STUBBORN.values(), ids=STUBBORN.keys())
def test_what_does_not_pass_is_given_up_after_three_attempts(
    server: FaultyServer, zoo: Path, answers: list[Answer], words: str
) -> None:
    message = fail(server, zoo, *answers)
    assert words in message
    assert "(3 attempts)" in message
    assert len(server.requests) == 3


def test_a_mismatch_shows_all_that_is_needed_to_reproduce_it(server: FaultyServer, zoo: Path) -> None:
    message = fail(server, zoo, Answer(body=OTHER))
    entry = file_entry("net.bin", OTHER, "")
    assert f"expected 100000 bytes, sha384 {file_entry('', BODY, '')['checksum']}" in message
    assert f"100000 bytes, sha384 {entry['checksum']}" in message
    assert f"{server.url}/net.bin" in message
    assert f"curl -L -o net.bin {server.url}/net.bin && sha384sum net.bin" in message
    assert "try: " in message


def test_redirects_are_followed_but_not_in_circles(server: FaultyServer, zoo: Path) -> None:
    server.put("/there", b"", Answer(status=302, headers={"Location": "net.bin?x=1"}))
    server.put("/net.bin", BODY)
    add_model(zoo, "net", [file_entry("net.bin", BODY, server.url + "/there")])
    download_ok(zoo, zoo / "out")
    assert delivered(zoo / "out") == {"public/net/net.bin": BODY}

    server.put("/a", b"", Answer(status=301, headers={"Location": "/b"}))
    server.put("/b", b"", Answer(status=301, headers={"Location": "/a"}))
    add_model(zoo, "net", [file_entry("net.bin", BODY, server.url + "/a")])
    before = len(server.requests)
    assert "(in circles?)" in download_failing(zoo, zoo / "other")
    assert len(server.requests) - before < 25


def test_retry_after_is_waited_for(server: FaultyServer, zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def record(failure: SourceFailure, attempt: int, base: float) -> float:
        asked.append(DELAY(failure, attempt, base))
        return 0.0

    monkeypatch.setattr(retry, "delay_before_retry", record)
    fetch(server, zoo, Answer(status=429, headers={"Retry-After": "7"}), Answer(status=503), Answer())
    assert asked[0] == 7.0
    assert 0 < asked[1] <= 1.0


def test_resuming_asks_for_the_rest_only_if_it_is_the_same_file(server: FaultyServer, zoo: Path) -> None:
    fetch(server, zoo, Answer(cut_at=30_000), Answer())
    first, second = server.requests
    assert "range" not in first.headers
    assert first.headers["accept-encoding"] == "identity"
    start = int(second.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 30_000
    assert second.headers["if-range"].startswith('"')


def test_a_weak_etag_is_no_reason_to_continue_but_a_date_is(server: FaultyServer, zoo: Path) -> None:
    date = {"Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}
    weak = Answer(etag='W/"x"', cut_at=30_000, headers=date, ranges="always")
    fetch(server, zoo, weak, Answer(etag='W/"x"', headers=date, ranges="always"))
    assert server.requests[1].headers["if-range"] == date["Last-Modified"]


@pytest.mark.parametrize("answer", [Answer(label="gzip"), Answer(packed=True)])
def test_an_encoding_is_understood_at_the_first_attempt(server: FaultyServer, zoo: Path, answer: Answer) -> None:
    fetch(server, zoo, answer)
    assert len(server.requests) == 1


def test_a_second_run_goes_on_where_the_first_ended(server: FaultyServer, zoo: Path) -> None:
    add_model(zoo, "net", [file_entry("net.bin", BODY, server.put("/net.bin", BODY, Answer(cut_at=60_000), Answer()))])
    message = download_failing(zoo, zoo / "out", "--num_attempts", "1")
    assert "what has arrived is kept" in message
    download_ok(zoo, zoo / "out")
    assert delivered(zoo / "out") == {"public/net/net.bin": BODY}
    assert int(server.requests[1].headers["range"].removeprefix("bytes=").removesuffix("-")) > 0


def test_a_damaged_part_costs_a_restart_and_nothing_else(server: FaultyServer, zoo: Path) -> None:
    add_model(zoo, "net", [file_entry("net.bin", BODY, server.put("/net.bin", BODY, Answer(cut_at=60_000), Answer()))])
    download_failing(zoo, zoo / "out", "--num_attempts", "1")
    (part,) = (zoo / "out").rglob("*.part")
    part.write_bytes(b"\0" * part.stat().st_size)
    download_ok(zoo, zoo / "out", "--num_attempts", "1")
    assert delivered(zoo / "out") == {"public/net/net.bin": BODY}
    assert [("range" in request.headers) for request in server.requests] == [False, True, False]


def test_a_part_of_another_version_of_the_descriptor_is_not_continued(server: FaultyServer, zoo: Path) -> None:
    url = server.put("/net.bin", BODY, Answer(cut_at=60_000), Answer())
    add_model(zoo, "net", [file_entry("net.bin", OTHER, url)])
    download_failing(zoo, zoo / "out", "--num_attempts", "1")
    add_model(zoo, "net", [file_entry("net.bin", BODY, url)])
    download_ok(zoo, zoo / "out")
    assert delivered(zoo / "out") == {"public/net/net.bin": BODY}
    assert all("range" not in request.headers for request in server.requests)


def test_what_one_source_began_another_one_ends(server: FaultyServer, zoo: Path) -> None:
    cut = server.put("/cut.bin", BODY, Answer(cut_at=30_000))
    good = server.put("/good.bin", BODY)
    add_model(zoo, "net", [file_entry("net.bin", BODY, cut, good)])
    outcome = download_ok(zoo, zoo / "out")
    assert delivered(zoo / "out") == {"public/net/net.bin": BODY}
    assert f"net.bin from {good}" in outcome.out
    assert "range" in server.requests[1].headers
    assert "if-range" not in server.requests[1].headers  # the first server's validator means nothing to the second


@pytest.mark.parametrize(
    "first", [Answer(status=404), Answer(body=OTHER), Answer(stall_at=10), Answer(body=PAGE), Answer(status=503)]
)
def test_original_source_stands_in_for_a_source_that_fails(server: FaultyServer, zoo: Path, first: Answer) -> None:
    bad, good = server.put("/bad.bin", BODY, first), server.put("/good.bin", BODY)
    add_model(zoo, "net", [file_entry("net.bin", BODY, bad, good)])
    outcome = download_ok(zoo, zoo / "out", *patience([first]))
    assert f"net.bin from {good}" in outcome.out
    assert server.paths() == ["/bad.bin", "/good.bin"]
    assert delivered(zoo / "out") == {"public/net/net.bin": BODY}


def test_an_error_names_every_source_and_what_became_of_it(server: FaultyServer, zoo: Path) -> None:
    gone = server.put("/gone.bin", BODY, Answer(status=410))
    add_model(zoo, "net", [file_entry("net.bin", BODY, "http://127.0.0.1:9/net.bin", gone)])
    message = download_failing(zoo, zoo / "out")
    assert "http://127.0.0.1:9/net.bin: 127.0.0.1 refuses the connection (3 attempts)" in message
    assert f"{gone}: HTTP 410 Gone" in message
    assert "--mirror" in message
    assert "--cache_dir" in message


def test_credentials_in_a_url_are_used_and_never_shown(server: FaultyServer, zoo: Path) -> None:
    secret = server.url.replace("//", "//user:hunter2@") + "/net.bin?token=s3cret"
    server.put("/net.bin", BODY, Answer(body=OTHER), Answer(cut_at=10), Answer())
    add_model(zoo, "net", [file_entry("net.bin", BODY, secret)])
    wrong = download_failing(zoo, zoo / "out", "--debug")
    cut = download_failing(zoo, zoo / "out", "--num_attempts", "1", "--debug")
    outcome = download_ok(zoo, zoo / "out", "--debug")
    assert all(request.headers["authorization"].startswith("Basic ") for request in server.requests)
    assert all(request.path.endswith("?token=s3cret") for request in server.requests)
    state = "".join(path.read_text() for path in (zoo / "out").rglob("*.json"))
    for shown in (wrong, cut, outcome.out, outcome.err, state):
        assert "hunter2" not in shown
        assert "s3cret" not in shown


def test_a_redirect_to_another_host_gets_no_credentials(server: FaultyServer, zoo: Path) -> None:
    with FaultyServer() as other:
        other.put("/net.bin", BODY)
        there = other.url.replace("127.0.0.1", "localhost") + "/net.bin"
        server.put("/net.bin", b"", Answer(status=302, headers={"Location": there}))
        url = server.url.replace("//", "//user:hunter2@") + "/net.bin"
        add_model(zoo, "net", [file_entry("net.bin", BODY, url)])
        download_ok(zoo, zoo / "out")
        assert "authorization" in server.requests[0].headers
        assert "authorization" not in other.requests[0].headers


CONFIRM = """<!DOCTYPE html><html><body>Google Drive can't scan this file for viruses.
<form id="download-form" action="/download" method="get"><input type="submit" value="Download anyway"/>
<input type="hidden" name="id" value="abc"><input type="hidden" name="confirm" value="t"></form></body></html>"""
HTML = {"Content-Type": "text/html; charset=utf-8"}


def test_google_drive_is_confirmed_by_form_by_cookie_or_not_at_all(
    server: FaultyServer, zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_drive, "BASE_URL", server.url + "/uc")
    add_model(zoo, "net", [file_entry("net.bin", BODY, {"$type": "google_drive", "id": "abc"})])

    server.put("/uc", BODY)
    assert "google_drive:abc" in download_ok(zoo, zoo / "plain").out
    server.put("/uc", CONFIRM.encode(), Answer(headers=HTML))
    server.put("/download", BODY)
    download_ok(zoo, zoo / "form")
    assert server.paths()[-1] == "/download?id=abc&confirm=t"
    cookie = {**HTML, "Set-Cookie": "download_warning_1=QxYz"}
    server.put("/uc", BODY, Answer(body=b"<html></html>", headers=cookie), Answer())
    download_ok(zoo, zoo / "cookie")
    assert server.paths()[-1] == "/uc?export=download&id=abc&confirm=QxYz"
    for folder in ("plain", "form", "cookie"):
        assert delivered(zoo / folder) == {"public/net/net.bin": BODY}

    server.put("/uc", b"<html>Quota exceeded</html>", Answer(headers=HTML))
    assert "download quota" in download_failing(zoo, zoo / "quota")
    server.put("/uc", b"<html>Sign in</html>", Answer(headers=HTML))
    assert "a page instead of the file" in download_failing(zoo, zoo / "page")
