"""Takes from a Python on Linux what one on Windows lacks: :data:`PROLOGUE` comes first in a process made for it.

It simulates Windows, and is none: its paths, its file systems and its libraries are those of Linux. What is simulated:

* modules, functions and flags that are not there, also in :mod:`signal`;
* open and mapped files cannot be renamed, replaced or removed, folders cannot be opened, links cannot be made;
* a child process inherits no descriptors, and gets no ``preexec_fn``; children in Python are like this one;
* ``msvcrt.locking`` locks one byte, and no other handle can read it;
* TensorFlow has no C library that we know, and :func:`platform.system` says Windows to our modules.
"""

from __future__ import annotations

# Parts of the standard library that use POSIX modules here, and others on Windows.
import asyncio  # noqa: F401
import concurrent.futures.process  # noqa: F401
import ctypes
import errno
import fcntl
import multiprocessing.connection  # noqa: F401
import os
import platform
import shutil
import signal
import ssl  # noqa: F401
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix_only")
OF_OS = (
    "fork", "forkpty", "killpg", "getpgid", "setsid", "sched_getaffinity", "sysconf", "mkfifo",
    "memfd_create", "pidfd_open", "fchmod", "statvfs", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK",
    "O_DIRECTORY", "O_PATH", "O_ASYNC",
)  # fmt: skip
OF_SIGNAL = (
    "SIGKILL", "SIGHUP", "SIGCHLD", "SIGALRM", "SIGUSR1", "SIGUSR2", "pthread_sigmask", "sigwaitinfo", "sigtimedwait",
    "sigpending", "setitimer", "alarm", "pause",
)  # fmt: skip


def refuse_what_is_in_use(name: str, how_many: int) -> None:
    real = getattr(os, name)

    def refusing(*paths: Any, **options: Any) -> Any:
        for path in paths[:how_many]:
            folder = options.get("dir_fd", options.get("src_dir_fd"))
            if in_use(path, folder):
                raise PermissionError(errno.EACCES, "The process cannot access the file: it is in use", str(path))
        return real(*paths, **options)

    setattr(os, name, refusing)


def in_use(path: Any, folder: int | None) -> bool:
    """Whether this process has the file open or mapped, or one in the folder."""
    place = os.path.join("" if folder is None else os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
    place = os.path.join(os.path.realpath(os.path.dirname(place) or "."), os.path.basename(place))
    maps = Path("/proc/self/maps").read_text("utf-8", errors="surrogateescape").splitlines()
    found = {line.split(maxsplit=5)[5] for line in maps if "/" in line}
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return any(one == place or one.startswith(place + os.sep) for one in found)


def no_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, "A required privilege is not held by the client")


def open_no_folder(path: Any, flags: int, *more: Any, **options: Any) -> int:
    if isinstance(path, (str, bytes, os.PathLike)) and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return real_open(path, flags, *more, **options)


def start_as_on_windows(self: Any, args: Any, *more: Any, **options: Any) -> None:
    if options.get("pass_fds") or options.get("preexec_fn"):
        raise ValueError("pass_fds and preexec_fn are not supported on Windows platforms")
    options.pop("start_new_session", None)
    options.pop("creationflags", None)
    if isinstance(args, list) and args[0] == sys.executable and "-c" in args:
        program = args.index("-c") + 1
        args = [*args[:program], PROLOGUE + args[program], *args[program + 1 :]]
    real_start(self, args, *more, **options)


def load_library(self: Any, name: Any, *more: Any, **options: Any) -> None:
    if name is None or "libtensorflow" in str(name):
        raise OSError(f"Could not find module {str(name)!r}")
    real_load(self, name, *more, **options)


def system_for_us() -> str:
    ours = str(sys._getframe(1).f_globals.get("__name__")).startswith("mixnet_tools")
    return "Windows" if ours else real_system()


def lock_a_byte(descriptor: int, mode: int, length: int) -> None:
    """A lock of the byte at the position, of this handle: others cannot have it, nor read that byte."""
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    if (mode, length) != (2, 1) or place < os.fstat(descriptor).st_size or place >= 1 << 31:
        raise AssertionError("expected to lock one byte behind the contents, below 2 GiB, without waiting")
    try:
        real_flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


def simulate() -> None:
    """Do it to this process."""
    for hidden in MODULES:
        sys.modules[hidden] = None  # type: ignore[assignment]
    for module, names in ((os, OF_OS), (signal, OF_SIGNAL)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name, how_many in (("replace", 2), ("rename", 2), ("unlink", 1), ("remove", 1)):
        refuse_what_is_in_use(name, how_many)
    changed: dict[Any, dict[str, Any]] = {
        os: {"symlink": no_links, "open": open_no_folder},
        shutil: {"_use_fd_functions": False},
        tempfile: {"TemporaryFile": tempfile.NamedTemporaryFile},
        subprocess.Popen: {"__init__": start_as_on_windows, "kill": lambda self: self.send_signal(9)},
        ctypes.CDLL: {"__init__": load_library},
        platform: {"system": system_for_us},
    }
    for owner, values in changed.items():
        for name, value in values.items():
            setattr(owner, name, value)
    msvcrt: Any = types.ModuleType("msvcrt")
    msvcrt.LK_NBLCK, msvcrt.locking = 2, lock_a_byte
    sys.modules["msvcrt"] = msvcrt


HERE, NAME = os.path.abspath(__file__), "windows_like"
PROLOGUE = (
    f"exec(compile(open({HERE!r}, encoding='utf-8').read(), {HERE!r}, 'exec'), "
    f"{{'__file__': {HERE!r}, '__name__': {NAME!r}}})\n"
)
"""The first line of a program that is to run as on Windows."""

real_open, real_start, real_load, real_system, real_flock = (
    os.open, subprocess.Popen.__init__, ctypes.CDLL.__init__, platform.system, fcntl.flock,
)  # fmt: skip
if __name__ == NAME:
    simulate()
