"""Copies files so that no copy changes with another: blocks are shared where the file system can, else copied."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from mixnet_tools.files.bounded import open_flags

_CHUNK = 1 << 20
_FICLONE = 0x40049409  # Linux: share the blocks of another file, copied when either is written to
_Result = TypeVar("_Result")


def share_or_copy(source: Path, target: Path) -> None:
    """Make ``target``, which must not exist, a copy of ``source`` that nothing changes when ``source`` changes.

    Blocks are shared where the file system can (and copies those that are written to), else the bytes are copied.
    Raises OSError, and then leaves no ``target``.
    """
    try:
        with opened(source) as original:
            copy_to(target, original)
    except Unreadable as error:
        raise error.cause from None


class Unreadable(Exception):
    """What was to be copied cannot be read; ``cause`` is what the operating system says. No failure to write is one."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def reading(read: Callable[[], _Result]) -> _Result:
    """What ``read()`` gives. Raises :class:`Unreadable` for its OSError."""
    try:
        return read()
    except OSError as error:
        raise Unreadable(error) from error


def opened(source: Path) -> BinaryIO:
    """The regular file ``source``. A pipe in its place is not waited for. Raises :class:`Unreadable`."""

    def regular() -> BinaryIO:
        descriptor = os.open(source, os.O_RDONLY | open_flags("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a file", str(source))
        return open(descriptor, "rb", buffering=0)

    return reading(regular)


def copy_to(target: Path, original: BinaryIO) -> None:
    """Make ``target``, which must not exist, a copy of ``original``. Raises :class:`Unreadable` and OSError."""
    try:
        with target.open("xb", buffering=0) as copy:
            if not _shared(original, copy):
                while chunk := reading(lambda: original.read(_CHUNK)):
                    view = memoryview(chunk)
                    while view:
                        view = view[copy.write(view) :]
    except FileExistsError:
        raise
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _shared(original: BinaryIO, copy: BinaryIO) -> bool:
    try:
        import fcntl

        fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
    except (ImportError, OSError):
        return False  # another system, another file system, or one that cannot share blocks
    return True
