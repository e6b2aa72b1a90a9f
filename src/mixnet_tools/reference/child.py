"""The child process: takes a job, loads its libraries, gives its rights away, loads the model, and answers.

It is started by :mod:`mixnet_tools.reference.process`, and talks to it over its standard streams, in JSON and bytes.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mixnet_tools.frames import own_streams, read_frame, write_frame
from mixnet_tools.reference import sandbox
from mixnet_tools.reference.frameworks import Exportable, prepare
from mixnet_tools.reference.job import FrameworkName, Job, Refused
from mixnet_tools.reference.tensorflow_library import dtype_called

_SYSTEM = ("/usr", "/lib", "/lib64", "/proc", "/sys", "/dev/null", "/dev/urandom", "/etc/ld.so.cache")
"""What libraries read while they run: other libraries, and what the kernel says of the machine."""

_UNCONFINED = "its code would run, and this system has no Landlock to keep it from reading and writing files"


def main(framework_name: FrameworkName, package: bool) -> None:
    """Serve the process at the other end of the standard streams.

    The framework is loaded first, while the other side prepares the job.

    Returns when stdin is closed. Every failure is told to the other side.
    """
    sandbox.die_with_parent()
    requests, answers = own_streams()
    try:
        framework = prepare(framework_name, package=package)
        job = Job.from_json(read_frame(requests))
        model = read_frame(requests)
        readable = [*map(Path, job.readable), *map(Path, _SYSTEM), *_libraries()]
        memory_bound = job.memory or sandbox.address_space(len(model) + job.weights)
        restrictions = sandbox.restrict(readable, memory_bound, memory_bound if job.export else 0)
        if job.foreign and not any("Landlock" in line for line in restrictions):
            raise Refused(_UNCONFINED, "convert it on Linux 5.13 or newer, with Landlock switched on")
        original = framework.load(job, model)
        del model
    except EOFError:  # nobody needs it any more
        return
    except BaseException as error:
        _tell(answers, error)
        return
    said = {"software": framework.software, "package": framework.package, "version": framework.version}
    _send(answers, {"ready": {**said, "restrictions": restrictions}})
    while True:
        try:
            request = json.loads(read_frame(requests))
        except (EOFError, OSError):
            return
        try:
            if "export" in request and isinstance(original, Exportable) and job.export:
                original.export(job.export)
                _send(answers, {"exported": True})
                continue
            outputs = original.run(_feeds(request, requests))
        except BaseException as error:
            _tell(answers, error)
            continue
        _send(answers, {"outputs": [[str(output.dtype), list(output.shape)] for output in outputs]})
        for output in outputs:
            write_frame(answers, np.ascontiguousarray(output).tobytes())


def _libraries() -> list[Path]:
    return [Path(folder) for folder in {sys.prefix, sys.base_prefix, *sys.path} if folder and os.path.isdir(folder)]


def _feeds(request: dict[str, object], requests: IO[bytes]) -> dict[str, npt.NDArray[np.generic]]:
    entries = request["feeds"]
    assert isinstance(entries, list)
    return {
        name: np.frombuffer(bytearray(read_frame(requests)), dtype_called(dtype)).reshape(shape)
        for name, dtype, shape in entries
    }


def _send(answers: IO[bytes], message: dict[str, object]) -> None:
    write_frame(answers, json.dumps(message).encode())


def _tell(answers: IO[bytes], error: BaseException) -> None:
    text = str(error) or type(error).__name__
    kind = "import" if isinstance(error, ImportError) else "memory" if _is_out_of_memory(error, text) else "model"
    hint = None
    if isinstance(error, Refused):
        kind, hint = "told", error.hint
    _send(answers, {"error": {"kind": kind, "text": text[-20_000:], "hint": hint}})


def _is_out_of_memory(error: BaseException, text: str) -> bool:
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, MemoryError) or any(words in text for words in ("OOM when allocating", "bad_alloc"))
