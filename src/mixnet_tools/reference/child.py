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
        # Code that came with the model was sent, and needs no package of its name.
        named = job.module.module.partition(".")[0] if job.module and job.foreign and not model else None
        readable = [*map(Path, job.readable), *map(Path, _SYSTEM), *libraries(named)]
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


def libraries(named: str | None = None) -> list[Path]:
    """The folders in which Python and the installed packages are.

    The folder of a script is on Python's path too, such as a user's home with all that is in it. So a folder must hold
    what an installer puts there, or the package ``named``. Of another one only the packages that are loaded are read.
    """
    folders = [folder for folder in dict.fromkeys(sys.path) if folder and os.path.isdir(folder)]
    kept = [folder for folder in folders if _holds_packages(folder, named)]
    top = [module for name, module in list(sys.modules.items()) if "." not in name]
    loaded = [place for module in top for place in getattr(module, "__path__", ()) if os.path.isdir(place)]
    return [Path(folder) for folder in dict.fromkeys((sys.prefix, sys.base_prefix, *kept, *loaded))]


def _holds_packages(folder: str, named: str | None) -> bool:
    if named and any(os.path.isfile(os.path.join(folder, file)) for file in (f"{named}/__init__.py", f"{named}.py")):
        return True
    with os.scandir(folder) as entries:
        return any(entry.name.endswith((".dist-info", ".egg-info")) for entry in entries)


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
