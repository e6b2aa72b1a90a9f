"""Finds out what an archive is, by its first bytes: names and descriptors are often wrong about it."""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

HEAD = tarfile.BLOCKSIZE
"""So many bytes at the beginning are enough to know what it is."""

_XZ_MEMORY = 1 << 28
_ZIP = (b"PK\3\4", b"PK\5\6", b"PK\7\x08PK")
_OTHERS = {
    b"PK\3\4": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x1f\x9d": "data of the program compress (.Z)",
    b"LZIP": "lzip data",
    b"\x04\x22\x4d\x18": "LZ4 data",
    b"!<arch>\n": "an ar archive",
    b"070701": "a cpio archive",
    b"070707": "a cpio archive",
    b"MSCF": "a CAB archive",
    b"xar!": "a xar archive",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
}


class Decoder(Protocol):
    """The common interface of bz2, lzma and zstd decompressors."""

    @property
    def eof(self) -> bool:
        """Whether the end of the packed stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something is put in."""

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the packed stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most ``max_length`` more unpacked bytes."""


class _GzipDecoder:
    """zlib's decompressor with the others' interface."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked = self._zlib.decompress(data or self._zlib.unconsumed_tail, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(unpacked) < max_length
        return unpacked


class Compression:
    """A way of packing bytes: what messages call it, the ``magic`` that it begins with, how it is unpacked."""

    def __init__(self, name: str, magic: bytes, make_decoder: Callable[[], Decoder]) -> None:
        self.name, self.magic, self.make_decoder = name, magic, make_decoder


def _zstd() -> Decoder:
    from compression.zstd import ZstdDecompressor  # type: ignore[import-not-found, unused-ignore]  # Python 3.14

    decoder: Decoder = ZstdDecompressor()
    return decoder


def _lzma() -> Decoder:
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b", _GzipDecoder),
    Compression("bzip2", b"BZh", bz2.BZ2Decompressor),
    Compression("xz", b"\xfd7zXZ\0", _lzma),
    Compression("zstd", b"\x28\xb5\x2f\xfd", _zstd),
)
_LZMA = Compression("lzma", b"\x5d\0\0", _lzma)


def compression_of(head: bytes) -> Compression | None:
    """How the bytes that begin with ``head`` are compressed, or None if they are not."""
    for one in COMPRESSIONS:
        if head.startswith(one.magic):
            return one
    # Its first bytes are no sign of its own, but settings.
    return _LZMA if head.startswith(_LZMA.magic) and not is_tar(head) else None


def is_tar(head: bytes) -> bool:
    """Whether ``head`` is the first block of a tar file, in any of its forms; an empty one begins with zeros."""
    if len(head) < tarfile.BLOCKSIZE:
        return False
    block = head[: tarfile.BLOCKSIZE]
    if not any(block):
        return True
    try:
        return tarfile.nti(block[148:156]) in tarfile.calc_chksums(block)  # type: ignore[attr-defined]
    except tarfile.HeaderError:
        return False


def is_zip(path: Path, head: bytes) -> bool:
    """Whether ``path``, which begins with ``head``, is a zip file. Some have a program or a picture before it."""
    if head.startswith(_ZIP):
        return True
    return compression_of(head) is None and not is_tar(head) and zipfile.is_zipfile(path)


def other_kind(head: bytes) -> str | None:
    """What bytes that begin with ``head`` are, if it is a known kind that cannot be unpacked."""
    start = head[:32].lstrip().lower() if head.lstrip().startswith(b"<") else head
    return next((kind for magic, kind in _OTHERS.items() if start.startswith(magic)), None)
