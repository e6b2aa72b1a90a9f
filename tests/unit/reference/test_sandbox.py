"""What a process may still do when its rights were taken away. It is tried in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.systems import linux

pytestmark = linux

_PROGRAM = """
import json, os, socket, sys, threading
from pathlib import Path
from mixnet_tools.reference import sandbox

inside, outside = map(Path, sys.argv[1:])
in_force = sandbox.restrict([inside, Path("/usr"), Path("/lib")], 1 << 30)

def start():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()

def write():
    with open(inside / "new", "wb") as stream:
        stream.write(b"x")

def grow():
    with open(inside / "old", "ab") as stream:
        stream.write(b"x")

found = {}
for name, attempt in {
    "read inside": lambda: (inside / "old").read_text(),
    "start a thread": start,
    "read outside": lambda: (outside / "secret").read_text(),
    "write a new file": write,
    "write to a file that is there": grow,
    "remove a file": lambda: os.remove(inside / "old"),
    "start a process": os.fork,
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "open a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "open a local socket": lambda: socket.socketpair(),
    "send a signal": lambda: os.kill(os.getppid(), 0),
    "change a mode": lambda: os.chmod(inside / "old", 0o600),
    "change a time": lambda: os.utime(inside / "old"),
    "take 2 GiB of memory": lambda: bytearray(2 << 30),
}.items():
    try:
        attempt()
        found[name] = "done"
    except (OSError, MemoryError) as error:
        found[name] = type(error).__name__
print(json.dumps([in_force, found]))
"""


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, str]]:
    """What is in force, and what came of each attempt."""
    inside, outside = tmp_path_factory.mktemp("inside"), tmp_path_factory.mktemp("outside")
    (inside / "old").write_text("old")
    (outside / "secret").write_text("secret")
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, inside, outside], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    in_force, found = json.loads(done.stdout)
    return in_force, found


def require(in_force: list[str], mechanism: str) -> None:
    if not any(mechanism in line for line in in_force):
        pytest.skip(f"this kernel has no {mechanism}")


def test_it_may_compute_and_read_its_model(attempts: tuple[list[str], dict[str, str]]) -> None:
    _, found = attempts
    assert found["read inside"] == found["start a thread"] == "done"


def test_no_file_grows_and_memory_is_bounded(attempts: tuple[list[str], dict[str, str]]) -> None:
    in_force, found = attempts
    assert any("RLIMIT_FSIZE" in line for line in in_force)
    assert found["take 2 GiB of memory"] == "MemoryError"
    assert found["write a new file"] != "done"
    assert found["write to a file that is there"] != "done"


def test_it_reads_nothing_else_and_writes_nothing(attempts: tuple[list[str], dict[str, str]]) -> None:
    in_force, found = attempts
    require(in_force, "Landlock")
    for name in ("read outside", "write a new file", "write to a file that is there", "remove a file"):
        assert found[name] == "PermissionError", name


def test_it_starts_no_process_and_connects_to_nothing(attempts: tuple[list[str], dict[str, str]]) -> None:
    in_force, found = attempts
    require(in_force, "seccomp")
    for name in ("start a process", "run a program", "open a socket", "send a signal"):
        assert found[name] == "PermissionError", name


def test_it_changes_nothing_about_files(attempts: tuple[list[str], dict[str, str]]) -> None:
    in_force, found = attempts
    require(in_force, "seccomp")
    assert (found["change a mode"], found["change a time"]) == ("PermissionError", "PermissionError")
