"""Running the commands as a user does: another process, real arguments, real exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support import command_server, hints

TIMEOUT = 280
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Outcome:
    """What a finished command left: exit code, stdout and stderr."""

    code: int
    out: str
    err: str


def run(command: str, *arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Outcome:
    """``mixnet <command> <arguments>`` in a process of its own; with ``env``, in a fresh one.

    Fails where an error gives a hint that would be refused when it is typed.
    """
    words = [command, *map(str, arguments)]
    if env is None and command_server.ADDRESS in os.environ:
        outcome = Outcome(*command_server.run(words, str(cwd or Path.cwd()), TIMEOUT))
    else:
        outcome = _in_a_fresh_process(words, cwd, env or {})
    hints.assert_accepted(command, outcome.err)
    return outcome


def _in_a_fresh_process(words: list[str], cwd: Path | None, env: dict[str, str]) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "mixnet_tools.cli.main", *words],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_ok(command: str, *arguments: str | Path, cwd: Path | None = None) -> Outcome:
    """The same, and it must succeed without a traceback."""
    outcome = run(command, *arguments, cwd=cwd)
    assert outcome.code == 0, f"exit code {outcome.code}\n{outcome.out}\n{outcome.err}"
    assert "Traceback" not in outcome.err
    return outcome


def run_failing(command: str, *arguments: str | Path, code: int = 1, cwd: Path | None = None) -> str:
    """The same, and it must fail with ``code``, one clear error and no traceback. Returns stderr."""
    outcome = run(command, *arguments, cwd=cwd)
    assert outcome.code == code, f"exit code {outcome.code}, expected {code}\n{outcome.out}\n{outcome.err}"
    assert "Traceback" not in outcome.err
    assert outcome.err.count("error:") == 1, outcome.err
    return outcome.err
