"""Start programs by forking a process that has imported OpenVINO and what else they need already.

A fresh process spends 1 to 3 s of CPU on these imports. A fork has them at once, and is otherwise a process of its own:
it runs ``python -m MODULE``, with its own streams, folder, environment, signals and exit code.

There are two servers, as users have processes of two kinds: one for commands, and one for the scheduler and the workers
of Dask. A server imports when it is asked for the first time. It listens on a Unix socket, and ends when its standard
input is closed. A client sends one message: the program's stdout and stderr as file descriptors, and a
:class:`Request`. It gets back the process id when the program starts, and its exit code when it ends, a line each.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

ADDRESS = "MIXNET_TOOLS_TEST_SERVER"
"""The environment variable that holds the path of the server's socket."""
DASK = "MIXNET_TOOLS_TEST_DASK"
"""The same of the server for Dask."""

ROOT = Path(__file__).parents[2]
COMMANDS = ("cache", "check.command", "classify.command", "convert", "download", "info", "new", "optimize", "quantize")
PRELOADED = {
    # What NNCF imports is imported, but not NNCF itself: how it starts is the commands' business.
    ADDRESS: (
        *("numpy", "openvino", "PIL.Image", "requests", "scipy.stats", "networkx", "pandas"),
        *(f"mixnet_tools.cli.{command}" for command in COMMANDS),
    ),
    # Nothing of mixnet_tools: a test may change it before the worker imports it.
    DASK: ("numpy", "openvino", "PIL.Image", "distributed.cli.dask_scheduler", "distributed.cli.dask_worker"),
}
"""What is imported for the programs of each server."""
MODULE = "mixnet_tools.cli.main"
LARGEST_REQUEST = 1_000_000


class Request(NamedTuple):
    """A program to run: its arguments, its working folder, its whole environment, and its module.

    With ``own_session`` it leads a session of its own, as with Popen's ``start_new_session``.
    """

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    module: str = MODULE
    own_session: bool = False


@contextlib.contextmanager
def running(kind: str = ADDRESS) -> Iterator[None]:
    """A server for the tests of this process and of those that it starts; ``kind`` is a key of ``PRELOADED``."""
    with tempfile.TemporaryDirectory(prefix="mixnet-") as folder:
        address = str(Path(folder) / "programs")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)
            command = [sys.executable, "-m", __name__, str(listener.fileno()), kind]
            server = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()]
            )
        os.environ[kind] = address
        try:
            yield
        finally:
            del os.environ[kind]
            server.communicate()


def run(arguments: list[str], folder: str, timeout: float, module: str = MODULE) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``mixnet ARGUMENTS``, or of another ``module``, run by the server."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        code = run_into(out.fileno(), err.fileno(), Request(arguments, folder, dict(os.environ), module), timeout)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def run_into(out: int, err: int, wanted: Request, timeout: float) -> int:
    """Exit code of the ``wanted`` command, run by the server. It writes to the file descriptors ``out`` and ``err``."""
    process = Process(out, err, wanted)
    try:
        return process.wait(timeout)
    except TimeoutError:
        os.kill(process.pid, signal.SIGKILL)
        raise


class Process:
    """A program that a server runs; what :class:`subprocess.Popen` is for a fresh process."""

    def __init__(self, out: int, err: int, wanted: Request, kind: str = ADDRESS) -> None:
        """Start it. It writes to the file descriptors ``out`` and ``err``."""
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(os.environ[kind])
        request = json.dumps(wanted).encode()
        socket.send_fds(self._connection, [len(request).to_bytes(4, "big")], [out, err])
        self._connection.sendall(request)
        self._answer = b""
        self.pid = int(self._line(None))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code (minus the number of the signal that ended it), or None while it runs."""
        with contextlib.suppress(TimeoutError):
            return self.wait(0.001)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """The same at its end. Raises :class:`TimeoutError` where that is not within ``timeout`` seconds."""
        if self.returncode is None:
            self.returncode = int(self._line(timeout))
            self._connection.close()
        return self.returncode

    def _line(self, timeout: float | None) -> bytes:
        self._connection.settimeout(timeout)
        while b"\n" not in self._answer:
            more = self._connection.recv(64)
            assert more, "the server of programs has ended"
            self._answer += more
        line, _, self._answer = self._answer.partition(b"\n")
        return line


def _serve(listener: socket.socket, kind: str) -> Request:
    """Answer requests until standard input is closed. Returns in the forked processes only, with their request."""
    waiting: dict[int, socket.socket] = {}
    """The connection that waits for the end of each process, by the process id."""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    sys.exit()
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    request, streams = _receive(connection)
                    _preload(kind)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # Python 3.12 warns of any thread, such as those of NumPy
                        process = os.fork()
                    if not process:
                        if request.own_session:
                            os.setsid()
                        _tell(connection, os.getpid())
                        for opened in (connection, listener, *waiting.values()):
                            opened.close()
                        _take(streams)
                        return request
                    for stream in streams:
                        os.close(stream)
                    waiting[process] = connection
                    selector.register(os.pidfd_open(process), selectors.EVENT_READ, process)
                else:
                    selector.unregister(key.fileobj)
                    os.close(key.fd)
                    _, status = os.waitpid(key.data, 0)
                    connection = waiting.pop(key.data)
                    _tell(connection, os.waitstatus_to_exitcode(status))
                    connection.close()


def _receive(connection: socket.socket) -> tuple[Request, list[int]]:
    size, streams, _, _ = socket.recv_fds(connection, 4, 2)
    with connection.makefile("rb") as stream:
        return Request(*json.loads(stream.read(int.from_bytes(size, "big")))), streams


def _take(streams: list[int]) -> None:
    """Read from nowhere, and write stdout and stderr into ``streams``."""
    for number, stream in enumerate([os.open(os.devnull, os.O_RDONLY), *streams]):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the server were opened on files, and take a terminal for one that can be sought in.
    sys.stdout = open(1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding=sys.stderr.encoding, errors=sys.stderr.errors, closefd=False)  # noqa: SIM115


def _tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # the client gave up
        connection.sendall(f"{number}\n".encode())


@functools.cache
def _preload(kind: str) -> None:
    """Import what programs import when they need it, of what is installed: `make test-zoo` has fewer packages."""
    if kind == ADDRESS:
        _measure_briefly()
    for module in PRELOADED[kind]:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    gc.freeze()  # or each fork would look for garbage among all these modules


def _measure_briefly() -> None:
    """Let speeds be compared in as many rounds as ever, but each a tenth as long: no test asks how exact they are.

    An optimization alone would keep both cores busy for 8 s. A fresh process takes its time.
    """
    from mixnet_tools.inference import throughput

    whole = throughput.run_in_turn

    def briefly(
        models: Sequence[throughput.Runnable], rounds: int = throughput.ROUNDS, seconds: float = throughput.SECONDS
    ) -> tuple[tuple[float, ...], ...]:
        return whole(models, rounds, seconds / 10)

    throughput.run_in_turn = briefly  # before others import it by its name


def _carry_out(request: Request) -> int | str | None:
    """Run the program, and return what it gave to ``sys.exit``."""
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.dont_write_bytecode = bool(request.environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[0] = request.folder
    sys.argv[1:] = request.arguments
    try:
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        return stop.code
    return 0


def _leave(code: int | str | None) -> NoReturn:
    """End the process as ``sys.exit(code)`` does, but keep the imported modules: to take them down lasts a second."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if isinstance(code, str) else code or 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    todo = _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = _carry_out(todo)
    except BaseException:
        traceback.print_exc()
        result = 1
    _leave(result)
