"""Unpacks compressed bytes as they are read, in bounded memory. Tar files are read from such a stream.

Python's own gzip, bz2 and lzma files do not limit the memory that an xz header asks for, and tarfile reads some headers
whole, however long they say they are. Here both are limited.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from mixnet_tools.downloading.archives.recognize import Compression, Decoder

CHUNK = 1 << 18
MAX_READ = 1 << 20
"""The most bytes that one read gives, and that a tar header has. One that asks for more is broken or malicious."""


class BrokenStream(Exception):
    """The packed bytes cannot be unpacked."""


class Readable(Protocol):
    """Bytes to be read forwards: a file, or another stream."""

    def read(self, count: int, /) -> bytes:
        """``count`` bytes, or fewer at the end."""


class UnpackedStream:
    """A stream that unpacks ``packed``, of this ``compression`` (None: plain bytes), for reading forwards only.

    ``on_bytes`` is called with each number of bytes that comes out, and may raise. ``last_read`` is the result of the
    last :meth:`read`. ``has_more`` says that behind the packed bytes there was something else. Raises
    :class:`BrokenStream` for packed bytes that are wrong in any way.
    """

    def __init__(self, packed: Readable, compression: Compression | None, on_bytes: Callable[[int], None]) -> None:
        self._packed, self._compression, self.on_bytes = packed, compression, on_bytes
        self._decoder = compression.make_decoder() if compression else None
        self._ready = memoryview(b"")
        self._position = 0
        self._header_left: int | None = None
        self.last_read = b""
        self.has_more = False

    @contextmanager
    def header(self) -> Iterator[None]:
        """Meanwhile the reads are of one header, and may give :data:`MAX_READ` bytes together.

        Newer versions of tarfile read a long header in pieces.
        """
        self._header_left = MAX_READ
        try:
            yield
        finally:
            self._header_left = None

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

    def peek(self, count: int) -> bytes:
        """The next ``count`` bytes, or fewer at the end. They are read once more by the next :meth:`read`."""
        head = self.read(count)
        self._ready = memoryview(head + bytes(self._ready))
        self._position -= len(head)
        return head

    def read(self, count: int, /) -> bytes:
        """``count`` bytes, or fewer at the end."""
        if not 0 <= count <= MAX_READ:
            raise BrokenStream(f"has a header of {count} bytes")
        if self._header_left is not None:
            self._header_left -= count
            if self._header_left < 0:
                raise BrokenStream(f"has a header of more than {MAX_READ} bytes")
        pieces, missing = [], count
        while missing and (self._ready or self._refill()):
            piece = self._ready[:missing]
            self._ready = self._ready[len(piece) :]
            pieces.append(piece)
            missing -= len(piece)
        self._position += count - missing
        self.last_read = b"".join(pieces)
        return self.last_read

    def drain(self) -> int:
        """Read to the end, so that the packed stream's own checksum is verified. Returns how many bytes are left,
        or 0 where they are zeros.
        """
        count, counts = 0, False
        while chunk := self.read(CHUNK):
            count += len(chunk)
            counts = counts or any(chunk)
        return count if counts else 0

    def _refill(self) -> bool:
        unpacked = self._next() if self._decoder else self._packed.read(CHUNK)
        self.on_bytes(len(unpacked))
        self._ready = memoryview(unpacked)
        return bool(unpacked)

    def _next(self) -> bytes:
        assert self._decoder is not None
        assert self._compression is not None
        while True:
            data = b""
            if self._decoder.eof:
                data = self._after_the_end(self._decoder, self._compression.magic)
                if not data:
                    return b""
                self._decoder = self._compression.make_decoder()  # one packed stream after another makes one file
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

    def _after_the_end(self, decoder: Decoder, magic: bytes) -> bytes:
        """The packed stream that follows another one. Zeros between them are left out: tapes and some tools pad so.

        Anything else is none of the archive's, and is left out as well, as gzip and tar do.
        """
        if self.has_more:
            return b""
        data = decoder.unused_data.lstrip(b"\0")
        while not data and (chunk := self._packed.read(CHUNK)):
            data = chunk.lstrip(b"\0")
        while data and len(data) < len(magic) and (chunk := self._packed.read(CHUNK)):
            data += chunk
        self.has_more = bool(data) and not data.startswith(magic)
        return b"" if self.has_more else data
