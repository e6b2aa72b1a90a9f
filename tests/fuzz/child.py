"""The process that runs examples, one after the other: it may crash, hang or fill its memory.

Whatever the product does to the world is watched by an audit hook: writing outside of the example's folders, starting a
process, connecting, and unpickling are findings, whichever module does it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import mixnet_tools
from mixnet_tools.errors import MixnetToolsError
from tests.fuzz.target import MIB, Files, Finding, Place, Target

ADDRESS_SPACE = 12 << 30
_PACKAGE = Path(mixnet_tools.__file__).parent
_WRITING = {
    "os.mkdir": (0,), "os.rename": (0, 1), "os.link": (1,), "os.symlink": (1,), "os.remove": (0,), "os.rmdir": (0,),
    "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,), "os.utime": (0,), "shutil.rmtree": (0,), "os.mknod": (0,),
    "os.mkfifo": (0,),
}  # fmt: skip
_STARTING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty")
_NEVER = ("socket.connect", "socket.getaddrinfo", "socket.bind", "pickle.find_class", "webbrowser.open")


class _Watch:
    """Remembers what an example does that it must not, and forbids it."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self.starts_processes = False
        self.seen: list[tuple[str, str]] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open":
            path, _, flags = args
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if writes and not isinstance(path, int):
                self._check_path(event, path)
        elif event in _WRITING:
            for place in _WRITING[event]:
                if isinstance(args[place], str | bytes | os.PathLike):
                    self._check_path(event, args[place])
        elif event in _NEVER or (event in _STARTING and not self.starts_processes):
            self._refuse(event, repr(args)[:300])

    def _check_path(self, event: str, path: object) -> None:
        full = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
        resolved = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        assert self.allowed is not None
        if not any(resolved == one or resolved.startswith(one + os.sep) for one in self.allowed):
            self._refuse(f"{event} outside of the output folder", resolved)

    def _refuse(self, what: str, detail: str) -> None:
        self.seen.append((what, detail))
        raise PermissionError(f"fuzzing forbids this: {what} {detail}")


def main(connection: Connection) -> None:
    """Run the examples that come, until the other side closes the connection."""
    from tests.fuzz.targets import TARGETS

    by_name = {target.name: target for target in TARGETS}
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    watch = _Watch()
    sys.addaudithook(watch)
    ready: set[str] = set()
    while True:
        try:
            name, files, root = connection.recv()
        except EOFError:
            return
        target = by_name[name]
        if name not in ready:  # modules that it imports are no matter of its examples
            ready.add(name)
            for number, seed in enumerate(target.seeds()):
                _carry_out(target, seed, Path(root) / f"seed-{number}", watch)
        connection.send(_carry_out(target, files, Path(root) / "example", watch))


def _carry_out(target: Target, files: Files, root: Path, watch: _Watch) -> tuple[str, str, str]:
    """(what came of it, the finding or "", details). What comes of it: ``accepted``, ``refused`` or ``finding``."""
    place = Place(root)
    for folder in (place.given, place.out, place.scratch):
        folder.mkdir(parents=True)
    for name, data in files.items():
        path = place.given / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    os.chdir(place.scratch)
    tempfile.tempdir = str(place.scratch)
    before, known = _reset_peak(), _listing(place)
    began = time.process_time()
    watch.allowed = (str(place.out.resolve()), str(place.scratch.resolve()), "/dev/null")
    watch.starts_processes = target.starts_processes
    watch.seen.clear()
    answer = ("accepted", "", "")
    try:
        target.run(place)
    except Finding as finding:
        answer = ("finding", str(finding), finding.detail)
    except (MixnetToolsError, OSError) as error:
        answer = ("refused", "", f"{type(error).__name__}: {error}")
    except BaseException as error:
        answer = ("finding", _signature(error), traceback.format_exc())
    finally:
        watch.allowed = None
    if watch.seen:
        answer = ("finding", watch.seen[0][0], f"{watch.seen[0][1]}\n{answer}")
    grown = (_peak() - before) / MIB
    if answer[0] != "finding" and grown > target.memory / MIB:
        answer = ("finding", f"more than {target.memory // MIB} MiB of memory", f"{grown:.0f} MiB\n{answer}")
    if answer[0] != "finding" and time.process_time() - began > target.seconds / 6:
        answer = ("finding", "slow", f"{time.process_time() - began:.1f} s of CPU\n{answer}")
    if answer[0] != "finding" and _listing(place) != known:
        answer = ("finding", "files outside of the output folder changed", str(set(_listing(place)) ^ set(known)))
    tempfile.tempdir = None
    os.chdir(root.parent)
    shutil.rmtree(root, ignore_errors=True)
    return answer


def _signature(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    place = Path(own[-1].filename)
    where = place.relative_to(_PACKAGE) if place.is_relative_to(_PACKAGE) else place.name
    return f"{type(error).__name__} in {where}:{own[-1].name}"


def _listing(place: Place) -> dict[str, tuple[int, int]]:
    """What lies in the example's folders that it must not touch, with size and time."""
    found = {}
    for folder, folders, files in os.walk(place.root):
        if Path(folder) == place.root:
            folders[:] = [one for one in folders if one not in ("out", "scratch")]
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (status.st_size, status.st_mtime_ns)
    return found


def _reset_peak() -> int:
    """The memory in use now, from which the peak is counted again; else the peak so far."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
        stream.write("5")
    return _peak()


def _peak() -> int:
    """The most bytes of memory in use since :func:`_reset_peak`."""
    with open("/proc/self/status", encoding="ascii") as stream:
        return next(int(line.split()[1]) << 10 for line in stream if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
