"""Start the child process that runs the original, feed it by name, and take its answers."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import EvaluationError, MissingDependency
from mixnet_tools.reference.export_place import ExportPlace
from mixnet_tools.reference.job import FrameworkName, Job
from mixnet_tools.reference.plain_prefix import PlainPrefix
from mixnet_tools.reference.tensorflow_library import dtype_called

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Array = npt.NDArray[np.generic]

PATIENCE = 600.0
"""Seconds for the original to load, and for one batch."""

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from multiprocessing.connection import Connection
from mixnet_tools.reference.child import main
main(Connection(int(sys.argv[2])), int(sys.argv[3]), sys.argv[4], sys.argv[5] == "package")
"""
"""Python runs it isolated (-I), so that no file of the working folder is taken for a module."""

_NOT_LOADED = 127
"""The exit code of a process whose libraries cannot be mapped into memory."""

_INSTALLATION: Mapping[FrameworkName, str] = {
    "tensorflow": "pip install 'mixnet-tools', or `verify=False`",
    "onnx": "pip install 'mixnet-tools[onnx]', or `verify=False`",
    "pytorch": (
        "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu, "
        "then pip install 'mixnet-tools[pytorch]'"
    ),
}
"""What to try where a framework cannot be imported. PyTorch's models cannot be converted without it."""

_LONGEST_MESSAGE = 1 << 20
_LONGEST_ARRAY = 1 << 32
_PAGE = 64


@dataclass(frozen=True)
class Running:
    """What a child process says of itself: the ``software`` that runs the original, the ``restrictions`` in force.

    ``package`` and ``version`` are those of the framework.
    """

    software: str
    package: str
    version: str
    restrictions: tuple[str, ...]


