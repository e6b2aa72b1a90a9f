"""Moves a file out of the way of another one, unless nothing of it would be lost."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

_CHUNK = 1 << 20
_SUFFIX = ".kept"
_LONGEST = 200
"""Letters of a name that are kept, so that the new one is not too long."""


def make_way(target: Path, new: Path, known: tuple[int, int] | None = None) -> Path | None:
    """Move what is at ``target`` aside if ``new``, which comes there, would not replace it whole; returns where it is.

    Nothing is moved where there is nothing, where it is the beginning of ``new`` or the same, and where it is the file
    with the ``known`` size (bytes) and time of change (ns). A folder is left alone. Raises OSError.
    """
    try:
        old = target.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(old.st_mode) or known == (old.st_size, old.st_mtime_ns):
        return None
    if stat.S_ISREG(old.st_mode) and _begins_with(new, target):
        return None
    if stat.S_ISLNK(old.st_mode) and new.is_symlink() and os.readlink(target) == os.readlink(new):
        return None
    name = target.name[:_LONGEST] + _SUFFIX
    for number in itertools.count(1):
        aside = target.with_name(name if number == 1 else f"{name}-{number}")
        if not os.path.lexists(aside):
            os.rename(target, aside)
            return aside
    raise AssertionError("there is always another number")


def _begins_with(new: Path, old: Path) -> bool:
    if new.is_symlink() or new.stat().st_size < old.stat().st_size:
        return False
    with old.open("rb") as one, new.open("rb") as other:
        while chunk := one.read(_CHUNK):
            if other.read(len(chunk)) != chunk:
                return False
    return True
