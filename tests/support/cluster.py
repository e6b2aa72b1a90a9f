"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own, started and killed by tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.support.command_server import DASK, Process, Request
from tests.support.commands import Outcome
from tests.support.waiting import PATIENCE, wait_for

_FAULT = """
import builtins, functools, os, time
if not hasattr(builtins, "preloaded_{name}"):  # Dask loads a preload script twice: under its name, and as a copy
    builtins.preloaded_{name} = True
    import {module} as module_{name}
    from mixnet_tools.errors import DatasetError, EvaluationError
    plain_{name}, calls_{name} = module_{name}.{name}, []
    def note(file):
        with open(file, "a") as stream:
            stream.write("once\\n")
    @functools.wraps(plain_{name})
    def fault_{name}(*arguments, **options):
        calls_{name}.append(arguments)
        count, first = len(calls_{name}), arguments[0]
{body}
        try:
            return plain_{name}(*arguments, **options)
        finally:
{then}
    module_{name}.{name} = fault_{name}
"""


def fault(function: str, body: str, then: str = "pass") -> str:
    """A preload script for a worker: it runs ``body`` before each call of the public ``function`` (its dotted name),
    and ``then`` after it.

    These know the ``count`` of calls, this one included, and the ``first`` argument. ``note(file)`` adds a line to a
    file in the worker's folder.
    """
    module, _, name = function.rpartition(".")
    body, then = (textwrap.dedent(text).strip() for text in (body, then))
    return _FAULT.format(
        module=module, name=name, body=textwrap.indent(body, " " * 8), then=textwrap.indent(then, " " * 12)
    )


MEASURE = "mixnet_tools.accuracy.cluster.worker.measure"
"""What a worker calls for each task."""

OPEN_IMAGE = "mixnet_tools.accuracy.evaluation.batch_loader.open_image"
"""What it calls for each image."""


def slow(seconds: float, until: Path | None = None) -> str:
    """A preload script: each shard takes so many ``seconds`` more, until there is a file ``until``. See
    :meth:`Cluster.begun`.
    """
    return fault(
        MEASURE,
        f"""
        note("begun")
        end = time.monotonic() + {seconds}
        while time.monotonic() < end and not os.path.exists({str(until or "")!r}):
            time.sleep(0.02)
        """,
    )


def after(file: str) -> str:
    """A preload script: the worker measures nothing before there is ``file``, relative to its folder."""
    return fault(MEASURE, f"while not os.path.exists({file!r}):\n    time.sleep(0.02)")


def assert_same(path: Path, expected: bytes) -> None:
    """That the file ``path`` holds ``expected``, line by line (pytest's own comparison of long texts takes minutes).

    The lines of runs, which tell the time, do not count.
    """
    found, lines = without_runs(path.read_bytes()).splitlines(), without_runs(expected).splitlines()
    differing = [number for number, pair in enumerate(zip(found, lines, strict=False), 1) if pair[0] != pair[1]]
    assert not differing, f"{path}: line {differing[0]} is {found[differing[0] - 1]!r}, not {lines[differing[0] - 1]!r}"
    assert len(found) == len(lines)


def without_runs(predictions: bytes) -> bytes:
    """The bytes of a predictions file but for the lines of runs, which say when and where each run was."""
    return b"".join(line for line in predictions.splitlines(keepends=True) if not line.startswith(b'{"run":'))


_Started = Process | subprocess.Popen[bytes]


