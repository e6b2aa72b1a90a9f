"""Unpacks compressed bytes as they are read, in bounded memory. Tar files are read from such a stream.

Python's own gzip, bz2 and lzma files do not limit the memory that an xz header asks for, and tarfile reads some headers
whole, however long they say they are. Here both are limited.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

CHUNK = 1 << 18
MAX_READ = 1 << 20
"""The most bytes that one read gives. A tar header that asks for more is broken or malicious."""

_XZ_MEMORY = 1 << 28


class BrokenStream(Exception):
    """The packed bytes cannot be unpacked."""


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


def decoder_for(archive_format: str) -> Callable[[], Decoder] | None:
    """A function that makes a decoder for this format of tar files, or None if they are plain. ImportError: no zstd."""
    if archive_format == "tar":
        return None
    if archive_format == "gztar":
        return _GzipDecoder
    if archive_format == "bztar":
        return bz2.BZ2Decompressor
    if archive_format == "xztar":
        return lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    from compression.zstd import ZstdDecompressor  # type: ignore[import-not-found, unused-ignore]  # Python 3.14

    make: Callable[[], Decoder] = ZstdDecompressor
    return make


class UnpackedStream:
    """A stream that unpacks ``packed`` with decoders from ``make_decoder``, for reading forwards only.

    ``on_bytes`` is called with each number of bytes that comes out, and may raise. ``last_read`` is the result of the
    last :meth:`read`. Raises :class:`BrokenStream` for packed bytes that are wrong in any way.
    """

    def __init__(
        self, packed: BinaryIO, make_decoder: Callable[[], Decoder] | None, on_bytes: Callable[[int], None]
    ) -> None:
        self._packed, self._make_decoder, self._on_bytes = packed, make_decoder, on_bytes
        self._decoder = make_decoder() if make_decoder else None
        self._ready = memoryview(b"")
        self._position = 0
        self.last_read = b""

    def tell(self) -> int:
        """The number of unpacked bytes that were read or skipped."""
        return self._position

    def seek(self, position: int) -> int:
        """Skip to ``position``, which has to lie ahead."""
        if position < self._position:
            raise BrokenStream("has entries that overlap")
        while self._position < position and self.read(min(MAX_READ, position - self._position)):
            pass
        return self._position

    def read(self, count: int) -> bytes:
        """``count`` bytes, or fewer at the end."""
        if not 0 <= count <= MAX_READ:
            raise BrokenStream(f"has a header of {count} bytes")
        pieces, missing = [], count
        while missing and (self._ready or self._refill()):
            piece = self._ready[:missing]
            self._ready = self._ready[len(piece) :]
            pieces.append(piece)
            missing -= len(piece)
        self._position += count - missing
        self.last_read = b"".join(pieces)
        return self.last_read

    def drain(self) -> None:
        """Read to the end, so that the packed stream's own checksum is verified."""
        while self.read(CHUNK):
            pass

    def _refill(self) -> bool:
        unpacked = self._next() if self._decoder else self._packed.read(CHUNK)
        self._on_bytes(len(unpacked))
        self._ready = memoryview(unpacked)
        return bool(unpacked)

    def _next(self) -> bytes:
        assert self._decoder is not None
        assert self._make_decoder is not None
        while True:
            data = b""
            if self._decoder.eof:
                data = self._after_the_end(self._decoder)
                if not data:
                    return b""
                self._decoder = self._make_decoder()  # one packed stream after another makes one file
            elif self._decoder.needs_input:
                data = self._packed.read(CHUNK)
                if not data:
                    raise BrokenStream("is cut short")
            try:
                unpacked = self._decoder.decompress(data, CHUNK)
            except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
                raise BrokenStream(f"cannot be unpacked ({error})") from None
            if unpacked:
                return unpacked

    def _after_the_end(self, decoder: Decoder) -> bytes:
        """The bytes after a packed stream, without the zeros that tapes and some tools pad with."""
        data = decoder.unused_data.lstrip(b"\0")
        while not data and (chunk := self._packed.read(CHUNK)):
            data = chunk.lstrip(b"\0")
        return data
