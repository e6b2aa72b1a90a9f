"""Commands under limits of memory: they work, or end in 1 with a message that names memory or threads."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import TIMEOUT

MIB = 1 << 20


def run_limited(mib: int, *words: str | Path) -> tuple[int, str]:
    """Exit code and stderr of ``mixnet <words>`` with so much address space."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (mib * MIB, mib * MIB))

    done = subprocess.run(
        [sys.executable, "-m", "mixnet_tools.cli.main", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=dict(os.environ),  # without what readline adds behind Python's back, such as COLUMNS
        preexec_fn=limit,
    )
    return done.returncode, done.stderr


def arguments(command: str, nano_dir: Path, out: Path) -> list[str | Path]:
    """A run of ``command`` on mixnet-nano."""
    common: list[str | Path] = [command, "--name", "mixnet-nano", "-q"]
    return {
        "check": [*common, "-d", nano_dir, "--launcher", "openvino"],
        "convert": [*common, "-d", nano_dir, "-o", out],
        "download": [*common, "-o", out],
    }[command]


@pytest.mark.parametrize(("command", "mib"), [("check", 390), ("check", 600), ("convert", 390), ("download", 50)])
def test_too_little_memory_is_an_error_that_says_so(command: str, mib: int, nano_dir: Path, tmp_path: Path) -> None:
    code, err = run_limited(mib, *arguments(command, nano_dir, tmp_path))
    assert code == 1, err
    assert "memory" in err.lower()
    assert "Traceback" not in err
    if "OpenBLAS" not in err:
        assert f"ulimit -v is {mib * 1024}" in err
    assert not list(tmp_path.rglob("*.xml"))


def test_threads_that_cannot_be_had_are_an_error(nano_dir: Path, tmp_path: Path) -> None:
    """Stacks of 8 GB leave no room for a second one, where the memory itself would do."""
    command = " ".join(map(str, arguments("check", nano_dir, tmp_path)))
    program = f"ulimit -s 8000000 && ulimit -v 12000000 && exec {sys.executable} -m mixnet_tools.cli.main {command}"
    done = subprocess.run(
        ["bash", "-c", program],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 1, done.stderr
    assert "threads" in done.stderr
    assert "Traceback" not in done.stderr
