"""Keeps a file that is still arriving: its bytes, their running digest, and what is needed to continue later.

A partial file is two files in the model's state folder: ``<key>.part`` with the bytes, and ``<key>.part.json`` that
says which file they begin. A process that is killed at any moment leaves a pair that the next one can continue, or
bytes without a description, which are thrown away. (A small file that comes in one piece never gets a description.)
The digest on record is never trusted: when a partial file is opened, the bytes on disk are hashed again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from mixnet_tools.errors import MixnetToolsError
from mixnet_tools.files import bounded, strict_json
from mixnet_tools.files.atomic import rename_durably
from mixnet_tools.files.bounded import open_flags
from mixnet_tools.files.copies import share_or_copy
from mixnet_tools.files.digest import RunningDigest

CHUNK = 1 << 18
"""Bytes that are read, hashed and written at a time."""

_MAX_DESCRIPTION = 1 << 20
_HELD = 1 << 16
"""A file of up to so many bytes stays in memory while it arrives."""


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a partial file come from.

    ``url_key`` is a digest of the URL; the URL itself is not written down, as it may carry credentials. ``validator``
    is a strong ETag or a Last-Modified date for If-Range, or None if the server gave none.
    """

    url_key: str
    validator: str | None

    @staticmethod
    def key_of(url: str) -> str:
        """The ``url_key`` of ``url``."""
        return hashlib.sha256(url.encode()).hexdigest()[:32]