class Cluster:
    """Use as a context manager: it ends every process that it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # Bound, and never listened on: the port is given to nobody else, while a scheduler (which sets the same option)
        # may have it, and have it again after a restart.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port = self._reserved.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.workers: list[_Started] = []
        self.scheduler: _Started | None = None

    def start_scheduler(self, **settings: str) -> Cluster:
        """Start the scheduler (anew), and wait until it listens. ``settings`` are environment variables."""
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0"]
        self.scheduler = self._start("scheduler", options, settings)
        wait_for(self._listens, "the scheduler to listen")
        return self

    def add_worker(self, preload: str | None = None, *, nanny: bool = False, threads: int = 1) -> int:
        """Start a worker whose process first runs ``preload``; returns its number. It may take a moment to appear."""
        number = len(self.workers)
        place = self.folder / f"worker-{number}"
        place.mkdir()
        options = [self.address, "--nworkers", "1", "--nthreads", str(threads), "--no-dashboard"]
        options += ["--local-directory", str(place), "--nanny" if nanny else "--no-nanny", "--memory-limit", "0"]
        options += ["--name", f"worker-{number}", "--death-timeout", "60"]
        if preload is not None:
            script = place / "preload.py"
            script.write_text(preload)
            options += ["--preload", str(script)]
        self.workers.append(self._start("worker", options, {}, cwd=place, fresh=nanny))
        return number

    def wait_for_workers(self) -> None:
        """Until each that was started is known to the scheduler: a test of what one does for another needs both."""
        logs = [self.folder / f"worker-{number}.log" for number in range(len(self.workers))]
        wait_for(lambda: all(b"Registered to:" in log.read_bytes() for log in logs), "all workers to register")

    def begun(self, number: int) -> int:
        """How many shards a :func:`slow` worker has begun to measure."""
        return lines_in(self.folder / f"worker-{number}" / "begun")

    def kill_worker(self, number: int) -> None:
        """SIGKILL, as the kernel does it to a process that takes too much memory."""
        end(self.workers[number])

    def kill_scheduler(self) -> None:
        """SIGKILL to the scheduler, and to all workers."""
        assert self.scheduler is not None
        for process in (self.scheduler, *self.workers):
            end(process)

    def _start(
        self, kind: str, options: list[str], settings: dict[str, str], cwd: Path | None = None, *, fresh: bool = False
    ) -> _Started:
        """Start ``dask KIND OPTIONS``: in a ``fresh`` process where asked for, or where ``settings`` need one (Dask
        reads them when it is imported).
        """
        folder, environment = cwd or self.folder, {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **settings}
        with (self.folder / f"{kind}-{len(self.workers)}.log").open("ab") as log:
            if not (fresh or settings):
                request = Request([kind, *options], str(folder), environment, "dask", own_session=True)
                return Process(log.fileno(), log.fileno(), request, DASK)
            return subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "dask", kind, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def __enter__(self) -> Cluster:
        return self.start_scheduler()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reserved.close()
        self.kill_scheduler()


class Check:
    """A mixnet-check that runs while the test does something to its world."""

    def __init__(self, *arguments: str | Path, cwd: Path | None = None) -> None:
        words = ["check", *map(str, arguments)]
        self._out = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed at its end
        self._err = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        request = Request(words, str(cwd or Path.cwd()), dict(os.environ), own_session=True)
        self._process = Process(self._out.fileno(), self._err.fileno(), request)

    def running(self) -> bool:
        return self._process.poll() is None

    def signal_group(self, number: signal.Signals) -> None:
        """To the command and all its children, as a terminal does it for Ctrl-C."""
        os.killpg(self._process.pid, number)

    def terminate(self) -> None:
        """SIGTERM to the command alone."""
        os.kill(self._process.pid, signal.SIGTERM)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Until ``condition`` holds, which must be before its end."""
        wait_for(lambda: not self.running() or condition(), what)
        assert self.running(), self.outcome().err

    def wait_for_lines(self, path: Path, count: int) -> None:
        """Until the predictions file ``path`` holds ``count`` lines."""
        self.wait_for(lambda: lines_in(path) >= count, f"{count} lines in {path}")

    def outcome(self) -> Outcome:
        """Wait for its end; once."""
        with self._out, self._err:
            try:
                code = self._process.wait(PATIENCE)
            except TimeoutError:
                end(self._process)
                code = None
            for stream in (self._out, self._err):
                stream.seek(0)
            out, err = self._out.read(), self._err.read()
        assert code is not None, f"mixnet-check hangs\n{out[-3000:]}\n{err[-3000:]}"
        return Outcome(code, out, err)

    def ok(self) -> Outcome:
        """The same, and it must have succeeded."""
        done = self.outcome()
        assert done.code == 0, f"exit code {done.code}\n{done.out}\n{done.err}"
        assert "Traceback" not in done.err
        return done

    def leftovers(self) -> list[int]:
        """Processes of its session that still run."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                    if int(session) == self._process.pid and state != "Z":
                        found.append(int(entry.name))
        return found


def end(process: _Started) -> None:
    """SIGKILL to ``process`` and its children, which are in a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=PATIENCE)


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
