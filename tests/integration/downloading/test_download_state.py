"""What is there already: nothing is moved twice, and only what is wrong is repaired."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixnet_tools.descriptors import zoo as zoos
from mixnet_tools.downloading.download import locate_downloaded
from mixnet_tools.errors import DownloadError, NextStep
from tests.support.downloads import (
    IMPATIENT,
    add_model,
    delivered,
    download,
    download_failing,
    download_ok,
    file_entry,
    noise,
    run_command,
    sha384,
    tar_gz,
)
from tests.support.http_server import Answer, FaultyServer

WEIGHTS = noise(90_000, "weights")
ARCHIVE = tar_gz({"net/model.ckpt": WEIGHTS, "net/checkpoint": b"model.ckpt\n"})
SCRIPT = b"import old_name\r\nold_name.run()\nkeep old_name2\n"
PATCHED = b"import new_name\nnew_name.run()\nkeep old_name2\n"
STEPS: list[dict[str, Any]] = [
    {"$type": "unpack_archive", "format": "gztar", "file": "net.tar.gz"},
    {"$type": "regex_replace", "file": "code/run.py", "pattern": r"\bold_name\b", "replacement": "new_name"},
    {"$type": "regex_replace", "file": "net/checkpoint", "pattern": "model", "replacement": "saved", "count": 1},
]
FINISHED = {
    "public/net/net.tar.gz": ARCHIVE,
    "public/net/net/model.ckpt": WEIGHTS,
    "public/net/net/checkpoint": b"saved.ckpt\n",
    "public/net/code/run.py": PATCHED,
}
EXTRA = noise(1000, "extra")


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as running:
        yield running


@pytest.fixture
def zoo(tmp_path: Path, server: FaultyServer) -> Path:
    """A zoo with one model: an archive that is unpacked, and a script that is patched."""
    files = [
        file_entry("net.tar.gz", ARCHIVE, server.put("/net.tar.gz", ARCHIVE)),
        file_entry("code/run.py", SCRIPT, server.put("/run.py", SCRIPT)),
    ]
    add_model(tmp_path / "zoo", "net", files, STEPS)
    return tmp_path / "zoo"


@pytest.fixture
def out(zoo: Path) -> Path:
    """A finished download of the zoo's model."""
    folder = zoo.parent / "out"
    download_ok(zoo, folder)
    assert delivered(folder) == FINISHED
    return folder


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
    assert delivered(out) == {other: body for other, body in FINISHED.items() if other not in not_missed}
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


def test_a_wrong_file_does_not_keep_its_name_while_no_right_one_can_be_had(
    zoo: Path, out: Path, server: FaultyServer
) -> None:
    server.put("/net.tar.gz", ARCHIVE, Answer(status=404))
    (out / "public/net/net.tar.gz").write_bytes(ARCHIVE[::-1])
    download_failing(zoo, out)
    assert "public/net/net.tar.gz" not in delivered(out)


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
    assert "net.tar.gz: entry '../evil': expected a path inside" in message
    assert not list((tmp_path / "out").rglob("staging"))
    assert delivered(tmp_path).keys() == {"zoo/public/net/model.yml", "out/public/net/net.tar.gz"}


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


# ---- mirrors and --offline


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
    assert server.requests == []


def test_a_mirror_of_another_kind_is_wrong_usage(zoo: Path, tmp_path: Path) -> None:
    assert "ftp://x.invalid/zoo: expected an http://" in download_failing(
        zoo, tmp_path / "out", "--mirror", "ftp://x.invalid/zoo", code=2
    )


# ---- several models


