"""The cache, as the commands use it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from mixnet_tools.downloading.cache.store import Cache, CacheEntry
from tests.support import omz_checkout
from tests.support.archived_model import ARCHIVE, FINISHED, SCRIPT
from tests.support.downloads import (
    add_model,
    delivered,
    download_failing,
    download_ok,
    file_entry,
    run_command,
    sha384,
)
from tests.support.http_server import FaultyServer


def cache_path(cache: Path, body: bytes) -> Path:
    return cache / "1" / sha384(body)[:2] / sha384(body)[2:]


def test_the_cache_has_the_layout_of_omz_and_spares_the_network(
    zoo: Path, tmp_path: Path, server: FaultyServer
) -> None:
    cache = tmp_path / "cache"
    download_ok(zoo, tmp_path / "one", "--cache_dir", cache)
    assert cache_path(cache, ARCHIVE).read_bytes() == ARCHIVE
    assert cache_path(cache, SCRIPT).read_bytes() == SCRIPT
    asked = len(server.requests)
    outcome = download_ok(zoo, tmp_path / "two", "--cache_dir", cache, "--offline")
    assert "net.tar.gz from the cache" in outcome.out
    assert delivered(tmp_path / "two") == FINISHED
    assert len(server.requests) == asked


def test_a_cache_that_omz_downloader_filled_is_taken_over(zoo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "1/staging").mkdir(parents=True)
    (cache / "1/staging/tmpk3x_a9").write_bytes(ARCHIVE[:1000])  # of a run that was killed
    for body in (ARCHIVE, SCRIPT):
        cache_path(cache, body).parent.mkdir(exist_ok=True)
        cache_path(cache, body).write_bytes(body)
        cache_path(cache, body).chmod(0o600)  # its files come from Python's tempfile
    outcome = download_ok(zoo, tmp_path / "out", "--cache_dir", cache, "--offline")
    assert "net.tar.gz from the cache" in outcome.out
    assert delivered(tmp_path / "out") == FINISHED
    assert "2 files" in run_command("cache", "ls", "--cache_dir", cache).out
    assert run_command("cache", "verify", "--cache_dir", cache).code == 0


@omz_checkout.needed
def test_the_cache_is_shared_with_open_model_zoos_own_code(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from omz_tools.download_engine.cache import DirCache\n"
        "cache, digest = DirCache(Path(sys.argv[1])), bytes.fromhex(sys.argv[2])\n"
        "print(cache.has(digest))\n"
        "cache.put(digest, Path(sys.argv[3]))\n"
    )
    ours, theirs, archive = tmp_path / "ours", tmp_path / "theirs", tmp_path / "archive"
    archive.write_bytes(ARCHIVE)
    download_ok(zoo, tmp_path / "one", "--cache_dir", ours)
    assert omz_checkout.run_python(program, ours, sha384(ARCHIVE), archive) == "True\n"
    assert omz_checkout.run_python(program, theirs, sha384(ARCHIVE), archive) == "False\n"
    outcome = download_ok(zoo, tmp_path / "two", "--cache_dir", theirs)
    assert "net.tar.gz from the cache" in outcome.out
    assert delivered(tmp_path / "two") == FINISHED


@pytest.mark.parametrize("damaged", [ARCHIVE[:-1] + b"?", ARCHIVE[:100], b""], ids=["changed", "cut", "empty"])
def test_a_corrupt_entry_is_noticed_dropped_and_fetched_again(zoo: Path, tmp_path: Path, damaged: bytes) -> None:
    cache = tmp_path / "cache"
    cache_path(cache, ARCHIVE).parent.mkdir(parents=True)
    cache_path(cache, ARCHIVE).write_bytes(damaged)
    outcome = download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    assert "is corrupt" in outcome.err
    assert delivered(tmp_path / "out") == FINISHED
    assert cache_path(cache, ARCHIVE).read_bytes() == ARCHIVE


def test_repairing_a_file_never_writes_through_a_link(zoo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    archive = tmp_path / "out/public/net/net.tar.gz"
    os.truncate(archive, 100)
    os.link(archive, tmp_path / "other name")
    download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    assert delivered(tmp_path / "out") == FINISHED
    assert cache_path(cache, ARCHIVE).read_bytes() == ARCHIVE
    assert (tmp_path / "other name").stat().st_size == 100


@pytest.mark.parametrize("changed", ["an output", "the cache's entry"])
def test_outputs_are_private(zoo: Path, tmp_path: Path, changed: str) -> None:
    """Neither an output that is edited in place nor an entry that its owner changes reaches any other file."""
    cache, first, second = tmp_path / "cache", tmp_path / "first", tmp_path / "second"
    download_ok(zoo, first, "--cache_dir", cache)
    download_ok(zoo, second, "--cache_dir", cache)
    places = [first / "public/net/net.tar.gz", second / "public/net/net.tar.gz", cache_path(cache, ARCHIVE)]
    victim = places.pop(1 if changed == "an output" else 2)
    known = victim.stat()
    with victim.open("r+b") as stream:
        stream.write(b"changed in place")
    os.utime(victim, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert [place.read_bytes() for place in places] == [ARCHIVE, ARCHIVE]
    # Nobody gets the bytes of an entry that was changed.
    outcome = download_ok(zoo, tmp_path / "third", "--cache_dir", cache)
    assert ("is corrupt" in outcome.err) == (changed == "the cache's entry")
    assert delivered(tmp_path / "third") == FINISHED


@pytest.mark.parametrize("obstacle", ["file", "file deeper", "folder for an entry"])
def test_a_cache_that_cannot_be_used_only_warns(zoo: Path, tmp_path: Path, obstacle: str) -> None:
    cache = tmp_path / "cache"
    if obstacle == "file":
        cache.write_text("not a folder")
    elif obstacle == "file deeper":
        cache.mkdir()
        (cache / "1").write_text("not a folder")
    else:
        for body in (ARCHIVE, SCRIPT):
            cache_path(cache, body).mkdir(parents=True)
    outcome = download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    assert "going on without it" in outcome.err
    assert delivered(tmp_path / "out") == FINISHED


def test_mixnet_cache_lists_verifies_and_prunes(zoo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    listed = run_command("cache", "ls", "--cache_dir", cache)
    assert listed.code == 0
    assert f"sha384:{sha384(ARCHIVE)}" in listed.out
    assert "2 files" in listed.err + listed.out
    assert listed.out.splitlines()[0].split()[-2:] == [time.strftime("%Y-%m-%d"), "net"]
    assert run_command("cache", "verify", "--cache_dir", cache).code == 0

    shutil.copy(cache_path(cache, SCRIPT), tmp_path / "copy")
    cache_path(cache, SCRIPT).unlink()
    cache_path(cache, SCRIPT).write_bytes(b"damaged")
    verified = run_command("cache", "verify", "--cache_dir", cache)
    assert verified.code == 1
    assert str(cache_path(cache, SCRIPT)) in verified.err
    assert cache_path(cache, SCRIPT).exists()
    run_command("cache", "verify", "--cache_dir", cache, "--drop")
    assert not cache_path(cache, SCRIPT).exists()

    assert run_command("cache", "prune", "--cache_dir", cache, "--max_size", "1GB").code == 0
    assert cache_path(cache, ARCHIVE).exists()
    assert run_command("cache", "prune", "--cache_dir", cache, "--max_size", "0", "--dry_run").code == 0
    assert cache_path(cache, ARCHIVE).exists()
    pruned = run_command("cache", "prune", "--cache_dir", cache, "--max_size", "1k")
    assert sha384(ARCHIVE) in pruned.out
    assert not cache_path(cache, ARCHIVE).exists()
    assert delivered(tmp_path / "out") == FINISHED
    assert run_command("cache", "prune", "--cache_dir", cache).code == 2
    assert run_command("cache", "ls", "--cache_dir", tmp_path / "none").code == 1


@pytest.mark.parametrize("options", [(), ("--offline",)])
def test_a_descriptor_of_a_wrong_size_is_called_wrong_and_not_the_cache(
    zoo: Path, tmp_path: Path, server: FaultyServer, options: tuple[str, ...]
) -> None:
    cache = tmp_path / "cache"
    download_ok(zoo, tmp_path / "one", "--cache_dir", cache)
    entry = file_entry("net.tar.gz", ARCHIVE, server.url + "/nothing") | {"size": len(ARCHIVE) + 1}
    add_model(tmp_path / "wrong", "net", [entry])
    message = download_failing(tmp_path / "wrong", tmp_path / "two", "--cache_dir", cache, *options)
    assert f"its descriptor is wrong: size: expected {len(ARCHIVE) + 1} bytes" in message
    assert f"has {len(ARCHIVE)}" in message
    assert "corrupt" not in message
    assert cache_path(cache, ARCHIVE).read_bytes() == ARCHIVE


def test_one_unreadable_entry_does_not_end_verify(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    real = Cache.is_right

    def is_right(self: Cache, entry: CacheEntry) -> bool:
        if entry.path == cache_path(cache, ARCHIVE):
            raise PermissionError(13, "Permission denied")
        return real(self, entry)

    monkeypatch.setattr(Cache, "is_right", is_right)
    verified = run_command("cache", "verify", "--cache_dir", cache)
    assert verified.code == 1
    assert "1 files, all as their names say" in verified.out
    assert f"{cache_path(cache, ARCHIVE)}: Permission denied" in verified.err
    cache_path(cache, SCRIPT).write_bytes(b"damaged")
    verified = run_command("cache", "verify", "--cache_dir", cache)
    assert "1 of 1 files in the cache are corrupt" in verified.err
    assert f"{cache_path(cache, ARCHIVE)}: Permission denied" in verified.err
