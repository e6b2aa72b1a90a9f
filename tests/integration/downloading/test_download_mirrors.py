"""Mirrors, and downloads without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.archived_model import ARCHIVE, FINISHED, SCRIPT
from tests.support.downloads import (
    IMPATIENT,
    delivered,
    download_failing,
    download_ok,
)
from tests.support.http_server import Answer, FaultyServer


def test_mirrors_come_first_and_the_result_says_who_served(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    with FaultyServer() as mirror:
        mirror.put("/zoo/net/net.tar.gz", ARCHIVE)  # Open Model Zoo's storage has no "public"
        outcome = download_ok(zoo, tmp_path / "out", "--mirror", mirror.url + "/zoo")
        assert f"net.tar.gz from {mirror.url}/zoo/net/net.tar.gz" in outcome.out
        assert f"code/run.py from {server.url}/run.py" in outcome.out
    assert server.paths() == ["/run.py"]
    assert delivered(tmp_path / "out") == FINISHED


def test_a_dead_a_slow_and_a_lying_mirror_are_left_for_the_next(
    zoo: Path, tmp_path: Path, server: FaultyServer
) -> None:
    with FaultyServer() as slow, FaultyServer() as lying:
        for name, body in (("net.tar.gz", ARCHIVE), ("code/run.py", SCRIPT)):
            slow.put(f"/public/net/{name}", body, Answer(drip_at=0, drip_seconds=0.05))
            lying.put(f"/public/net/{name}", body[::-1])
        mirrors = [option for url in ("http://127.0.0.1:9", slow.url, lying.url) for option in ("--mirror", url)]
        outcome = download_ok(zoo, tmp_path / "out", *IMPATIENT, *mirrors)
        assert len(slow.requests) == 2
    assert f"net.tar.gz from {server.url}/net.tar.gz" in outcome.out
    assert delivered(tmp_path / "out") == FINISHED


def test_a_folder_with_an_earlier_download_is_a_mirror_without_a_network(
    zoo: Path, out: Path, tmp_path: Path, server: FaultyServer
) -> None:
    asked = len(server.requests)
    shutil.copy(out / "public/net/net.tar.gz", tmp_path / "net.tar.gz")
    (tmp_path / "mirror/public/net/code").mkdir(parents=True)
    (tmp_path / "mirror/public/net/code/run.py").write_bytes(SCRIPT)
    mirrors = ["--mirror", str(tmp_path), "--mirror", (tmp_path / "mirror").as_uri()]
    outcome = download_ok(zoo, tmp_path / "new", "--offline", *mirrors)
    assert f"net.tar.gz from {tmp_path / 'net.tar.gz'}" in outcome.out
    assert delivered(tmp_path / "new") == FINISHED
    assert len(server.requests) == asked


def test_offline_never_touches_the_network(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    message = download_failing(zoo, tmp_path / "out", "--offline", "--mirror", server.url)
    assert "--offline forbids the network" in message
    assert "try: download once without --offline, or name a copy: --mirror" in message
    assert "`" not in message  # the command line names options, not parameters
    assert server.requests == []


def test_a_mirror_of_another_kind_is_wrong_usage(zoo: Path, tmp_path: Path) -> None:
    assert "ftp://x.invalid/zoo: expected an http://" in download_failing(
        zoo, tmp_path / "out", "--mirror", "ftp://x.invalid/zoo", code=2
    )
