"""Runs a command of mixnet under bad conditions: killed at a chosen step, on a full disk, without permissions.

    python -m tests.support.harsh kill:17 -- download --all ...

Run as a program, in a process of its own. ``count`` prints the number of steps that ``kill`` can choose from: each
change of a file below the folder given with ``-o``, and each piece of a body that arrives.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from tests.support import command_server
from tests.support.commands import Outcome

NOT_POSSIBLE = 77

_CHANGES = frozenset(
    [
        "open",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "shutil.rmtree",
        "os.chmod",
    ]
)
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


def run_harshly(world: str, *arguments: str | Path) -> Outcome:
    """Run ``mixnet <arguments>`` under the conditions of ``world``: kill:N, count, file-limit:BYTES or unprivileged."""
    words = [world, "--", *map(str, arguments)]
    return Outcome(*command_server.run(words, str(command_server.ROOT), 120, "tests.support.harsh"))


class _Steps:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, folder: str, last: int | None) -> None:
        self.folder, self.last, self.count = folder, last, 0

    def take(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, details: tuple[object, ...]) -> None:
        if event in _CHANGES and any(
            self.folder in os.fsdecode(one) for one in details if isinstance(one, str | bytes)
        ):
            self.take()


def _watch(arguments: list[str], last: int | None) -> _Steps:
    from mixnet_tools.downloading.transport.partial_file import PartialFile

    steps = _Steps(arguments[arguments.index("-o") + 1], last)
    write = PartialFile.write

    def counted(partial: PartialFile, chunk: bytes) -> None:
        # Half of the piece, then the step, then the rest: a kill leaves what a kill in the middle of a write leaves.
        half = len(chunk) // 2
        write(partial, chunk[:half])
        steps.take()
        write(partial, chunk[half:])

    PartialFile.write = counted  # type: ignore[method-assign, assignment, unused-ignore]
    sys.addaudithook(steps.audit)
    return steps


def _main() -> int:
    world, _, *arguments = sys.argv[1:]
    kind, _, value = world.partition(":")
    if kind == "unprivileged":
        if ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0) != 0 and os.geteuid() == 0:
            return NOT_POSSIBLE
        os.execv(sys.executable, [sys.executable, "-m", "mixnet_tools.cli.main", *arguments])
    if kind == "file-limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(value), int(value)))

    from mixnet_tools.cli.main import mixnet

    steps = _watch(arguments, int(value) if kind == "kill" else None) if kind in ("kill", "count") else None
    code = mixnet(arguments)
    if steps is not None:
        print(f"steps: {steps.count}")
    return code


if __name__ == "__main__":
    sys.exit(_main())