class PartialFile:
    """The beginning of a file with ``size`` bytes and digest ``checksum`` (``<algorithm>:<hex>``), at ``path``.

    Use it as a context manager, under the model's lock: it is not safe for two users at once. Its folder has to exist.
    After every :meth:`write` the bytes are with the operating system, where a kill of this process cannot harm them.
    Those of a small file stay in memory until it is complete, or given up: so it costs one file, and a kill little.
    """

    def __init__(self, path: Path, size: int, checksum: str) -> None:
        self.path = path
        self.size = size
        self.checksum = checksum
        self.position = 0
        self.origin: Origin | None = None
        self._digest = RunningDigest(checksum.partition(":")[0])
        self._file: BinaryIO | None = None
        self._described = self._held = False

    def __enter__(self) -> PartialFile:
        self._held = self.size <= _HELD and not os.path.lexists(self.path)
        if self._held:
            self._file = io.BytesIO()
            return self
        flags = os.O_RDWR | os.O_CREAT | open_flags("O_CLOEXEC", "O_BINARY")
        self._file = open(os.open(self.path, flags, 0o666), "r+b", buffering=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._digest.close()
        if self._file is not None:
            # A run that was stopped may have given up its lock already.
            given_up = kind is not None and issubclass(kind, MixnetToolsError)
            if given_up and self._held and self.position and self.origin is not None:
                self.put_down()
                _describe(self.path, self.checksum, self.origin)
            self._file.close()
            self._file = None
            if self.position == 0 and not self._held:
                self.path.unlink(missing_ok=True)

    @property
    def _description(self) -> Path:
        return description_of(self.path)

    @property
    def algorithm(self) -> str:
        """Name of the digest algorithm."""
        return self._digest.algorithm

    @property
    def digest(self) -> str:
        """Hex digest of the bytes up to ``position``."""
        return self._digest.hexdigest()

    @property
    def is_complete_and_right(self) -> bool:
        """Whether these are all the bytes of the file, and the right ones."""
        return self.position == self.size and f"{self.algorithm}:{self.digest}" == self.checksum

    def resume(self, heartbeat: Callable[[], None]) -> None:
        """Continue what an earlier run left, after hashing it; or begin at zero, if nothing useful is there."""
        if self._held:
            return
        origin = self._read_description()
        left = os.fstat(self._open.fileno()).st_size
        if origin is None or not 0 < left <= self.size:
            self._truncate()
            return
        self._digest_anew()
        self._open.seek(0)
        self.position = 0
        while chunk := self._open.read(CHUNK):
            heartbeat()
            self._digest.update(chunk)
            self.position += len(chunk)
        self.origin, self._described = origin, True

    def restart(self, origin: Origin | None) -> None:
        """Begin at zero with bytes from ``origin``; None if they cannot be continued (a decoded body)."""
        self._truncate()
        self.origin = origin

    def same_bytes(self, offset: int, chunk: bytes) -> int:
        """How many of the first bytes of ``chunk`` are those that are there from ``offset`` on."""
        self._open.seek(offset)
        there = self._read_up_to(min(len(chunk), self.position - offset))
        self._open.seek(self.position)
        if chunk.startswith(there):
            return len(there)
        return next(index for index, pair in enumerate(zip(chunk, there, strict=False)) if pair[0] != pair[1])

    def cut_back(self, position: int, origin: Origin | None) -> None:
        """Keep only the first ``position`` bytes, which are also those of ``origin``."""
        self._digest_anew()
        self._open.seek(0)
        self._open.truncate(position)
        while chunk := self._open.read(CHUNK):
            self._digest.update(chunk)
        self.position, self.origin, self._described = position, origin, False

    def _read_up_to(self, size: int) -> bytes:
        parts = []
        while size and (part := self._open.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``, to the file and to the digest."""
        view = memoryview(chunk)
        while view:
            view = view[self._open.write(view) :]
        self._digest.update(chunk)
        self.position += len(chunk)
        if not self._described and not self._held and self.origin is not None and self.position < self.size:
            _describe(self.path, self.checksum, self.origin)
            self._described = True

    def move_to(self, target: Path) -> None:
        """Give the finished file its final name, durably, and remove the description."""
        self.put_down()
        self._open.close()  # Windows renames no open file
        self._file = None
        rename_durably(self.path, target)
        if self._described:
            self._description.unlink(missing_ok=True)

    def put_down(self) -> None:
        """Write the bytes to ``path``, if they are only in memory so far. Raises OSError."""
        held = self._open
        if not isinstance(held, io.BytesIO):
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | open_flags("O_CLOEXEC", "O_BINARY")
        self._file = open(os.open(self.path, flags, 0o666), "r+b", buffering=0)  # noqa: SIM115
        self._held = False
        view = held.getbuffer()
        while view:
            view = view[self._file.write(view) :]

    @property
    def _open(self) -> BinaryIO:
        assert self._file is not None, "a PartialFile is used inside its with block"
        return self._file

    def _truncate(self) -> None:
        # The bytes go first, then their description: an empty file that has a description is harmless.
        self._open.seek(0)
        self._open.truncate(0)
        if not self._held:
            self._description.unlink(missing_ok=True)
        self._digest_anew()
        self.position, self.origin, self._described = 0, None, False

    def _digest_anew(self) -> None:
        self._digest.close()
        self._digest = RunningDigest(self.algorithm)

    def _read_description(self) -> Origin | None:
        try:
            known = strict_json.loads(bounded.read_bytes(self._description, _MAX_DESCRIPTION))
            if known["checksum"] != self.checksum:
                return None
            validator = known["validator"]
            return Origin(str(known["url_key"]), str(validator) if validator is not None else None)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def adopt(source: Path, partial: Path, checksum: str) -> None:
    """Make ``partial`` a copy of ``source``: it may be the beginning of the file with ``checksum``. Raises OSError."""
    share_or_copy(source, partial)
    _describe(partial, checksum, Origin("", None))


def _describe(path: Path, checksum: str, origin: Origin) -> None:
    # Not whole or not at all: a torn description cannot be read, and then the bytes are not continued.
    description_of(path).write_text(json.dumps({"checksum": checksum, **asdict(origin)}), encoding="utf-8")


def description_of(path: Path) -> Path:
    """The file that describes the partial file ``path``."""
    return path.with_name(path.name + ".json")
