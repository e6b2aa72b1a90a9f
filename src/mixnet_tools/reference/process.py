"""Start the child process that runs the original, feed it by name, and take its answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import EvaluationError, MissingDependency
from mixnet_tools.frames import FrameReader, write_frame
from mixnet_tools.reference.export_place import ExportPlace
from mixnet_tools.reference.job import FrameworkName, Job
from mixnet_tools.reference.plain_prefix import PlainPrefix
from mixnet_tools.reference.tensorflow_library import dtype_called

Array = npt.NDArray[np.generic]

PATIENCE = 600.0
"""Seconds for the original to load, and for one batch."""

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from mixnet_tools.reference.child import main
main(sys.argv[2], sys.argv[3] == "package")
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

_OWN_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""Windows' way to keep Ctrl-C from the child."""

_KILLED = -getattr(signal, "SIGKILL", 9)


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
            restore = replace(job.restore, prefix=self._prefix.prefix.as_posix())
            job = replace(job, restore=restore, readable=(*job.readable, *self._prefix.folders))
        if self._export:
            job = replace(job, export=str(self._export.folder))
        self._job = job
        sender = threading.Thread(target=_send_all, args=(self._requests, (job.to_json().encode(), model)), daemon=True)
        sender.start()

    def _start(self) -> None:
        self._export = ExportPlace() if self._framework == "pytorch" else None
        environment = {
            **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "OPENBLAS_NUM_THREADS": "1",
            "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        if self._export:  # PyTorch makes a folder for its cache, if only on being imported
            environment["TORCHINDUCTOR_CACHE_DIR"] = str(self._export.folder)
        self._process = subprocess.Popen(
            [
                sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path), self._framework,
                "package" if self._package else "library",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=self._export.inherited if self._export else (),  # none where the system cannot
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the child
            creationflags=_OWN_GROUP,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._requests, self._answers = self._process.stdin, FrameReader(self._process.stdout)
        self._last_words: deque[bytes] = deque(maxlen=5)
        listener = threading.Thread(target=_listen, args=(self._process.stderr, self._last_words), daemon=True)
        listener.start()
        # Also where nobody calls close(): a child must not outlive whoever fed it.
        self._end = weakref.finalize(self, _end, self._process, self._answers, listener, self._export)
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
            with self._understood():
                software, package, version = (str(found[name]) for name in ("software", "package", "version"))
                self._running = Running(software, package, version, tuple(map(str, found["restrictions"])))
        return self._running

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, for arrays by the names of the job's inputs. Raises :class:`EvaluationError`."""
        self.ready()
        entries = [(name, str(array.dtype), list(array.shape)) for name, array in feeds.items()]
        self._send({"feeds": entries}, feeds.values())
        described = self._receive("outputs")
        outputs = {}
        assert self._job is not None
        with self._understood():
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
        with self._understood():
            return self._export.read()

    def close(self) -> None:
        """End the child. Safe to call more than once."""
        self._end()
        if self._prefix:
            self._prefix.close()

    def _send(self, message: dict[str, object], arrays: Iterable[Array] = ()) -> None:
        try:
            write_frame(self._requests, json.dumps(message).encode())
            for array in arrays:
                write_frame(self._requests, np.ascontiguousarray(array).tobytes())
        except OSError as error:
            raise self._died() from error

    def _receive(self, key: str) -> Any:
        data = self._wait(_LONGEST_MESSAGE)
        with self._understood():
            message = json.loads(data)
            if "error" in message:
                raise self._told({name: str(text) for name, text in message["error"].items() if text is not None})
            return message[key]

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Raise :class:`EvaluationError` where an answer has another form: code of others may answer anything."""
        try:
            yield
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self.close()
            raise EvaluationError(
                f"{self._name}: the process that runs the original answers in no known form"
            ) from error

    def _wait(self, most: int) -> bytes:
        deadline = time.monotonic() + PATIENCE
        try:
            while not self._answers.arrives(0.2):
                self._check_stop()
                if time.monotonic() > deadline:
                    raise EvaluationError(f"{self._name}: the original does not answer within {PATIENCE:.0f} s")
            return self._answers.read(most)
        except (EOFError, OSError) as error:
            raise self._died() from error
        except ValueError as error:
            self.close()
            raise EvaluationError(f"{self._name}: the process that runs the original answers with {error}") from error

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
        if code == _KILLED or "bad_alloc" in words or "MemoryError" in words:
            return self._out_of_memory()
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        if code < 0 or code == _NOT_LOADED:  # as libraries end where they are refused what they need
            own = "by its code, or " if self._job and self._job.foreign else "most likely "
            how += f", {own}because memory or threads ran out"
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


def _send_all(requests: IO[bytes], frames: tuple[bytes, ...]) -> None:
    with contextlib.suppress(OSError, ValueError):  # a child that is gone already shows when it is waited for
        for frame in frames:
            write_frame(requests, frame)


def _end(
    process: subprocess.Popen[bytes], answers: FrameReader, listener: threading.Thread, export: ExportPlace | None
) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    with contextlib.suppress(OSError):  # what was not sent has nowhere to go; a thread that sends has failed by now
        process.stdin.close()  # type: ignore[union-attr]
    answers.close()
    listener.join()
    process.stderr.close()  # type: ignore[union-attr]
    if export:
        export.close()


def _short(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0][:300]
