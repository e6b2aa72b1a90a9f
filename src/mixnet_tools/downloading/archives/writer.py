"""Makes the entries of an archive below a folder, each checked before anything of it is written.

Files are made anew, and never opened through a link; folders are real folders.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mixnet_tools.downloading.archives.safety import Entry, EntryChecker, EntryKind
from mixnet_tools.downloading.archives.streams import CHUNK
from mixnet_tools.errors import ArchiveError
from mixnet_tools.files.bounded import open_flags

_NOT_HERE = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""What a file system says of a name that it cannot have."""


class EntryWriter:
    """Checks entries by ``checker``, and makes them below the empty ``folder``. ``heartbeat`` may raise."""

    def __init__(self, folder: Path, checker: EntryChecker, heartbeat: Callable[[], None]) -> None:
        self._folder, self._checker, self._heartbeat = folder, checker, heartbeat

    def write(self, entry: Entry, chunks: Iterable[bytes]) -> None:
        """Make ``entry``, from ``chunks`` if it is a file. Raises :class:`ArchiveError` and OSError."""
        self._heartbeat()
        path = self._checker.check(entry)
        if not path:
            return
        try:
            self._make(entry, self._folder / path, chunks)
        except UnicodeEncodeError as error:
            raise self._unfit(entry, f"the locale's {error.encoding} lacks letters of it") from error
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            raise self._unfit(entry, error.strerror) from error

    def _unfit(self, entry: Entry, why: str | None) -> ArchiveError:
        return ArchiveError(
            f"{self._checker.archive}: entry {entry.name[:300]!r}: this file system cannot have the name ({why})",
            hint="choose a folder on another file system, or with a shorter path: `output_dir`",
        )

    def _make(self, entry: Entry, target: Path, chunks: Iterable[bytes]) -> None:
        self._make_folder(entry, target if entry.kind is EntryKind.FOLDER else target.parent)
        if entry.kind is EntryKind.FOLDER:
            return
        if target.is_dir() and not target.is_symlink():
            raise self._checker.refusal(entry.name, "is a file where an earlier entry is a folder")
        if entry.kind is EntryKind.HARDLINK:
            self._make_hardlink(entry, target)
            return
        target.unlink(missing_ok=True)  # a later entry of the same name replaces the earlier one
        if entry.kind is EntryKind.SYMLINK:
            self._make_symlink(entry, target)
        else:
            self._make_file(entry, target, chunks)

    def _make_folder(self, entry: Entry, folder: Path) -> None:
        missing = []
        while folder != self._folder:
            if folder.is_symlink() or folder.is_file():
                raise self._checker.refusal(entry.name, "needs a folder where an earlier entry is a file or link")
            if folder.is_dir():
                break
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir()

    def _make_symlink(self, entry: Entry, target: Path) -> None:
        try:
            target.symlink_to(entry.link_to)
        except (OSError, NotImplementedError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, *_NOT_HERE):
                raise
            raise ArchiveError(
                f"{self._checker.archive}: entry {entry.name!r}: is a symbolic link, which cannot be made here "
                f"({getattr(error, 'strerror', None) or error})",
                hint="choose a folder on another file system: `output_dir`; on Windows, turn on its developer mode",
            ) from error

    def _make_hardlink(self, entry: Entry, target: Path) -> None:
        source = self._folder / self._checker.hardlink_target(entry)
        relative = source.relative_to(self._folder)
        steps = [self._folder / Path(*relative.parts[:end]) for end in range(1, len(relative.parts) + 1)]
        if any(step.is_symlink() for step in steps) or not source.is_file():
            raise self._checker.refusal(entry.name, f"links to {entry.link_to!r}, which is no earlier file")
        if source == target:
            return
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError as error:  # a file system without hard links, or with a limit of their number
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            executable = source.stat().st_mode & stat.S_IXUSR
            self._make_file(Entry(entry.name, EntryKind.FILE, executable), target, self._copied(entry, source))

    def _copied(self, entry: Entry, source: Path) -> Iterator[bytes]:
        with source.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                self._checker.count_bytes(entry.name, len(chunk), 0)
                yield chunk

    def _make_file(self, entry: Entry, target: Path, chunks: Iterable[bytes]) -> None:
        mode = 0o777 if entry.mode & stat.S_IXUSR else 0o666  # the umask has the last word
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | open_flags("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")
        with open(os.open(target, flags, mode), "wb", buffering=0) as stream:
            written = 0
            for chunk in chunks:
                self._heartbeat()
                written += len(chunk)
                self._checker.count_bytes(entry.name, 0, written)
                view = memoryview(chunk)
                while view:
                    view = view[stream.write(view) :]
