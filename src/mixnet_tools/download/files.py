"""Small steps on files that must be whole or not there at all, whatever happens in between."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

_CHUNK = 1 << 20


def write_atomically(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace ``path`` by a file with ``text``: a reader sees the old one or the new one. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def replace_durably(descriptor: int, source: Path, target: Path) -> None:
    """Rename ``source``, open as ``descriptor``, to ``target`` once its bytes are on the disk.

    Without the first step a crash of the machine can leave the new name over blocks that were never written.
    """
    os.fsync(descriptor)
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
