"""Kills, interruptions, several processes at once, and disks that are full, read-only or in the way."""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.archived_model import ARCHIVE, FINISHED, STEPS
from tests.support.downloads import (
    add_model,
    delivered,
    download,
    download_failing,
    download_ok,
    file_entry,
    noise,
    tar_gz,
)
from tests.support.harsh import NOT_POSSIBLE, run_harshly
from tests.support.http_server import Answer, FaultyServer
from tests.support.waiting import PATIENCE, wait_for


def command(zoo: Path, out: Path, *options: str | Path) -> list[str]:
    return ["download", "--all", "--models_dir", str(zoo), "-o", str(out), *map(str, options)]


def start(zoo: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mixnet_tools.cli.main", *command(zoo, out, *options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def expect_nothing_wrong(out: Path) -> None:
    for name, body in delivered(out).items():
        assert body == FINISHED[name], f"{name} is wrong under its final name"


@pytest.mark.parametrize("option", ["", "--cache_dir", "--force"])
def test_killed_anywhere_the_next_run_ends_with_the_right_files(zoo: Path, tmp_path: Path, option: str) -> None:
    """SIGKILL at 30 of all the steps there are, ten for each of a fresh folder, one with a cache, a forced repeat."""

    def prepare(out: Path) -> list[str]:
        if option == "--force":
            download_ok(zoo, out)
        return {"--cache_dir": [option, str(out) + "-cache"], "--force": [option], "": []}[option]

    whole = tmp_path / "whole"
    counted = run_harshly("count", *command(zoo, whole, *prepare(whole)))
    assert counted.code == 0, counted.err
    steps = int(re.findall(r"steps: (\d+)", counted.out)[0])
    assert steps > 20
    kills = 0
    for step in random.Random(option).sample(range(1, steps + 1), 10):
        out = tmp_path / f"killed{step}"
        options = prepare(out)
        killed = run_harshly(f"kill:{step}", *command(zoo, out, *options))
        assert killed.code in (-signal.SIGKILL, 0), killed.err
        kills += killed.code != 0
        expect_nothing_wrong(out)
        download_ok(zoo, out, *options[: 2 if "--cache_dir" in options else 0])
        assert delivered(out) == FINISHED, f"after a kill at step {step} of {steps}"
        assert "up to date" in download_ok(zoo, out, "--verify", "--offline").out
        left = {path.suffix for path in (out / "public/net/.mixnet-download").iterdir()}
        assert left <= {"", ".json", ".original"}  # the lock, the manifest and what was patched
    # A body comes in more or fewer pieces each time, so a step near the end may not be reached.
    assert kills >= 8


def test_killed_time_and_again_it_arrives_all_the_same(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    out = tmp_path / "out"
    for step in range(6, 30, 4):
        run_harshly(f"kill:{step}", *command(zoo, out))
        expect_nothing_wrong(out)
    download_ok(zoo, out)
    assert delivered(out) == FINISHED
    assert any("range" in request.headers for request in server.requests)


def test_two_processes_make_one_download_and_two_successes(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    gate = threading.Event()
    server.put("/net.tar.gz", ARCHIVE, Answer(gate=gate))
    logs = [tmp_path / "one.log", tmp_path / "two.log"]

    def waiting() -> int:
        return sum("another process is downloading it" in log.read_text() for log in logs)

    running = []
    for log in logs:
        with log.open("w") as stream:
            program = [sys.executable, "-m", "mixnet_tools.cli.main", *command(zoo, tmp_path / "out")]
            running.append(subprocess.Popen([*program, "--timeout", "300"], stdout=stream, stderr=stream))
    try:
        wait_for(lambda: waiting() == 1, "the second process to wait for the first")
        gate.set()
        codes = [process.wait(timeout=PATIENCE) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    told = [log.read_text() for log in logs]
    assert codes == [0, 0], told
    assert sorted(server.paths()) == ["/net.tar.gz", "/run.py"]
    assert delivered(tmp_path / "out") == FINISHED
    assert waiting() == 1
    assert sum("up to date" in text for text in told) == 1


@pytest.mark.parametrize("jobs", ["1", "3"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_ends_it_promptly_and_keeps_what_came(
    zoo: Path, tmp_path: Path, server: FaultyServer, jobs: str, number: int, code: int
) -> None:
    server.put("/net.tar.gz", ARCHIVE, Answer(stall_at=700_000), Answer())
    process = start(zoo, tmp_path / "out", "--timeout", "300", "-j", jobs)
    try:
        while not any(path.stat().st_size >= 700_000 for path in (tmp_path / "out").rglob("*.part")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)  # far less than the stall is waited for
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in err
    expect_nothing_wrong(tmp_path / "out")
    download_ok(zoo, tmp_path / "out")
    assert delivered(tmp_path / "out") == FINISHED
    assert [request.headers.get("range") for request in server.requests if request.path == "/net.tar.gz"][1]


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""
"""Run by a small process: Linux counts the peak of the one that starts another as the other's own."""


def peak_bytes(*arguments: str) -> int:
    """The peak resident size of a Python with ``arguments``, which must succeed."""
    done = subprocess.run([sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_memory_does_not_grow_with_the_file(tmp_path: Path, server: FaultyServer) -> None:
    big = tar_gz({"net/model.ckpt": noise(80_000_000)}, "w")
    step = {"$type": "unpack_archive", "format": "tar", "file": "net.tar"}
    add_model(tmp_path / "zoo", "net", [file_entry("net.tar", big, server.put("/net.tar", big))], [step])
    ours = ("cli.download", "downloading.download", "downloading.transport.http")
    modules = ", ".join(f"mixnet_tools.{name}" for name in ours)
    bare = peak_bytes("-c", f"import {modules}")
    peak = peak_bytes("-m", "mixnet_tools.cli.main", *command(tmp_path / "zoo", tmp_path / "out"))
    assert 20_000_000 < bare < peak < bare + 40_000_000


# ---- the disk


def test_a_full_disk_is_one_clear_error_and_what_came_is_kept(zoo: Path, tmp_path: Path, server: FaultyServer) -> None:
    out = tmp_path / "out"
    full = run_harshly("file-limit:600000", *command(zoo, out))
    assert full.code == 1, full.err
    assert "Traceback" not in full.err
    assert full.err.count("error:") == 1
    assert f"{out}/public/net/net.tar.gz: cannot be written: File too large" in full.err
    assert "try: make room" in full.err
    expect_nothing_wrong(out)
    assert len([path for path in server.paths() if path == "/net.tar.gz"]) == 1  # no other source makes room
    download_ok(zoo, out)
    assert delivered(out) == FINISHED
    assert server.requests[-1].headers.get("range", "").startswith("bytes=") or "range" in server.requests[-2].headers


def test_a_disk_that_fills_up_while_unpacking(zoo: Path, tmp_path: Path) -> None:
    big = tar_gz({"net/zeros": bytes(3_000_000)})
    add_model(tmp_path / "zoo", "net", [file_entry("net.tar.gz", big, (tmp_path / "big").as_uri())], STEPS[:1])
    (tmp_path / "big").write_bytes(big)
    full = run_harshly("file-limit:600000", *command(zoo, tmp_path / "out"))
    assert full.code == 1, full.err
    assert "File too large" in full.err
    assert delivered(tmp_path / "out") == {"public/net/net.tar.gz": big}
    download_ok(zoo, tmp_path / "out")
    assert delivered(tmp_path / "out") == {"public/net/net.tar.gz": big, "public/net/net/zeros": bytes(3_000_000)}


def test_a_full_cache_only_warns(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr("mixnet_tools.downloading.cache.store.share_or_copy", no_room)
    outcome = download_ok(zoo, tmp_path / "out", "--cache_dir", tmp_path / "cache")
    assert outcome.err.count("cannot be written (No space left on device): going on without it") == 1
    assert delivered(tmp_path / "out") == FINISHED


def test_where_blocks_cannot_be_shared_the_cache_copies(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_shared(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr("fcntl.ioctl", not_shared)
    for folder in ("one", "two"):
        outcome = download_ok(zoo, tmp_path / folder, "--cache_dir", tmp_path / "cache")
        assert delivered(tmp_path / folder) == FINISHED
        assert "warn" not in outcome.err
    assert "from the cache" in outcome.out
    assert {path.stat().st_nlink for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {1}


def harsh_unprivileged(*arguments: str | Path) -> tuple[int, str, str]:
    outcome = run_harshly("unprivileged", *arguments)
    if outcome.code == NOT_POSSIBLE:
        pytest.skip("this user may write everywhere, and the right to do so cannot be given up here")
    return outcome.code, outcome.out, outcome.err


def test_a_read_only_folder_is_one_clear_error(zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    code, _, err = harsh_unprivileged(*command(zoo, out))
    assert code == 1
    assert err.count("error:") == 1
    assert f"{out}/public" in err
    assert "Permission denied" in err
    assert "--output_dir" in err


def test_a_finished_download_in_a_read_only_folder_is_up_to_date(zoo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    download_ok(zoo, out)
    everything = [out, *out.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        code, stdout, err = harsh_unprivileged(*command(zoo, out))
    finally:
        for path in everything:
            path.chmod(0o755)
    assert code == 0, err
    assert "up to date" in stdout


def test_a_read_only_cache_serves_and_only_warns(zoo: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "1").mkdir(parents=True)
    for folder in (cache / "1", cache):
        folder.chmod(0o555)
    try:
        code, _, err = harsh_unprivileged(*command(zoo, tmp_path / "out", "--cache_dir", cache))
    finally:
        for folder in (cache, cache / "1"):
            folder.chmod(0o755)
    assert code == 0, err
    assert err.count("cannot be written (Permission denied): going on without it") == 1
    assert delivered(tmp_path / "out") == FINISHED


@pytest.mark.parametrize("place", ["out", "out/public", "out/public/net", "out/public/net/.mixnet-download"])
def test_a_file_where_a_folder_should_be_is_named(zoo: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("in the way")
    message = download_failing(zoo, tmp_path / "out")
    assert str(tmp_path / place) in message
    assert "try: " in message
    assert (tmp_path / place).read_text() == "in the way"


@pytest.mark.parametrize("name", ["net.tar.gz", "net", "code/run.py", "net/checkpoint"])
def test_something_else_in_the_way_is_named_and_not_touched(zoo: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / "out/public/net" / name
    if name == "net":
        place.parent.mkdir(parents=True)
        place.write_text("in the way")
    else:
        (place / "mine").mkdir(parents=True)
    outcome = download(zoo, tmp_path / "out")
    assert outcome.code == 1
    assert outcome.err.count("error:") == 1
    assert str(place) in outcome.err
    assert place.exists()


def test_a_link_in_the_way_of_a_folder_is_not_followed(zoo: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out/public/net").mkdir(parents=True)
    (tmp_path / "out/public/net/net").symlink_to(elsewhere)
    assert "something else is in the way" in download_failing(zoo, tmp_path / "out")
    assert list(elsewhere.iterdir()) == []
