"""A command in a child process: its end, whatever it is, becomes an exit code and a message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.systems import linux
from tests.support.waiting import wait_for

pytestmark = linux

PROGRAM = """
import os, signal, sys, time
from mixnet_tools.cli.common import supervision
supervision.GRACE = 0.3
def work():
    {work}
sys.exit(supervision.supervised('mixnet check', work))
"""
DEAF = "signal.pthread_sigmask(signal.SIG_BLOCK, [2, 15]); open('child', 'w').write(str(os.getpid())); time.sleep(600)"
"""As C++ that waits for a lock: Python's handlers do not run."""


def start(work: str, folder: Path) -> subprocess.Popen[str]:
    program = PROGRAM.replace("{work}", work)
    return subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=folder)


def end(work: str, folder: Path) -> tuple[int, str]:
    process = start(work, folder)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def child_of(folder: Path) -> int:
    wait_for(lambda: (folder / "child").is_file() and bool((folder / "child").read_text()), "the child to start")
    return int((folder / "child").read_text())


@pytest.mark.parametrize("work", ["return 3", "sys.exit(3)"])
def test_the_exit_code_is_the_commands(work: str, tmp_path: Path) -> None:
    assert end(work, tmp_path) == (3, "")


@pytest.mark.parametrize("name", ["SIGABRT", "SIGKILL", "SIGSEGV", "SIGBUS", "SIGINT"])
def test_an_abort_is_an_error_that_names_memory_and_threads(name: str, tmp_path: Path) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), signal.{name})"
    code, err = end(limited, tmp_path)
    assert code == 1
    assert err.startswith(f"mixnet check: error: ended by {name}, most likely because memory or threads ran out\n")
    assert "  try: " in err


@pytest.mark.parametrize(("number", "code", "words"), [(2, 130, "interrupted"), (15, 143, "terminated")])
def test_a_signal_ends_a_command_that_is_deaf_to_it(number: int, code: int, words: str, tmp_path: Path) -> None:
    process = start(DEAF, tmp_path)
    child = child_of(tmp_path)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, f"mixnet check: {words}\n")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    program = PROGRAM.replace("GRACE = 0.3", "GRACE = 600").replace("{work}", DEAF)
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    child_of(tmp_path)
    process.send_signal(signal.SIGINT)
    time.sleep(1)  # two signals of one press come within half a second
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "mixnet check: interrupted\n")


def test_a_killed_parent_takes_the_command_with_it(tmp_path: Path) -> None:
    process = start(DEAF, tmp_path)
    child = child_of(tmp_path)
    process.kill()
    process.wait()

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    wait_for(gone, "the end of the child")
    assert process.stderr is not None
    process.stderr.close()


def test_a_job_that_ignores_ctrl_c_still_does(tmp_path: Path) -> None:
    """As a shell starts jobs in the background."""
    work = "os.kill(os.getppid(), signal.SIGINT); time.sleep(0.2); return 5"
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + PROGRAM.replace("{work}", work)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (5, "")


def test_without_a_process_to_be_had_there_is_a_message(tmp_path: Path) -> None:
    refusing = "def fork(): raise BlockingIOError(11, 'Resource temporarily unavailable')\nos.fork = fork\nsys.exit("
    program = PROGRAM.replace("{work}", "return 0").replace("sys.exit(", refusing)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "no process can be started: Resource temporarily unavailable" in done.stderr
    assert "processes or memory" in done.stderr
