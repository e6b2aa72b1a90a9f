"""Reads whole files within a budget: of regular files, as many bytes as their kind may have.

A device or a pipe in the place of a file could make the reader wait for ever, or deliver bytes without end.
"""

from __future__ import annotations

import errno
import functools
import operator
import os
import stat
from pathlib import Path


def open_flags(*names: str) -> int:
    """The flags of :func:`os.open` that this operating system has, of those with these ``names``, together."""
    return functools.reduce(operator.or_, (getattr(os, name, 0) for name in names), 0)


def read_bytes(path: Path, most: int) -> bytes:
    """The contents of the regular file ``path``.

    Raises OSError where it cannot be read, is no regular file, or has more than ``most`` bytes: ``strerror`` tells.
    """
    descriptor = os.open(path, os.O_RDONLY | open_flags("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        return _within(stream.read(most + 1), most, path)


def read_given(path: Path, most: int) -> bytes:
    """:func:`read_bytes` of a file that the user named, which may be a pipe: ``--list <(...)``."""
    with path.open("rb") as stream:
        return _within(stream.read(most + 1), most, path)


def _within(data: bytes, most: int, path: Path) -> bytes:
    if len(data) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes, which no such file is", str(path))
    return data
