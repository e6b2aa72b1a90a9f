"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mixnet_tools.files.digest import digest_of


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_digest_covers_every_byte(tmp_path: Path, algorithm: str) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(data)
    assert digest_of(tmp_path / "a", algorithm) == hashlib.new(algorithm, data).hexdigest()


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
