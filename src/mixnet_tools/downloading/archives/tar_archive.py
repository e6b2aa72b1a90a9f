"""Reads the entries of tar files as people make them: compressed in any way, labelled, without an end mark."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from mixnet_tools.downloading.archives.recognize import HEAD, compression_of, is_tar, other_kind
from mixnet_tools.downloading.archives.safety import Entry, EntryChecker, EntryKind
from mixnet_tools.downloading.archives.streams import CHUNK, BrokenStream, UnpackedStream
from mixnet_tools.downloading.archives.writer import EntryWriter
from mixnet_tools.errors import ArchiveError

_KINDS = {
    tarfile.REGTYPE: EntryKind.FILE,
    tarfile.AREGTYPE: EntryKind.FILE,
    tarfile.CONTTYPE: EntryKind.FILE,
    tarfile.GNUTYPE_SPARSE: EntryKind.FILE,
    tarfile.DIRTYPE: EntryKind.FOLDER,
    b"D": EntryKind.FOLDER,  # of an incremental backup, with a list of names as its contents
    tarfile.SYMTYPE: EntryKind.SYMLINK,
    tarfile.LNKTYPE: EntryKind.HARDLINK,
    tarfile.CHRTYPE: EntryKind.OTHER,
    tarfile.BLKTYPE: EntryKind.OTHER,
    tarfile.FIFOTYPE: EntryKind.OTHER,
}
_NO_FILES = (b"V", b"N", b"A", b"E", b"I")
"""Types of entries that are no files: the label of a volume, old long names, access lists and inodes of Solaris."""

_CONTINUED = b"M"
_MOST_LAYERS = 3


def unpack_tar(archive: Path, writer: EntryWriter, checker: EntryChecker) -> str:
    """Unpack the tar file ``archive``; returns how it is compressed ("" if not).

    Raises :class:`ArchiveError`, :class:`BrokenStream` and what tarfile raises.
    """
    name = "(headers)"

    def on_bytes(count: int) -> None:
        checker.count_bytes(name, count, 0)

    with archive.open("rb", buffering=0) as packed:
        layers = _layers(UnpackedStream(packed, None, on_bytes), checker)
        *_, (compressed, stream) = layers
        with stream.header():
            tar = tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8")  # type: ignore[arg-type]
        with tar:
            count = 0
            while member := _next_member(tar, stream):
                name, count = member.name, count + 1
                _unpack_member(tar, member, stream, writer, checker)
                tar.members.clear()  # type: ignore[attr-defined]  # or every header stays in memory
                stream.seek(tar.offset)
                if stream.tell() < tar.offset:
                    break  # its last block is not full
            # tarfile takes a broken header after the first for the end; the true end is a block of zeros.
            if any(stream.last_read):
                raise BrokenStream(f"has no header where one is expected, behind the entry {name!r}")
            if not count and not stream.last_read:
                raise BrokenStream("is empty")
            if not stream.last_read:
                checker.note("has no end mark; unpacked up to its end")
        if left := stream.drain():
            checker.note(f"{left:,} bytes behind its end mark were left out, as tar does")
        if any(layer.has_more for _, layer in layers):
            checker.note("bytes behind the compressed data were left out, as gzip does")
    return compressed


def _layers(raw: UnpackedStream, checker: EntryChecker) -> list[tuple[str, UnpackedStream]]:
    """The bytes of the file, and what is inside, layer by layer down to the tar file."""
    layers = [("", raw)]
    while True:
        compressed, stream = layers[-1]
        head = stream.peek(HEAD)
        compression = compression_of(head)
        if compression is None or len(layers) > _MOST_LAYERS:
            break
        try:
            layers.append((compression.name, UnpackedStream(stream, compression, raw.on_bytes)))
        except ImportError as error:
            raise ArchiveError(
                f"{checker.archive}: cannot be unpacked: this Python has no zstd", hint="use Python 3.14 or newer"
            ) from error
    if len(layers) > 2:
        checker.note("is compressed more than once")
    if not is_tar(head):
        kind = other_kind(head) or ("no archive of a known kind" if head else "empty")
        raise BrokenStream(f"is {compressed} data of what is {kind}" if compressed else f"is {kind}")
    return layers


def _next_member(tar: tarfile.TarFile, stream: UnpackedStream) -> tarfile.TarInfo | None:
    with stream.header():
        return tar.next()


def _unpack_member(
    tar: tarfile.TarFile, member: tarfile.TarInfo, stream: UnpackedStream, writer: EntryWriter, checker: EntryChecker
) -> None:
    if member.type in _NO_FILES:
        return
    if member.type == _CONTINUED:
        raise checker.refusal(member.name, "goes on from another volume: this is one part of several")
    if member.type not in _KINDS:
        checker.note("entries of a kind that is not known, unpacked as files", member.name)
    kind = _KINDS.get(member.type, EntryKind.FILE)
    name, link_to = checker.readable(member.name), checker.readable(member.linkname)
    entry = Entry(name, kind, member.mode, member.size, link_to)
    writer.write(entry, _chunks(tar, member, stream, checker) if kind is EntryKind.FILE else ())


def _chunks(
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
            raise BrokenStream(f"is cut short, in the entry {member.name!r}")
        missing -= len(chunk)
        yield chunk
