"""Writes a file whole or not at all: a reader finds the old contents or the new ones, never a part.

The new contents go to another file in the same folder, which is renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mixnet_tools.errors import OutputError

_SMALL = 1 << 20


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream for the new contents of ``path``. They are in place when the block ends; if it raises, nothing changes.

    A missing folder is made. A symbolic link stays one: the file behind it is replaced, and keeps its permissions. A
    device or a pipe cannot be replaced, so it is written to. Raises OSError.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".mixnet_tools-{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as stream:
            with contextlib.suppress(OSError):  # no file is there yet, or the file system has no permissions
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            try:
                os.replace(temporary, path)  # before the stream is closed: a lock on it holds until then
            except PermissionError:  # Windows renames no open file
                stream.close()
                os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Make ``data`` the contents of ``path``, as :func:`replacing` does. Raises OSError."""
    with replacing(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str, *, errors: str = "strict") -> None:
    """Make ``text`` the contents of ``path``, in UTF-8, as :func:`replacing` does. Raises OSError."""
    write_bytes(path, text.encode("utf-8", errors))


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raise :class:`OutputError` where the operating system does not let the block write to ``place``."""
    try:
        yield
    except OSError as error:
        problem = f"{place}: cannot be written to: {error.strerror or error}"
        raise OutputError(problem, hint="choose another folder") from error


def rename_durably(source: Path, target: Path) -> None:
    """Rename ``source``, which nobody has open, to ``target``, once its bytes are on the disk.

    Without that, a crash of the machine could leave the new name over blocks that were never written. Files of up to
    1 MB are not waited for: such a crash leaves them empty, which the next run sees. A missing folder is made. Raises
    OSError.
    """
    if source.stat().st_size > _SMALL:
        with source.open("rb+") as stream:  # Windows brings to the disk only what may be written to
            os.fsync(stream.fileno())
    try:
        os.replace(source, target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
