"""The cache on its own: layout, pruning, and what it does when files go wrong."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from mixnet_tools.downloading.cache.store import Cache, WrongSize
from mixnet_tools.downloading.cache.uses import Uses
from mixnet_tools.files.copies import copy_to, opened, share_or_copy
from tests.support.downloads import noise
from tests.support.systems import posix


def put(cache: Cache, tmp_path: Path, body: bytes, algorithm: str = "sha384") -> str:
    """Store ``body`` and return its checksum."""
    checksum = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
    path = tmp_path / "source"
    path.write_bytes(body)
    cache.store(checksum, path)
    path.unlink()
    return checksum


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, warnings: list[str]) -> Cache:
    return Cache(tmp_path / "cache", warnings.append)


def take(cache: Cache, tmp_path: Path, checksum: str, size: int) -> bytes | None:
    target = tmp_path / "target"
    found = cache.fetch(checksum, size, target, lambda: None)
    assert found == target.exists()
    return target.read_bytes() if found else None


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_what_was_stored_comes_back(cache: Cache, tmp_path: Path, algorithm: str, warnings: list[str]) -> None:
    body = noise(10_000)
    checksum = put(cache, tmp_path, body, algorithm)
    digest = checksum.partition(":")[2]
    assert (tmp_path / "cache/1" / digest[:2] / digest[2:]).read_bytes() == body
    assert take(cache, tmp_path, checksum, len(body)) == body
    assert [(entry.checksum, entry.size) for entry in cache.entries()] == [(checksum, len(body))]
    assert not warnings


def test_what_was_not_stored_does_not(cache: Cache, tmp_path: Path, warnings: list[str]) -> None:
    assert take(cache, tmp_path, "sha384:" + "0" * 96, 5) is None
    assert not warnings


def test_an_entry_of_the_right_size_with_wrong_bytes_is_dropped(
    cache: Cache, tmp_path: Path, warnings: list[str]
) -> None:
    checksum = put(cache, tmp_path, b"right")
    cache.path_of(checksum).write_bytes(b"wrong")
    assert take(cache, tmp_path, checksum, 5) is None
    assert not cache.path_of(checksum).exists()
    assert len(warnings) == 1
    assert "is corrupt" in warnings[0]


def test_an_entry_whose_bytes_are_right_is_never_called_corrupt(
    cache: Cache, tmp_path: Path, warnings: list[str]
) -> None:
    checksum = put(cache, tmp_path, b"right")
    for size in (4, 6, 0):
        with pytest.raises(WrongSize, match="the file with this digest has 5 bytes"):
            take(cache, tmp_path, checksum, size)
    assert not warnings
    assert take(cache, tmp_path, checksum, 5) == b"right"
    cache.path_of(checksum).write_bytes(b"wrong and long")
    assert take(cache, tmp_path, checksum, 5) is None
    assert not cache.path_of(checksum).exists()


def test_a_failure_to_write_is_not_the_cache_s(cache: Cache, tmp_path: Path, warnings: list[str]) -> None:
    checksum = put(cache, tmp_path, b"right")
    with pytest.raises(FileNotFoundError):
        cache.fetch(checksum, 5, tmp_path / "no such folder" / "target", lambda: None)
    assert not warnings


def test_an_entry_that_cannot_be_read_only_warns(
    cache: Cache, tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum = put(cache, tmp_path, b"right")
    real = os.open

    def refuse(path: os.PathLike[str] | str, *rest: int) -> int:
        if str(path) == str(cache.path_of(checksum)):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    assert take(cache, tmp_path, checksum, 5) is None
    assert "cannot be read (Permission denied)" in warnings[0]
    assert cache.path_of(checksum).exists()


def test_use_is_recorded_by_downloads_alone(cache: Cache, tmp_path: Path) -> None:
    old, new = (put(cache, tmp_path, body) for body in (b"old", b"new"))
    for checksum in (old, new):
        os.utime(cache.path_of(checksum), (2e9, 1e9))  # times of access say nothing
    assert {entry.used for entry in cache.entries()} == {1e9}
    cache.remember(new, "net")
    cache.remember(new, "another")
    cache.record_uses()
    cache.remember(new, "net")
    cache.record_uses()
    known = {entry.checksum: entry for entry in cache.entries()}
    assert known[new].models == ("another", "net")
    assert known[new].used > 1e9
    assert (known[old].used, known[old].models) == (1e9, ())
    assert cache.is_right(known[old])
    assert [entry.checksum for entry in cache.prune(max_bytes=None, max_age=86400)] == [old]


def test_records_of_many_runs_become_one_and_broken_ones_count_for_nothing(tmp_path: Path) -> None:
    uses = Uses(tmp_path, tmp_path)
    for number in range(40):
        uses.write([(f"sha384:{number:096x}", "net")])
    assert len(list(tmp_path.iterdir())) < 34
    for name, text in (("a", "{"), ("b", '{"used": {"x": 3}}'), ("c", '{"used": {"sha384:0": ["soon"]}}'), ("d", "[]")):
        (tmp_path / f"{name}.json").write_text(text)
    assert len(uses.read()) == 40


@posix
@pytest.mark.parametrize(("mode", "shared"), [(0o775, True), (0o777, True), (0o755, False)])
def test_who_may_write_into_the_cache_may_use_all_of_it(cache: Cache, tmp_path: Path, mode: int, shared: bool) -> None:
    cache.folder.mkdir()
    cache.folder.chmod(mode)
    before = os.umask(0o077)
    try:
        cache.remember(put(cache, tmp_path, b"x"), "net")
        cache.record_uses()
    finally:
        os.umask(before)
    made = list(cache.folder.rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {mode if shared else 0o700}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o644 if shared else 0o600}


def test_strangers_in_the_folder_are_no_entries(cache: Cache, tmp_path: Path) -> None:
    put(cache, tmp_path, b"x")
    for name in ("README", "zz/" + "0" * 94, "ab/short", "abc/" + "0" * 94, "cd/" + "g" * 94):
        path = tmp_path / "cache/1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stranger")
    (tmp_path / "cache/1/ef" / ("0" * 94)).mkdir(parents=True)
    assert len(list(cache.entries())) == 1


def test_a_folder_in_the_place_of_an_entry_is_told(cache: Cache, tmp_path: Path, warnings: list[str]) -> None:
    entry = cache.path_of(put(cache, tmp_path, b"x"))
    entry.unlink()
    entry.mkdir()
    assert list(cache.entries()) == []
    assert warnings == [f"{entry}: is not a file"]


def test_pruning_takes_the_oldest_first_and_stops_at_the_limit(cache: Cache, tmp_path: Path) -> None:
    checksums = [put(cache, tmp_path, noise(1000, str(number))) for number in range(4)]
    for age, checksum in zip((40, 10, 30, 20), checksums, strict=True):
        when = cache.path_of(checksum).stat().st_mtime - age * 86400
        os.utime(cache.path_of(checksum), (when, when))
    would = cache.prune(max_bytes=2500, max_age=None, dry_run=True)
    assert [entry.checksum for entry in would] == [checksums[0], checksums[2]]
    assert len(list(cache.entries())) == 4
    assert [entry.checksum for entry in cache.prune(max_bytes=None, max_age=35 * 86400)] == [checksums[0]]
    assert [entry.checksum for entry in cache.prune(max_bytes=1000, max_age=None)] == [checksums[2], checksums[3]]
    assert {entry.checksum for entry in cache.entries()} == {checksums[1]}


def test_pruning_sweeps_what_killed_writers_left(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(cache, tmp_path, b"x")
    leftover = tmp_path / "cache/1/staging/abandoned"
    leftover.write_bytes(b"half")
    cache.prune(max_bytes=10**9, max_age=None)
    assert leftover.exists()  # somebody may be writing it
    now = leftover.stat().st_ctime
    monkeypatch.setattr("mixnet_tools.downloading.cache.store.time", SimpleNamespace(time=lambda: now + 2 * 86400))
    cache.prune(max_bytes=10**9, max_age=None)
    assert not leftover.exists()


def test_many_writers_of_one_file_leave_one_right_entry(cache: Cache, tmp_path: Path, warnings: list[str]) -> None:
    body = noise(200_000)
    checksum = f"sha384:{hashlib.sha384(body).hexdigest()}"
    (tmp_path / "source").write_bytes(body)
    threads = [threading.Thread(target=cache.store, args=(checksum, tmp_path / "source")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not warnings
    assert take(cache, tmp_path, checksum, len(body)) == body
    assert not list((tmp_path / "cache/1/staging").iterdir())


@posix
def test_sharing_leaves_nothing_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "source").write_bytes(b"x")
    monkeypatch.setattr("fcntl.ioctl", fail)
    monkeypatch.setattr("mixnet_tools.files.copies.reading", fail)
    with pytest.raises(OSError, match="No space left"), opened(tmp_path / "source") as original:
        copy_to(tmp_path / "target", original)
    assert not (tmp_path / "target").exists()


def test_what_is_shared_is_private(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(noise(100_000))
    share_or_copy(source, target)
    assert not source.samefile(target)
    source.write_bytes(b"changed")
    assert target.read_bytes() == noise(100_000)


@posix
def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(cache: Cache, tmp_path: Path, warnings: list[str]) -> None:
    checksum = put(cache, tmp_path, b"")
    cache.path_of(checksum).unlink()
    os.mkfifo(cache.path_of(checksum))
    assert take(cache, tmp_path, checksum, 0) is None
    assert len(warnings) == 1
    assert "not a file" in warnings[0]


def test_sharing_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    (tmp_path / "target").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        share_or_copy(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"mine"
