"""Folders on other people's disks: without locks, with files of their owner under the names of a model."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from tests.support.archived_model import FINISHED
from tests.support.downloads import delivered, download_failing, download_ok
from tests.support.http_server import FaultyServer


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ESTALE, errno.EACCES, errno.EIO])
def test_without_locks_it_ends_at_once_and_no_lock_does_without(
    zoo: Path, tmp_path: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    message = download_failing(zoo, tmp_path / "out")
    assert f"this file system has no file locks ({os.strerror(code)})" in message
    assert "--output_dir" in message
    assert "--no_lock" in message
    assert not server.requests
    download_ok(zoo, tmp_path / "out", "--no_lock")
    assert delivered(tmp_path / "out") == FINISHED