class ReferenceProcess:
    """The original of one model in a process of its own. Use it as a context manager, from one thread."""

    def __init__(
        self, framework: FrameworkName, *, package: bool = False, check_stop: Callable[[], None] = lambda: None
    ) -> None:
        """Start the child, which loads ``framework`` at once: TensorFlow's C library, or its Python ``package``.

        ``check_stop`` is called several times a second while the child is waited for, and may raise.
        """
        self._framework, self._package, self._check_stop = framework, package, check_stop
        self._job: Job | None = None
        self._prefix: PlainPrefix | None = None
        self._start()

    def load(self, job: Job, model: bytes) -> None:
        """Let the child load ``model``, and return at once. For another model than before, a new child is started."""
        if self._job is not None:
            self.close()
            self._start()
        self._prefix = PlainPrefix(Path(job.restore.prefix)) if job.restore else None
        if job.restore and self._prefix:
            restore = replace(job.restore, prefix=str(self._prefix.prefix))
            job = replace(job, restore=restore, readable=(*job.readable, *self._prefix.folders))
        if self._export:
            job = replace(job, export=str(self._export.folder))
        self._job = job
        os.ftruncate(self._shared, max(1, len(model)))
        with mmap.mmap(self._shared, max(1, len(model))) as memory:
            memory[: len(model)] = model
        with contextlib.suppress(OSError):  # a child that is gone already shows when it is waited for
            self._connection.send_bytes(job.to_json().encode())
            self._connection.send_bytes(json.dumps({"model": len(model)}).encode())

    def _start(self) -> None:
        self._shared = _shared_memory()
        self._export = ExportPlace() if self._framework == "pytorch" else None
        self._connection, theirs = Pipe()
        environment = {
            **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "OPENBLAS_NUM_THREADS": "1",
            "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        if self._export:  # PyTorch makes a folder for its cache, if only on being imported
            environment["TORCHINDUCTOR_CACHE_DIR"] = str(self._export.folder)
        self._process = subprocess.Popen(
            [
                sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path), str(theirs.fileno()), str(self._shared),
                self._framework, "package" if self._package else "library",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(), self._shared, *(self._export.inherited if self._export else ())),
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the child
        )  # fmt: skip
        theirs.close()
        self._last_words: deque[bytes] = deque(maxlen=5)
        listener = threading.Thread(target=_listen, args=(self._process.stderr, self._last_words), daemon=True)
        listener.start()
        # Also where nobody calls close(): a child must not outlive whoever fed it.
        self._end = weakref.finalize(self, _end, self._process, self._connection, self._shared, listener, self._export)
        self._running: Running | None = None

    def __enter__(self) -> ReferenceProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The number of the child process."""
        return self._process.pid

    def ready(self) -> Running:
        """Wait until the model is loaded.

        Raises :class:`EvaluationError` where it cannot be, :class:`MissingDependency` where its framework is not
        installed.
        """
        if self._running is None:
            found = self._receive("ready")
            assert isinstance(found, dict)
            software, package, version = (str(found[name]) for name in ("software", "package", "version"))
            self._running = Running(software, package, version, tuple(map(str, found["restrictions"])))
        return self._running

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, for arrays by the names of the job's inputs. Raises :class:`EvaluationError`."""
        self.ready()
        entries: list[tuple[str, str, list[int], int]] = []
        offset = 0
        for name, array in feeds.items():
            entries.append((name, str(array.dtype), list(array.shape), offset))
            offset += -(-array.nbytes // _PAGE) * _PAGE
        if os.fstat(self._shared).st_size < max(1, offset):
            os.ftruncate(self._shared, max(1, offset))
        with mmap.mmap(self._shared, max(1, offset)) as memory:
            for (_, _, _, start), array in zip(entries, feeds.values(), strict=True):
                memory[start : start + array.nbytes] = np.ascontiguousarray(array).tobytes()
        self._send({"feeds": entries})
        described = self._receive("outputs")
        assert isinstance(described, list)
        outputs = {}
        assert self._job is not None
        for name, (dtype, shape) in zip(self._job.outputs, described, strict=True):
            outputs[name] = np.frombuffer(self._wait(_LONGEST_ARRAY), dtype_called(dtype)).reshape(shape)
        return outputs

    def export(self) -> tuple[bytes, bytes]:
        """The original as OpenVINO's IR, which a child for PyTorch makes: its description and its weights.

        Raises :class:`EvaluationError` where it cannot be converted.
        """
        self.ready()
        assert self._export is not None
        self._send({"export": True})
        self._receive("exported")
        return self._export.read()

    def close(self) -> None:
        """End the child. Safe to call more than once."""
        self._end()
        if self._prefix:
            self._prefix.close()

    def _send(self, message: dict[str, object]) -> None:
        try:
            self._connection.send_bytes(json.dumps(message).encode())
        except OSError as error:
            raise self._died() from error

    def _receive(self, key: str) -> object:
        message = json.loads(self._wait(_LONGEST_MESSAGE))
        if "error" in message:
            raise self._told(message["error"])
        return message[key]

    def _wait(self, most: int) -> bytes:
        deadline = time.monotonic() + PATIENCE
        try:
            while not self._connection.poll(0.2):
                self._check_stop()
                if time.monotonic() > deadline:
                    raise EvaluationError(f"{self._name}: the original does not answer within {PATIENCE:.0f} s")
            return self._connection.recv_bytes(most)
        except (EOFError, OSError) as error:
            raise self._died() from error

    def _told(self, error: Mapping[str, str]) -> Exception:
        framework = {"tensorflow": "TensorFlow", "onnx": "ONNX Runtime", "pytorch": "PyTorch"}[self._framework]
        if error["kind"] == "import":
            return MissingDependency(
                f"the original is run by {framework}, which cannot be imported: {error['text'].splitlines()[0]}",
                hint=_INSTALLATION[self._framework],
            )
        if error["kind"] == "told":
            return EvaluationError(f"{self._name}: {error['text']}", hint=error.get("hint"))
        if error["kind"] == "memory":
            return self._out_of_memory()
        return EvaluationError(f"{self._name}: {framework} cannot run the original: {_short(error['text'])}")

    def _died(self) -> EvaluationError:
        code = self._process.wait()
        words = b"\n".join(self._last_words).decode(errors="replace").strip()
        if code == -signal.SIGKILL or "bad_alloc" in words or "MemoryError" in words:
            return self._out_of_memory()
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        if code < 0 or code == _NOT_LOADED:  # as libraries end where they are refused what they need
            how += ", most likely because memory or threads ran out"
        return EvaluationError(
            f"{self._name}: the process that runs the original {how}" + (f": {words}" if words else "")
        )

    def _out_of_memory(self) -> EvaluationError:
        return EvaluationError(f"{self._name}: the original needs more memory than there is, or than it may take")

    @property
    def _name(self) -> str:
        return self._job.name if self._job else self._framework


def start(job: Job, model: bytes, *, package: bool = False) -> ReferenceProcess:
    """A child process that loads ``model``."""
    process = ReferenceProcess(job.framework, package=package)
    process.load(job, model)
    return process


def _listen(stream: IO[bytes], last_words: deque[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in stream:
            last_words.append(line.rstrip()[:500])


def _end(
    process: subprocess.Popen[bytes],
    connection: Connection,
    shared: int,
    listener: threading.Thread,
    export: ExportPlace | None,
) -> None:
    connection.close()
    if process.poll() is None:
        process.kill()
    process.wait()
    listener.join()
    if process.stderr is not None:
        process.stderr.close()
    os.close(shared)
    if export:
        export.close()


def _shared_memory() -> int:
    """A file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mixnet_tools")
    with tempfile.TemporaryFile() as stream:
        return os.dup(stream.fileno())


def _short(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0][:300]
