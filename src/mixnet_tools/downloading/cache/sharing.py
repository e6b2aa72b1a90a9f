"""Lets a cache be used by all who may write into its folder, whatever the umask of the one who made an entry."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_OTHERS_WRITE = 0o022
_FOLDER_BITS, _FILE_BITS = 0o1077, 0o044


def make_folder(root: Path, folder: Path) -> None:
    """Make ``folder`` in the cache ``root``, and all that is missing above it. Raises OSError.

    If others may write into ``root``, they may do so here.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        if one != root:
            _allow(root, one, _FOLDER_BITS)


def share_file(root: Path, file: Path) -> None:
    """Let others read ``file`` if they may write into the cache ``root``."""
    _allow(root, file, _FILE_BITS)


def _allow(root: Path, path: Path, bits: int) -> None:
    with contextlib.suppress(OSError):
        given = stat.S_IMODE(root.stat().st_mode)
        if given & _OTHERS_WRITE:
            before = stat.S_IMODE(path.stat().st_mode)
            if (after := before | given & bits) != before:
                os.chmod(path, after)
