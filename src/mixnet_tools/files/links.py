"""Lets a file or folder be found under another path: by a link, or by a copy where the system makes no links."""

from __future__ import annotations

import shutil
from pathlib import Path


def stand_in(place: Path, source: Path) -> None:
    """Let ``place``, which must not exist, show the file or folder ``source`` to readers.

    It is a symbolic link, or a copy: Windows lets most users make no symbolic links, and a hard link would change what
    the system says of ``source``. Raises OSError.
    """
    source = source.resolve()
    try:
        place.symlink_to(source, target_is_directory=source.is_dir())
    except (OSError, NotImplementedError):
        if source.is_dir():
            shutil.copytree(source, place, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, place)
