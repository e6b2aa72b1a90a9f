"""Small steps on files that must be whole or not there at all, whatever happens in between."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

_CHUNK = 1 << 20
_SMALL = 1 << 20


def write_atomically(path: Path, text: str) -> None:
    """Replace ``path`` by a file with ``text``: a reader sees the old one or the new one. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def replace_durably(descriptor: int, source: Path, target: Path, size: int) -> None:
    """Rename ``source``, open as ``descriptor``, to ``target`` once its ``size`` bytes are on the disk.

    Otherwise a crash of the machine could leave the new name over blocks that were never written. Small files go
    without: such a crash leaves them empty, which the next run sees, and hundreds of them would wait for the disk.
    """
    if size > _SMALL:
        os.fsync(descriptor)
    try:
        os.replace(source, target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)


def hash_file(path: Path, algorithm: str, heartbeat: Callable[[], None] = lambda: None) -> str:
    """Hex digest of the file ``path``; ``heartbeat`` is called between chunks and may raise to stop."""
    digest = hashlib.new(algorithm)
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            heartbeat()
            digest.update(chunk)
    return digest.hexdigest()
