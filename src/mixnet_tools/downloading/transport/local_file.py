"""Opens a file on this machine as a source: beside the descriptor, behind file://, or in a folder that is a mirror."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mixnet_tools.downloading.transport.partial_file import CHUNK, Origin
from mixnet_tools.network.failure import Kind, SourceFailure


class LocalBody:
    """The bytes of the file ``path`` from ``offset`` on, with the interface of an HTTP body."""

    is_encoded = False
    is_delimited = True
    is_part = False

    def __init__(self, path: Path, size: int, offset: int) -> None:
        self.offset = offset
        self.origin = Origin(Origin.key_of(str(path.absolute())), None)
        try:
            if path.exists() and not path.is_file():  # opening a FIFO would wait for its other end
                raise SourceFailure("is not a regular file", Kind.PERMANENT)
            self._stream: BinaryIO = path.open("rb", buffering=0)
            self.declared: int | None = self._stream.seek(0, 2)
            self._stream.seek(offset)
        except FileNotFoundError:
            raise SourceFailure("there is no such file", Kind.PERMANENT, status=404) from None
        except OSError as error:
            raise SourceFailure(f"cannot be read: {error.strerror or error}", Kind.PERMANENT) from None
        if self.declared != size:
            self.close()
            text = f"is not the expected file: it has {self.declared} bytes"
            raise SourceFailure(text, Kind.PERMANENT, integrity=True)

    def chunks(self) -> Iterator[bytes]:
        """The bytes up to the end. Raises :class:`SourceFailure` if the file cannot be read."""
        while True:
            try:
                chunk = self._stream.read(CHUNK)
            except OSError as error:
                raise SourceFailure(f"cannot be read: {error.strerror or error}", Kind.PERMANENT) from None
            if not chunk:
                return
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
