"""Asking again while it pays: servers that cut, that are away for a while, that take few connections at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mixnet_tools.network import retry
from tests.support.downloads import add_model, delivered, download, download_failing, download_ok, file_entry, noise
from tests.support.http_server import Answer, FaultyServer

BODY = noise(400_000)
EXPECTED = {"public/net/net.bin": BODY}
DELAY = retry.delay_before_retry


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts are short."""
    monkeypatch.setattr(retry, "delay_before_retry", lambda *given: DELAY(*given) / 20)


def zoo_of(tmp_path: Path, url: str, second: str | None = None) -> Path:
    add_model(tmp_path / "zoo", "net", [file_entry("net.bin", BODY, url, second)])
    return tmp_path / "zoo"


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("options", [(), ("--num_attempts", "2"), ("--max_wait", "5")], ids=" ".join)
def test_an_attempt_that_brought_bytes_does_not_count(
    server: FaultyServer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    zoo = zoo_of(tmp_path, server.put("/net.bin", BODY, Answer(cut_at=50_000)))
    download_ok(zoo, tmp_path / "out", *(options or ("--max_wait", "60")))
    assert delivered(tmp_path / "out") == EXPECTED
    assert len(server.requests) >= 8


def test_a_server_that_is_away_for_a_while_is_waited_for(tmp_path: Path, server: FaultyServer) -> None:
    # The port of a server that has gone refuses connections, until another one takes it.
    with FaultyServer() as first:
        url = first.put("/net.bin", BODY, Answer(cut_at=100_000))
        zoo = zoo_of(tmp_path, url)
        download_failing(zoo, tmp_path / "out", "--num_attempts", "1")
    back = list[FaultyServer]()

    def come_back() -> None:
        back.append(FaultyServer(port=int(url.rpartition(":")[2].partition("/")[0])).__enter__())
        back[0].put("/net.bin", BODY)

    timer = threading.Timer(1.5, come_back)
    timer.start()
    try:
        download_ok(zoo, tmp_path / "out", "--max_wait", "60")
    finally:
        timer.join()
        back[0].__exit__(None, None, None)
    assert delivered(tmp_path / "out") == EXPECTED
    assert "range" in back[0].requests[0].headers


def test_a_server_that_gives_nothing_is_given_up_once_for_all_files(tmp_path: Path, server: FaultyServer) -> None:
    files = [
        file_entry(f"{number}.bin", BODY, server.put(f"/{number}.bin", BODY, Answer(status=503))) for number in range(6)
    ]
    add_model(tmp_path / "zoo", "net", files)
    message = download_failing(tmp_path / "zoo", tmp_path / "out", "--max_wait", "0.6")
    assert "0.bin" in message
    counts = [server.paths().count(f"/{number}.bin") for number in range(6)]
    assert counts[0] > 1
    assert counts[1:] == [1] * 5


@pytest.mark.parametrize("refuse", [False, True], ids=["503", "hangs up"])
def test_more_jobs_than_a_server_takes_are_no_failure(tmp_path: Path, server: FaultyServer, refuse: bool) -> None:
    with FaultyServer(most=2, refuse=refuse) as busy:
        bodies = {f"{number}.bin": noise(20_000, str(number)) for number in range(8)}
        slow = Answer(wait=0.15)
        files = [file_entry(name, body, busy.put(f"/{name}", body, slow)) for name, body in bodies.items()]
        add_model(tmp_path / "zoo", "net", files)
        outcome = download(tmp_path / "zoo", tmp_path / "out", "-j", "8", "--num_attempts", "2")
        assert outcome.code == 0, outcome.err
    assert delivered(tmp_path / "out") == {f"public/net/{name}": body for name, body in bodies.items()}


def test_a_pause_of_retry_after_does_not_hold_up_another_source(tmp_path: Path, server: FaultyServer) -> None:
    busy = server.put("/busy.bin", BODY, Answer(status=503, headers={"Retry-After": "50"}))
    zoo = zoo_of(tmp_path, busy, server.put("/net.bin", BODY, Answer(status=500), Answer()))
    outcome = download_ok(zoo, tmp_path / "out", "--max_wait", "60")
    assert f"net.bin from {server.url}/net.bin" in outcome.out
    assert server.paths().count("/busy.bin") == 1


def test_a_moment_in_retry_after_is_counted_on_the_servers_clock(tmp_path: Path, server: FaultyServer) -> None:
    moment = {"Retry-After": "Fri, 01 Jan 2100 00:00:30 GMT", "Date": "Fri, 01 Jan 2100 00:00:00 GMT"}
    zoo = zoo_of(tmp_path, server.put("/net.bin", BODY, Answer(status=429, headers=moment)))
    message = download_failing(zoo, tmp_path / "out", "--max_wait", "20")
    assert "HTTP 429 Too Many Requests, asks to come back in 30 s" in message
    assert len(server.requests) == 1
