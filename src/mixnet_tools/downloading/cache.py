"""Keeps verified files by their digest, in Open Model Zoo's layout: ``<cache>/1/<2 hex digits>/<the other digits>``.

OMZ names files by their SHA-384. Other digests have other lengths, so their names cannot collide. A cache never makes a
download fail: its files are verified at each use, and if it cannot be read or written, there is a warning.

Outputs are private: what happens to one later changes neither the cache nor another output, and what happens to the
cache changes no output. So a file is never hard-linked. It shares its blocks where the file system copies them when
they are written to, else it is copied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.file_entries import DIGEST_LENGTHS
from mixnet_tools.files.atomic import rename_durably
from mixnet_tools.files.digest import digest_of

FORMAT = "1"
_STAGING = "staging"
_FICLONE = 0x40049409  # Linux: share the blocks of another file, copied when either is written to
_ALGORITHMS = {length: algorithm for algorithm, length in DIGEST_LENGTHS.items()}


@dataclass(frozen=True)
class CacheEntry:
    """A file in the cache. ``used`` is the time when it was last read or written, in seconds since the epoch."""

    path: Path
    checksum: str
    size: int
    used: float


class Cache:
    """The cache in ``folder``, which need not exist. ``warn`` is called once for each kind of problem."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        self._warned: set[str] = set()
        self._lock = threading.Lock()

    def path_of(self, checksum: str) -> Path:
        """Where the file with ``checksum`` (``<algorithm>:<hex>``) is, or would be."""
        digest = checksum.partition(":")[2]
        return self.folder / FORMAT / digest[:2] / digest[2:]

    def fetch(self, checksum: str, size: int, temporary: Path, target: Path, heartbeat: Callable[[], None]) -> bool:
        """Put the file with ``checksum`` at ``target``, by way of ``temporary``; False if the cache has no such file.

        An entry with wrong bytes is removed. ``heartbeat`` is called between chunks, and may raise. Raises OSError if
        ``target`` cannot be written.
        """
        entry = self.path_of(checksum)
        try:
            known = entry.stat()
            if not stat.S_ISREG(known.st_mode):
                raise OSError(errno.EINVAL, "not a file")
            if known.st_size != size:
                self._drop(entry)
                return False
        except FileNotFoundError:
            return False
        except OSError as error:
            self._complain("read", error)
            return False
        temporary.unlink(missing_ok=True)
        try:
            try:
                share_or_copy(entry, temporary)
                # The copy is hashed, not the entry, which somebody may change at any time.
                right = digest_of(temporary, checksum.partition(":")[0], heartbeat) == checksum.partition(":")[2]
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                self._complain("read", error)
                return False
            if not right:
                self._drop(entry)
                return False
            with temporary.open("rb") as stream:
                rename_durably(stream.fileno(), temporary, target)
            return True
        finally:
            temporary.unlink(missing_ok=True)

    def store(self, checksum: str, path: Path) -> None:
        """Keep the verified file ``path``. If the cache cannot be written, there is a warning and no error."""
        entry = self.path_of(checksum)
        staging = self.folder / FORMAT / _STAGING
        temporary = staging / uuid.uuid4().hex
        try:
            if entry.is_file() and entry.stat().st_size == path.stat().st_size:
                return
            staging.mkdir(parents=True, exist_ok=True)
            entry.parent.mkdir(exist_ok=True)
            try:
                share_or_copy(path, temporary)
                os.replace(temporary, entry)
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink()
        except OSError as error:
            self._complain("written", error)

    def entries(self) -> Iterator[CacheEntry]:
        """Every file in the cache, by digest. Raises OSError if the folder cannot be read."""
        root = self.folder / FORMAT
        for shelf in sorted(root.iterdir()) if root.is_dir() else ():
            if not re.fullmatch(r"[0-9a-f]{2}", shelf.name) or not shelf.is_dir():
                continue
            for path in sorted(shelf.iterdir()):
                digest = shelf.name + path.name
                algorithm = _ALGORITHMS.get(len(digest))
                if algorithm and re.fullmatch(r"[0-9a-f]+", digest) and path.is_file():
                    known = path.stat()
                    used = max(known.st_atime, known.st_mtime)
                    yield CacheEntry(path, f"{algorithm}:{digest}", known.st_size, used)

    def is_right(self, entry: CacheEntry) -> bool:
        """Whether the bytes of ``entry`` have the digest that is its name. Raises OSError."""
        algorithm, _, digest = entry.checksum.partition(":")
        return digest_of(entry.path, algorithm) == digest

    def prune(self, *, max_bytes: int | None, max_age: float | None, dry_run: bool = False) -> tuple[CacheEntry, ...]:
        """Remove files not used for ``max_age`` seconds, then the least recently used until ``max_bytes`` are left.

        Files that killed runs left half-written go as well, when they are a day old. Returns the files that were
        removed, or would be. Raises OSError.
        """
        kept = sorted(self.entries(), key=lambda entry: entry.used)
        now, total = time.time(), sum(entry.size for entry in kept)
        removed = []
        for entry in kept:
            too_old = max_age is not None and now - entry.used > max_age
            if too_old or (max_bytes is not None and total > max_bytes):
                removed.append(entry)
                total -= entry.size
        if not dry_run:
            for entry in removed:
                entry.path.unlink(missing_ok=True)
            self._sweep_staging(now)
        return tuple(removed)

    def _sweep_staging(self, now: float) -> None:
        staging = self.folder / FORMAT / _STAGING
        for path in staging.iterdir() if staging.is_dir() else ():
            with contextlib.suppress(OSError):
                if now - path.stat().st_ctime > 24 * 3600:  # nobody writes one file for a day
                    path.unlink()

    def _drop(self, entry: Path) -> None:
        self._warn(f"the cache's copy {entry} is corrupt: fetching the file again")
        try:
            entry.unlink(missing_ok=True)
        except OSError as error:
            self._complain("cleaned", error)

    def _complain(self, what: str, error: OSError) -> None:
        with self._lock:
            if what in self._warned:
                return
            self._warned.add(what)
        reason = error.strerror or str(error)
        self._warn(f"the cache {self.folder} cannot be {what} ({reason}): going on without it")


def share_or_copy(source: Path, target: Path) -> None:
    """Make ``target``, which must not exist, a copy of ``source`` that nothing changes when ``source`` changes.

    Blocks are shared where the file system can (and copies those that are written to), else the bytes are copied.
    Raises OSError, and then leaves no ``target``.
    """
    with source.open("rb") as original, target.open("xb") as copy:
        try:
            import fcntl

            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
            return
        except (ImportError, OSError):
            pass  # another system, another file system, or one that cannot share blocks
        try:
            shutil.copyfileobj(original, copy, 1 << 20)
            copy.flush()
        except OSError:
            target.unlink()
            raise
