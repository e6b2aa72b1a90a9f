"""Locks a file or a folder against other processes.

The lock is the operating system's (``flock``, or ``msvcrt.locking`` on Windows). It ends when its holder closes the
file or ends itself, in whatever way.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from mixnet_tools.errors import OutputError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_POLL = 0.05
_FOLDER = ".mixnet_tools.lock"
"""The file that is locked for a folder on Windows, where folders cannot be locked."""

_LOCKED_BYTE = (1 << 31) - 2
"""Windows locks bytes, and lets no other process read them: this one is behind all contents."""

_PATIENCE = 0.3
"""Seconds of waiting that nobody has to be told about."""


_ELSEWHERE = "choose a folder on another file system: `output_dir`"


def try_lock(descriptor: int, path: Path, advice: str = _ELSEWHERE) -> bool:
    """Lock the file ``path``, open as ``descriptor``, until it is closed; False where another holder has the lock.

    Raises :class:`OutputError` with this ``advice`` where the file system has no locks: it says anything else than that
    the lock is held, so waiting would have no end.
    """
    try:
        return _lock(descriptor) if fcntl else _lock_on_windows(descriptor)
    except OSError as error:
        raise OutputError(
            f"{path}: this file system has no file locks ({error.strerror or error}), without which two runs could mix",
            hint=advice,
        ) from error


def _lock(descriptor: int) -> bool:
    assert fcntl is not None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_on_windows(descriptor: int) -> bool:
    import msvcrt

    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EDEADLK):
            raise
        return False
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
    return True


@contextlib.contextmanager
def locked(
    path: Path,
    *,
    on_wait: Callable[[], None] = lambda: None,
    check_stop: Callable[[], None] = lambda: None,
    advice: str = _ELSEWHERE,
) -> Iterator[None]:
    """Hold the lock of ``path`` while the block lasts: a folder that exists, or a file, which is made if it is missing.

    While another holder has the lock, ``check_stop`` is called again and again, and may raise to stop waiting;
    ``on_wait`` is called once. Raises :class:`OutputError` with this ``advice`` where the file system has no locks, and
    OSError where ``path`` cannot be opened.
    """
    if fcntl is None and path.is_dir():
        path /= _FOLDER
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        told, began = False, time.monotonic()
        while not try_lock(descriptor, path, advice):
            check_stop()
            if not told and time.monotonic() - began > _PATIENCE:
                on_wait()
                told = True
            time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def require_locks(folder: Path) -> None:
    """Raise :class:`OutputError` where the file system of ``folder`` has no locks. A free lock is held for a moment."""
    if fcntl is None:  # every file system of Windows has them
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try_lock(descriptor, folder)
    finally:
        os.close(descriptor)
