"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mixnet_tools.files import digest
from mixnet_tools.files.digest import RunningDigest, digest_of


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_digest_covers_every_byte(tmp_path: Path, algorithm: str) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(data)
    assert digest_of(tmp_path / "a", algorithm) == hashlib.new(algorithm, data).hexdigest()


@pytest.mark.parametrize("processors", [1, 2])
def test_a_running_digest_is_that_of_all_bytes_so_far(processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "processors", lambda: processors)
    monkeypatch.setattr(digest, "_LARGE", 1000)
    running, whole = RunningDigest("sha384"), b""
    for number in range(60):
        chunk = bytes([number]) * 5000
        running.update(chunk)
        whole += chunk
        if number % 20 == 0:
            assert running.hexdigest() == hashlib.sha384(whole).hexdigest()
    assert running.hexdigest() == hashlib.sha384(whole).hexdigest()
    running.close()
    assert running.hexdigest() == hashlib.sha384(whole).hexdigest()


def test_sha256_is_meant_where_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    assert digest_of(tmp_path / "a") == hashlib.sha256(b"x").hexdigest()


def test_the_heartbeat_can_stop_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(3 << 20))
    beats: list[int] = []

    def stop_at_the_second() -> None:
        beats.append(1)
        if len(beats) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        digest_of(tmp_path / "a", heartbeat=stop_at_the_second)
