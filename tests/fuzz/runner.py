"""Runs examples in a child process, and makes findings of its death and of its silence."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path

from tests.fuzz.target import Files, Target

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    """What came of an example: ``accepted``, ``refused`` or ``finding``; a finding has a name."""

    what: str
    finding: str
    detail: str


class Runner:
    """A child process for examples of any target, started again when it died. Use it as a context manager."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mixnet-fuzz-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, target: Target, files: Files) -> Answer:
        """Run one example."""
        if self._process is None:
            self._start()
        assert self._process is not None
        self._count += 1
        root = self._folder / f"{self._count}"
        root.mkdir()
        try:
            self._connection.send((target.name, dict(files), str(root)))
            if not self._connection.poll(target.seconds):
                self._end()
                return Answer("finding", f"hangs: no answer within {target.seconds:.0f} s", "")
            return Answer(*self._connection.recv())
        except (EOFError, OSError):
            code = self._process.wait()
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            words = self._log.read_bytes()[-2000:].decode(errors="replace")
            self._end()
            return Answer("finding", f"the process died: {name}", words)
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        self._log = self._folder / "log"
        home = self._folder / "home"
        home.mkdir(exist_ok=True)
        paths = [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home),
            "CI": "true",
            "PYTHONPATH": os.pathsep.join(paths),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=environment,
                cwd=self._folder,
                start_new_session=True,
            )
        theirs.close()

    def _end(self) -> None:
        if self._process is None:
            return
        self._connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
