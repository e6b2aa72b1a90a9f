"""Reads the entries of zip files as people make them, with names and folders that are not always as the format says."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mixnet_tools.downloading.archives.entry_names import zip_name
from mixnet_tools.downloading.archives.safety import Entry, EntryChecker, EntryKind
from mixnet_tools.downloading.archives.streams import CHUNK
from mixnet_tools.downloading.archives.writer import EntryWriter

_UNIX = 3
_DOS_FOLDER = 0x10
_LONGEST_LINK = 4096


def unpack_zip(archive: Path, writer: EntryWriter, checker: EntryChecker) -> None:
    """Unpack the zip file ``archive``. Raises :class:`ArchiveError` and what zipfile raises."""
    with zipfile.ZipFile(archive) as container:
        for info in container.infolist():
            name = checker.readable(zip_name(info))
            if info.flag_bits & 1:
                raise checker.refusal(name, "is encrypted")
            entry = _entry(container, info, name, checker)
            chunks = _chunks(container, info, checker) if entry.kind is EntryKind.FILE else ()
            writer.write(entry, chunks)


def _entry(container: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, checker: EntryChecker) -> Entry:
    attributes = info.external_attr >> 16 if info.create_system == _UNIX else 0
    form = stat.S_IFMT(attributes)
    marked = not form and info.external_attr & _DOS_FOLDER and not info.file_size
    if name.endswith("/") or form == stat.S_IFDIR or marked:
        kind = EntryKind.FOLDER
    elif form == stat.S_IFLNK:
        kind = EntryKind.SYMLINK
    elif form in (0, stat.S_IFREG):
        kind = EntryKind.FILE
    else:
        kind = EntryKind.OTHER
    link_to = ""
    if kind is EntryKind.SYMLINK:
        if info.file_size > _LONGEST_LINK:
            raise checker.refusal(name, f"is a link with a target of more than {_LONGEST_LINK} bytes")
        with container.open(info) as stream:
            link_to = checker.readable(stream.read(_LONGEST_LINK + 1).decode("utf-8", "surrogateescape"))
    return Entry(name, kind, stat.S_IMODE(attributes), info.file_size, link_to)


def _chunks(container: zipfile.ZipFile, info: zipfile.ZipInfo, checker: EntryChecker) -> Iterator[bytes]:
    stream: BinaryIO
    with container.open(info) as stream:  # type: ignore[assignment]
        while chunk := stream.read(CHUNK):
            checker.count_bytes(info.filename, len(chunk), 0)
            yield chunk
