"""Unpacks an archive into a folder, entry by entry, in bounded memory.

:mod:`mixnet_tools.downloading.archives.safety` checks each entry before anything of it is written. Files are made anew,
and never opened through a link; folders are real folders. The folder has to be empty. After an error the caller throws
it away, so nothing half-written is left (:mod:`mixnet_tools.downloading.postprocessing`).
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mixnet_tools.downloading.archives.safety import Entry, EntryChecker, EntryKind, Limits
from mixnet_tools.downloading.archives.streams import CHUNK, BrokenStream, UnpackedStream, decoder_for
from mixnet_tools.errors import ArchiveError
from mixnet_tools.files.bounded import open_flags

FORMATS = ("zip", "tar", "gztar", "bztar", "xztar", "zst")
"""The formats of unpack_archive, as Open Model Zoo (and shutil) name them; ``zst`` needs Python 3.14."""

_ZIP_UNIX = 3
_KINDS = {
    tarfile.REGTYPE: EntryKind.FILE,
    tarfile.AREGTYPE: EntryKind.FILE,
    tarfile.CONTTYPE: EntryKind.FILE,
    tarfile.GNUTYPE_SPARSE: EntryKind.FILE,
    tarfile.DIRTYPE: EntryKind.FOLDER,
    tarfile.SYMTYPE: EntryKind.SYMLINK,
    tarfile.LNKTYPE: EntryKind.HARDLINK,
}


def unpack(
    archive: Path,
    archive_format: str,
    folder: Path,
    limits: Limits | None = None,
    heartbeat: Callable[[], None] = lambda: None,
) -> None:
    """Unpack ``archive`` into the empty ``folder``. ``heartbeat`` is called between chunks, and may raise.

    Raises :class:`ArchiveError` that names the entry (or the archive, if it is broken), and OSError if the folder
    cannot be written to. After either, the folder is unfinished.
    """
    checker = EntryChecker(str(archive), archive.stat().st_size, limits or Limits())
    writer = _Writer(folder, checker, heartbeat)
    try:
        if archive_format == "zip":
            _unpack_zip(archive, writer, checker)
        else:
            _unpack_tar(archive, archive_format, writer, checker)
    except BrokenStream as error:
        raise _broken(archive, archive_format, str(error)) from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # zipfile says RuntimeError for an encrypted entry, NotImplementedError for an unknown compression.
        raise _broken(archive, archive_format, f"cannot be read ({error})") from error
    except (UnicodeError, ValueError) as error:
        raise _broken(archive, archive_format, f"has a malformed header ({error})") from error


def _broken(archive: Path, archive_format: str, why: str) -> ArchiveError:
    return ArchiveError(f"{archive}: as a {archive_format} archive it {why}", hint="download it again: `force=True`")


class _Writer:
    """Checks entries and makes them below ``folder``."""

    def __init__(self, folder: Path, checker: EntryChecker, heartbeat: Callable[[], None]) -> None:
        self._folder, self._checker, self._heartbeat = folder, checker, heartbeat

    def write(self, entry: Entry, chunks: Iterable[bytes]) -> None:
        """Make ``entry``, from ``chunks`` if it is a file."""
        self._heartbeat()
        path = self._checker.check(entry)
        if not path:
            return
        target = self._folder / path
        self._make_folder(entry, target if entry.kind is EntryKind.FOLDER else target.parent)
        if entry.kind is EntryKind.FOLDER:
            return
        if target.is_dir() and not target.is_symlink():
            raise self._checker.refusal(entry.name, "is a file where an earlier entry is a folder")
        target.unlink(missing_ok=True)  # a later entry of the same name replaces the earlier one
        if entry.kind is EntryKind.SYMLINK:
            target.symlink_to(entry.link_to)
        elif entry.kind is EntryKind.HARDLINK:
            self._make_hardlink(entry, target)
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

    def _make_hardlink(self, entry: Entry, target: Path) -> None:
        source = self._folder / self._checker.hardlink_target(entry)
        relative = source.relative_to(self._folder)
        steps = [self._folder / Path(*relative.parts[:end]) for end in range(1, len(relative.parts) + 1)]
        if any(step.is_symlink() for step in steps) or not source.is_file():
            raise self._checker.refusal(entry.name, f"links to {entry.link_to!r}, which is no earlier file")
        os.link(source, target)

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


def _unpack_tar(archive: Path, archive_format: str, writer: _Writer, checker: EntryChecker) -> None:
    try:
        decoder = decoder_for(archive_format)
    except ImportError as error:
        raise ArchiveError(
            f"{archive}: cannot be unpacked: this Python has no zstd", hint="use Python 3.14 or newer"
        ) from error
    name = "(headers)"

    def on_bytes(count: int) -> None:
        checker.count_bytes(name, count, 0)

    with archive.open("rb", buffering=0) as packed:
        stream = UnpackedStream(packed, decoder, on_bytes)
        with tarfile.TarFile(fileobj=stream, mode="r") as tar:  # type: ignore[arg-type]  # read, seek, tell are enough
            while member := tar.next():
                name = member.name
                entry = _tar_entry(member)
                writer.write(entry, _tar_chunks(tar, member, stream, checker))
                tar.members.clear()  # type: ignore[attr-defined]  # or every header stays in memory
            # tarfile takes a broken header after the first for the end; the true end is a block of zeros.
            if not stream.last_read or any(stream.last_read):
                raise BrokenStream("is cut short or damaged")
        stream.drain()


def _tar_entry(member: tarfile.TarInfo) -> Entry:
    kind = _KINDS.get(member.type, EntryKind.OTHER)
    return Entry(member.name, kind, member.mode, member.size, member.linkname)


def _tar_chunks(
    tar: tarfile.TarFile, member: tarfile.TarInfo, stream: UnpackedStream, checker: EntryChecker
) -> Iterator[bytes]:
    if member.issparse():
        holes = tar.extractfile(member)
        while holes is not None and (chunk := holes.read(CHUNK)):
            checker.count_bytes(member.name, len(chunk), 0)  # holes take no bytes of the stream, but some of the disk
            yield chunk
        return
    missing = member.size
    while missing:
        chunk = stream.read(min(CHUNK, missing))
        if not chunk:
            raise BrokenStream(f"is cut short, in entry {member.name!r}")
        missing -= len(chunk)
        yield chunk


def _unpack_zip(archive: Path, writer: _Writer, checker: EntryChecker) -> None:
    with zipfile.ZipFile(archive) as container:
        for info in container.infolist():
            if info.flag_bits & 1:
                raise checker.refusal(info.filename, "is encrypted")
            entry = _zip_entry(container, info, checker)
            chunks = _zip_chunks(container, info, checker) if entry.kind is EntryKind.FILE else ()
            writer.write(entry, chunks)


def _zip_entry(container: zipfile.ZipFile, info: zipfile.ZipInfo, checker: EntryChecker) -> Entry:
    attributes = info.external_attr >> 16 if info.create_system == _ZIP_UNIX else 0
    form = stat.S_IFMT(attributes)
    if info.is_dir() or form == stat.S_IFDIR:
        kind = EntryKind.FOLDER
    elif form == stat.S_IFLNK:
        kind = EntryKind.SYMLINK
    elif form in (0, stat.S_IFREG):
        kind = EntryKind.FILE
    else:
        kind = EntryKind.OTHER
    link_to = ""
    if kind is EntryKind.SYMLINK:
        if info.file_size > 4096:
            raise checker.refusal(info.filename, "is a link with a target of more than 4096 bytes")
        with container.open(info) as stream:
            link_to = stream.read(4097).decode("utf-8", "surrogateescape")
    return Entry(info.filename, kind, stat.S_IMODE(attributes), info.file_size, link_to)


def _zip_chunks(container: zipfile.ZipFile, info: zipfile.ZipInfo, checker: EntryChecker) -> Iterator[bytes]:
    stream: BinaryIO
    with container.open(info) as stream:  # type: ignore[assignment]
        while chunk := stream.read(CHUNK):
            checker.count_bytes(info.filename, len(chunk), 0)
            yield chunk
