"""Folders on other people's disks: without locks, with files of their owner under the names of a model."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from tests.support.archived_model import ARCHIVE, FINISHED
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


MINE = b"weights of my own"


@pytest.mark.parametrize("option", ["", "--force", "--cache_dir"])
def test_a_file_of_the_user_stays_until_its_replacement_is_verified_and_is_then_moved_aside(
    zoo: Path, tmp_path: Path, server: FaultyServer, option: str
) -> None:
    folder, cache = tmp_path / "out/public/net", tmp_path / "cache"
    options = [option] if option else []
    if option == "--cache_dir":
        download_ok(zoo, tmp_path / "first", option, cache)
        options.append(str(cache))
    names = ["net.tar.gz", "net/model.ckpt"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(MINE)
    (folder / "net.tar.gz.kept").write_bytes(b"older")
    if option != "--cache_dir":
        server.put("/net.tar.gz", b"something else")
        download_failing(zoo, tmp_path / "out", *options)
        assert [(folder / name).read_bytes() for name in names] == [MINE, MINE]
        server.put("/net.tar.gz", ARCHIVE)
    outcome = download_ok(zoo, tmp_path / "out", *options)
    found = delivered(folder)
    assert found.pop("net.tar.gz.kept") == b"older"
    assert found.pop("net.tar.gz.kept-2") == MINE
    assert found.pop("net/model.ckpt.kept") == MINE
    assert {f"public/net/{name}": body for name, body in found.items()} == FINISHED
    assert f"{folder}/net.tar.gz: another file was there; it is now net.tar.gz.kept-2" in outcome.err
    download_ok(zoo, tmp_path / "out", "--force")
    assert len(delivered(folder)) == len(FINISHED) + 3


def test_a_link_of_the_user_is_moved_aside_as_a_link(zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out/public/net"
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(MINE)
    (folder / "net.tar.gz").symlink_to(tmp_path / "elsewhere")
    download_ok(zoo, tmp_path / "out")
    assert (folder / "net.tar.gz.kept").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == MINE
    assert not (folder / "net.tar.gz").is_symlink()