def test_a_failed_model_stops_no_other_and_the_end_lists_it(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    add_model(zoo, "a-bad", [file_entry("x.bin", EXTRA, server.put("/x.bin", EXTRA, Answer(status=404)))])
    add_model(zoo, "z-bad", [file_entry("y.bin", EXTRA, server.put("/y.bin", EXTRA, Answer(body=b"no")))])
    for jobs in ("1", "3"):
        outcome = download(zoo, tmp_path / jobs, "-j", jobs)
        assert outcome.code == 1
        assert delivered(tmp_path / jobs) == FINISHED
        assert "net: downloaded to" in outcome.out
        assert "2 of 3 models could not be downloaded" in outcome.err
        assert "a-bad: " in outcome.err
        assert "HTTP 404" in outcome.err
        assert "z-bad: " in outcome.err
        assert outcome.err.count("error:") == 1


def test_files_and_models_come_side_by_side_with_jobs(tmp_path: Path, server: FaultyServer) -> None:
    expected = {}
    for model in range(3):
        entries = []
        for number in range(4):
            body, name = noise(5000, f"{model} {number}"), f"f{number}.bin"
            entries.append(file_entry(name, body, server.put(f"/{model}/{name}", body, Answer(wait=0.3))))
            expected[f"public/m{model}/{name}"] = body
        add_model(tmp_path / "zoo", f"m{model}", entries)
    download_ok(tmp_path / "zoo", tmp_path / "out", "-j", "6")
    assert delivered(tmp_path / "out") == expected


def test_many_files_are_one_line_in_the_result(tmp_path: Path, server: FaultyServer) -> None:
    entries = [file_entry(f"f{n}", EXTRA, server.put(f"/many/f{n}", EXTRA)) for n in range(30)]
    add_model(tmp_path / "zoo", "net", entries)
    assert download_ok(tmp_path / "zoo", tmp_path / "out").out.splitlines()[1:] == [
        f"  30 files from {server.url}/many"
    ]


def test_precisions_leave_out_files_of_others(tmp_path: Path, server: FaultyServer) -> None:
    names = ["FP16/net.xml", "FP32/net.xml", "FP16-INT8/net.xml", "readme.txt"]
    entries = [file_entry(name, EXTRA, server.put(f"/{name}", EXTRA)) for name in names]
    path = add_model(tmp_path / "zoo", "net", entries)
    text = path.read_text().replace("framework: tf", "framework: dldt")
    path.write_text(text[: text.index("model_optimizer_args")] + text[text.index("framework:") :])
    download_ok(tmp_path / "zoo", tmp_path / "out", "--precisions", "FP16")
    assert delivered(tmp_path / "out").keys() == {"public/net/FP16/net.xml", "public/net/readme.txt"}
    asked = len(server.requests)
    download_ok(tmp_path / "zoo", tmp_path / "out")
    assert len(delivered(tmp_path / "out")) == 4
    assert len(server.requests) - asked == 2


# ---- JSON events, silence, Python


def test_json_events_are_those_of_omz(zoo: Path, tmp_path: Path) -> None:
    outcome = download_ok(zoo, tmp_path / "out", "--progress_format", "json")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    kinds = [event["$type"] for event in events]
    assert kinds[0] == "model_download_begin"
    assert kinds[-1] == "model_download_end"
    assert events[0] == {"$type": "model_download_begin", "model": "net", "num_files": 2}
    ends = [event for event in events if event["$type"] == "model_file_download_end"]
    assert [(event["model_file"], event["successful"]) for event in ends] == [
        ("net.tar.gz", True),
        ("code/run.py", True),
    ]
    progress = [event for event in events if event["$type"] == "model_file_download_progress"]
    assert progress[-1]["size"] == len(SCRIPT)
    assert kinds.index("model_postprocessing_begin") < kinds.index("model_postprocessing_end")
    assert "net: downloaded" in outcome.err


def test_a_failure_is_an_event_too(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    server.put("/run.py", SCRIPT, Answer(status=404))
    outcome = download(zoo, tmp_path / "out", "--progress_format", "json")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[-1] == {"$type": "model_download_end", "model": "net", "successful": False}
    assert {
        "$type": "model_file_download_end",
        "model": "net",
        "model_file": "code/run.py",
        "successful": False,
    } in events


def test_quiet_prints_the_result_alone(zoo: Path, tmp_path: Path) -> None:
    outcome = download_ok(zoo, tmp_path / "out", "--quiet")
    assert outcome.err == ""
    assert outcome.out.startswith("net: downloaded to")


def test_locate_downloaded_finds_what_is_finished_and_names_what_is_not(zoo: Path, out: Path, tmp_path: Path) -> None:
    (entry,) = zoos.find_models([zoo])
    model = entry.load()
    found = locate_downloaded(model, out)
    assert found.directory == out / "public/net"
    assert [file.path for file in found.files] == [out / "public/net/net.tar.gz", out / "public/net/code/run.py"]

    with pytest.raises(DownloadError, match="is not there") as caught:
        locate_downloaded(model, tmp_path / "nowhere")
    assert caught.value.hint == NextStep("download", "net", {"output_dir": tmp_path / "nowhere"})
    (out / "public/net/net/model.ckpt").write_bytes(b"short")
    with pytest.raises(DownloadError, match=r"net/model\.ckpt is missing or incomplete"):
        locate_downloaded(model, out)


# ---- the cache


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


@pytest.mark.parametrize("damaged", [ARCHIVE[:-1] + b"?", ARCHIVE[:100], b""], ids=["changed", "cut", "empty"])
def test_a_corrupt_entry_is_noticed_dropped_and_fetched_again(zoo: Path, tmp_path: Path, damaged: bytes) -> None:
    cache = tmp_path / "cache"
    cache_path(cache, ARCHIVE).parent.mkdir(parents=True)
    cache_path(cache, ARCHIVE).write_bytes(damaged)
    outcome = download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    assert "is corrupt" in outcome.err
    assert delivered(tmp_path / "out") == FINISHED
    assert cache_path(cache, ARCHIVE).read_bytes() == ARCHIVE


def test_repairing_a_file_never_writes_through_a_link_into_the_cache(zoo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    archive = tmp_path / "out/public/net/net.tar.gz"
    os.truncate(archive, 100)  # the same file as the cache's, if that is a hard link
    os.link(archive, tmp_path / "other name")
    download_ok(zoo, tmp_path / "out", "--cache_dir", cache)
    assert delivered(tmp_path / "out") == FINISHED
    assert cache_path(cache, ARCHIVE).read_bytes() == ARCHIVE
    assert (tmp_path / "other name").stat().st_size == 100


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
