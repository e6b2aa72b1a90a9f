"""What is there already: nothing is moved twice, and only what is wrong is repaired."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.archived_model import ARCHIVE, FINISHED, PATCHED, SCRIPT, STEPS, WEIGHTS
from tests.support.downloads import (
    add_model,
    delivered,
    download_failing,
    download_ok,
    file_entry,
    noise,
    tar_gz,
)
from tests.support.http_server import Answer, FaultyServer

EXTRA = noise(1000, "extra")


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_a_second_run_moves_nothing_and_says_so(zoo: Path, out: Path, server: FaultyServer) -> None:
    before, asked = snapshot(out), len(server.requests)
    outcome = download_ok(zoo, out)
    assert "net: up to date" in outcome.out
    assert snapshot(out) == before
    assert len(server.requests) == asked


def test_a_second_run_needs_neither_the_archive_nor_the_network(zoo: Path, out: Path, server: FaultyServer) -> None:
    (out / "public/net/net.tar.gz").unlink()
    asked = len(server.requests)
    assert "up to date" in download_ok(zoo, out).out
    assert "up to date" in download_ok(zoo, out, "--verify", "--offline").out
    assert len(server.requests) == asked


@pytest.mark.parametrize("name", sorted(FINISHED))
@pytest.mark.parametrize("harm", ["remove", "truncate", "change", "empty"])
def test_what_is_wrong_is_repaired_and_only_that(
    zoo: Path, out: Path, server: FaultyServer, name: str, harm: str
) -> None:
    before, asked = snapshot(out), len(server.requests)
    path = out / name
    if harm == "remove":
        path.unlink()
    else:
        body = path.read_bytes()
        path.write_bytes({"truncate": body[:-1], "change": body[:-1] + b"?", "empty": b""}[harm])
    download_ok(zoo, out)
    not_missed = {name} if harm == "remove" and name.endswith(".tar.gz") else set()
    found = delivered(out)
    if harm == "change":
        assert found.pop(f"{name}.kept") == body[:-1] + b"?"  # somebody may need it
    assert found == {other: right for other, right in FINISHED.items() if other not in not_missed}
    # Only the archive itself has to come over the network again; all else is made from what is there. A removed
    # archive is not missed, since what it holds is in place, and a shortened one is continued.
    fetched = server.paths()[asked:]
    assert fetched == (["/net.tar.gz"] if name.endswith(".tar.gz") and harm != "remove" else [])
    after = snapshot(out)
    assert all(before[str(out / other)] == after[str(out / other)] for other in FINISHED if other != name)


def test_a_change_that_keeps_size_and_time_is_found_by_verify(zoo: Path, out: Path, server: FaultyServer) -> None:
    path = out / "public/net/net/model.ckpt"
    known = path.stat()
    path.write_bytes(WEIGHTS[:-1] + b"?")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert "up to date" in download_ok(zoo, out).out
    asked = len(server.requests)
    download_ok(zoo, out, "--verify")
    assert delivered(out) == FINISHED
    assert len(server.requests) == asked  # the archive was still there


def test_a_file_that_was_only_touched_is_hashed_and_kept(zoo: Path, out: Path, server: FaultyServer) -> None:
    asked = len(server.requests)
    for path in out.rglob("*"):
        os.utime(path, (1, 1))
    assert "up to date" in download_ok(zoo, out).out
    assert len(server.requests) == asked


def test_force_fetches_everything_anew(zoo: Path, out: Path, server: FaultyServer) -> None:
    asked = len(server.requests)
    download_ok(zoo, out, "--force")
    assert sorted(server.paths()[asked:]) == ["/net.tar.gz", "/run.py"]
    assert delivered(out) == FINISHED


def test_force_asks_the_sources_and_not_the_cache(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    for _ in range(2):
        download_ok(zoo, tmp_path / "out", "--force", "--cache_dir", tmp_path / "cache")
    assert server.paths().count("/net.tar.gz") == 2


def test_a_wrong_file_stays_while_no_right_one_can_be_had(zoo: Path, out: Path, server: FaultyServer) -> None:
    server.put("/net.tar.gz", ARCHIVE, Answer(status=404))
    (out / "public/net/net.tar.gz").write_bytes(ARCHIVE[::-1])
    download_failing(zoo, out)
    assert delivered(out)["public/net/net.tar.gz"] == ARCHIVE[::-1]


def test_force_leaves_what_is_there_until_it_is_replaced(zoo: Path, out: Path, server: FaultyServer) -> None:
    server.put("/run.py", SCRIPT, Answer(status=404))
    download_failing(zoo, out, "--force")
    assert delivered(out) == FINISHED


def test_files_of_the_user_are_left_alone(zoo: Path, out: Path) -> None:
    (out / "public/net/net/notes.txt").write_text("mine")
    (out / "public/net/net/checkpoint").unlink()
    download_ok(zoo, out)
    assert delivered(out) == {**FINISHED, "public/net/net/notes.txt": b"mine"}


def test_a_patch_is_made_once_however_often_one_downloads(zoo: Path, out: Path) -> None:
    path = zoo / "public/net/model.yml"
    path.write_text(path.read_text().replace("replacement: new_name", "replacement: new_old_name"))
    for option in ([], ["--verify"], ["--force"], []):
        download_ok(zoo, out, *option)
        assert delivered(out)["public/net/code/run.py"] == PATCHED.replace(b"new_name", b"new_old_name")


def test_a_patch_that_does_not_fit_is_an_error_and_nothing_appears(zoo: Path, tmp_path: Path) -> None:
    path = zoo / "public/net/model.yml"
    path.write_text(path.read_text().replace("count: 1", "count: 5"))
    message = download_failing(zoo, tmp_path / "new")
    assert "net/net/checkpoint: regex_replace expected 5 places that match 'model', found 1" in message
    assert delivered(tmp_path / "new") == {"public/net/net.tar.gz": ARCHIVE}


def test_an_unsafe_archive_leaves_nothing_but_itself(tmp_path: Path, server: FaultyServer) -> None:
    evil = tar_gz({"net/ok": b"x", "../evil": b"x"})
    entry = file_entry("net.tar.gz", evil, server.put("/evil.tar.gz", evil))
    add_model(tmp_path / "zoo", "net", [entry], STEPS[:1])
    message = download_failing(tmp_path / "zoo", tmp_path / "out")
    assert "net.tar.gz: entry '../evil': leaves the folder by '..'" in message
    assert not list((tmp_path / "out").rglob("staging"))
    assert delivered(tmp_path).keys() == {"zoo/public/net/model.yml", "out/public/net/net.tar.gz"}


def test_an_odd_archive_is_unpacked_and_what_is_odd_is_told(tmp_path: Path, server: FaultyServer) -> None:
    packed = tar_gz({"net/a::b": b"weights"}, "w:gz")
    step = {"$type": "unpack_archive", "format": "tar", "file": "net.tar"}
    add_model(tmp_path / "zoo", "net", [file_entry("net.tar", packed, server.put("/net.tar", packed))], [step])
    outcome = download_ok(tmp_path / "zoo", tmp_path / "out")
    assert "is a tar archive in gzip, though its descriptor says tar; unpacked as what it is" in outcome.err
    assert "names that Windows cannot have: 'net/a::b'" in outcome.err
    assert delivered(tmp_path / "out/public/net") == {"net.tar": packed, "net/a::b": b"weights"}
    again = download_ok(tmp_path / "zoo", tmp_path / "out")
    assert "nothing to do" in again.out


@pytest.mark.parametrize("name", ["net.tar.gz", "NET.tar.gz", ".mixnet-download/lock"])
def test_an_archive_must_not_replace_files_that_are_not_its_own(
    tmp_path: Path, server: FaultyServer, name: str
) -> None:
    evil = tar_gz({name: b"x"})
    entry = file_entry("net.tar.gz", evil, server.put("/evil.tar.gz", evil))
    add_model(tmp_path / "zoo", "net", [entry], STEPS[:1])
    assert f"{name}'" in download_failing(tmp_path / "zoo", tmp_path / "out")
    assert delivered(tmp_path / "out") == {"public/net/net.tar.gz": evil}


def test_a_changed_descriptor_is_carried_out(zoo: Path, out: Path, server: FaultyServer) -> None:
    archive = tar_gz({"net/model.ckpt": b"other", "net/checkpoint": b"model.ckpt\n"})
    files = [
        file_entry("net.tar.gz", archive, server.put("/net.tar.gz", archive)),
        file_entry("code/run.py", SCRIPT, server.url + "/run.py"),
    ]
    add_model(zoo, "net", files, STEPS)
    download_ok(zoo, out)
    assert delivered(out) == {**FINISHED, "public/net/net.tar.gz": archive, "public/net/net/model.ckpt": b"other"}


@pytest.mark.parametrize("manifest", ["", "{}", "[1]", '{"schema_version": 99}', "\0"])
def test_a_broken_manifest_costs_hashing_and_no_bytes(
    zoo: Path, out: Path, server: FaultyServer, manifest: str
) -> None:
    asked = len(server.requests)
    next(out.rglob("manifest.json")).write_text(manifest)
    download_ok(zoo, out)
    assert delivered(out) == FINISHED
    assert len(server.requests) == asked


@pytest.mark.parametrize("change", ["another algorithm", "a path that leaves the folder"])
def test_a_manifest_of_strange_digests_or_paths_is_none(
    zoo: Path, out: Path, server: FaultyServer, change: str
) -> None:
    path = next(out.rglob("manifest.json"))
    manifest = json.loads(path.read_text())
    name, record = next((name, one) for name, one in manifest["outputs"].items() if "checksum" in one)
    if change == "another algorithm":
        record["checksum"] = f"sha2g56:{'0' * 64}"
    else:
        manifest["outputs"][f"../{name}"] = manifest["outputs"].pop(name)
    path.write_text(json.dumps(manifest))
    asked = len(server.requests)
    download_ok(zoo, out)
    assert delivered(out) == FINISHED
    assert len(server.requests) == asked
    assert ".." not in path.read_text()


def test_a_folder_of_omz_downloader_is_taken_over(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    folder = tmp_path / "out/public/net"
    folder.mkdir(parents=True)
    (folder / "net.tar.gz").write_bytes(ARCHIVE[:50_000])  # a killed run of it leaves this
    download_ok(zoo, tmp_path / "out")
    assert delivered(tmp_path / "out") == FINISHED
    request = next(one for one in server.requests if one.path == "/net.tar.gz")
    assert request.headers["range"] == "bytes=50000-"


def test_files_that_were_put_there_by_hand_are_verified_and_kept(zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out/public/net"
    folder.mkdir(parents=True)
    (folder / "net.tar.gz").write_bytes(ARCHIVE)
    message = download_failing(zoo, tmp_path / "out", "--offline")
    assert "run.py: is neither there nor in the cache, and --offline forbids the network" in message
    assert (folder / "net.tar.gz").read_bytes() == ARCHIVE


def test_the_name_of_the_state_folder_is_taken(zoo: Path, tmp_path: Path) -> None:
    add_model(zoo, "net", [file_entry(".mixnet-download/lock", EXTRA, "http://127.0.0.1:9/x")])
    assert "files[0].name: '.mixnet-download' is the folder" in download_failing(zoo, tmp_path / "out")


def test_a_source_that_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    add_model(tmp_path / "zoo", "net", [file_entry("net.bin", EXTRA, (tmp_path / "fifo").as_uri())])
    assert "is not a regular file" in download_failing(tmp_path / "zoo", tmp_path / "out")
