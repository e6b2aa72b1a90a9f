"""Whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from mixnet_tools.files import atomic
from tests.support.systems import posix


def test_the_old_contents_stand_until_the_new_ones_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with atomic.replacing(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("before", ["old", None])
def test_a_failure_changes_nothing_and_leaves_nothing(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "report.json"
    if before is not None:
        path.write_text(before)
    with pytest.raises(TypeError), atomic.replacing(path) as stream:
        stream.writelines([b"half", "no bytes"])  # type: ignore[list-item]
    assert [one.read_text() for one in tmp_path.iterdir()] == ([] if before is None else [before])


def test_what_the_disk_refuses_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_text(path, "new")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


@posix
def test_folders_are_made_and_permissions_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    atomic.write_bytes(path, b"one")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    atomic.write_bytes(path, b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_bytes() == b"two"


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    atomic.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@posix
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    atomic.write_text(tmp_path / "pipe", "result")
    reader.join(20)
    assert read == ["result"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_text_that_utf8_has_not_is_an_error_or_escaped(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(tmp_path / "a", "\udcff")
    atomic.write_text(tmp_path / "a", "\udcff", errors="backslashreplace")
    assert (tmp_path / "a").read_text() == "\\udcff"


@pytest.mark.parametrize("size", [10, (1 << 20) + 1])
def test_only_a_large_file_is_waited_for_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    source, target = tmp_path / "a.part", tmp_path / "new" / "a"
    source.write_bytes(bytes(size))
    atomic.rename_durably(source, target)
    assert target.stat().st_size == size
    assert not source.exists()
    assert len(flushed) == (size > 1 << 20)


def test_where_no_open_file_can_be_renamed_it_is_closed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = os.replace, list[bool]()

    def replace(source: Path, target: Path) -> None:
        tries.append(stream.closed)
        if not stream.closed:
            raise PermissionError(13, "The process cannot access the file")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with atomic.replacing(tmp_path / "a") as stream:
        stream.write(b"new")
    assert tries == [False, True]
    assert (tmp_path / "a").read_bytes() == b"new"
