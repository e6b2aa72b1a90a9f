"""Start commands by forking a process that has imported TensorFlow and OpenVINO already.

A fresh process spends 5 s of CPU on these imports. A fork has them at once, and is otherwise a process of its own: it
runs ``python -m mixnet_tools.cli.main``, with its own streams, folder, environment, signals and exit code.

The server listens on a Unix socket, and ends when its standard input is closed. A client sends one message: the stdout
and stderr of the command as file descriptors, and a :class:`Request`. It gets back the process id when the command
starts, and its exit code when it ends, a line each.
"""

from __future__ import annotations

import atexit
import contextlib
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
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

ADDRESS = "MIXNET_TOOLS_TEST_SERVER"
"""The environment variable that holds the path of the server's socket."""

ROOT = Path(__file__).parents[2]
PRELOADED = ("numpy", "openvino", "PIL.Image", "requests")
COMMANDS = ("cache", "check.command", "classify.command", "convert", "download", "info", "new", "optimize", "quantize")
MODULE = "mixnet_tools.cli.main"
LARGEST_REQUEST = 1_000_000


class Request(NamedTuple):
    """A command to run: its arguments, its working folder and its whole environment."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]


@contextlib.contextmanager
def running() -> Iterator[None]:
    """A server for the tests of this process and of those that it starts."""
    with tempfile.TemporaryDirectory(prefix="mixnet-") as folder:
        address = str(Path(folder) / "commands")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)
            command = [sys.executable, "-m", __name__, str(listener.fileno())]
            server = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()]
            )
        os.environ[ADDRESS] = address
        try:
            yield
        finally:
            del os.environ[ADDRESS]
            server.communicate()


def run(arguments: list[str], folder: str, timeout: float) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``mixnet ARGUMENTS``, run by the server."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        code = run_into(out.fileno(), err.fileno(), Request(arguments, folder, dict(os.environ)), timeout)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def run_into(out: int, err: int, wanted: Request, timeout: float) -> int:
    """Exit code of the ``wanted`` command, run by the server. It writes to the file descriptors ``out`` and ``err``."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(os.environ[ADDRESS])
        request = json.dumps(wanted).encode()
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [out, err])
        connection.sendall(request)
        with connection.makefile() as answers:
            process = int(answers.readline())
            try:
                return int(answers.readline())
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise


def _serve(listener: socket.socket) -> Request:
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
                    _preload()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # Python 3.12 warns of any thread, such as those of NumPy
                        process = os.fork()
                    if not process:
                        for opened in (connection, listener, *waiting.values()):
                            opened.close()
                        _take(streams)
                        return request
                    for stream in streams:
                        os.close(stream)
                    waiting[process] = connection
                    _tell(connection, process)
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


def _tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # the client gave up
        connection.sendall(f"{number}\n".encode())


def _preload() -> None:
    """Import what commands import when they need it; all but the first time this does nothing."""
    from tests.support.tensorflow_import import import_tensorflow

    import_tensorflow()
    for module in (*PRELOADED, *(f"mixnet_tools.cli.{command}" for command in COMMANDS)):
        importlib.import_module(module)
    gc.freeze()  # or each fork would look for garbage among all these modules


def _carry_out(request: Request) -> int | str | None:
    """Run the command, and return what it gave to ``sys.exit``."""
    os.chdir(request.folder)
    quiet = {name: os.environ[name] for name in ("TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES")}
    os.environ.clear()
    os.environ.update(quiet | request.environment)
    sys.path[0] = request.folder
    sys.argv[1:] = request.arguments
    try:
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
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
    todo = _serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = _carry_out(todo)
    except BaseException:
        traceback.print_exc()
        result = 1
    _leave(result)
