"""Keeps verified files by their digest, in Open Model Zoo's layout: ``<cache>/1/<2 hex digits>/<the other digits>``.

OMZ names files by their SHA-384. Other digests have other lengths, so their names cannot collide. A cache never makes a
download fail: its files are verified at each use, and if it cannot be read or written, there is a warning. An entry is
called corrupt only when its bytes have another digest than its name says.

Outputs are private: what happens to one later changes neither the cache nor another output, and what happens to the
cache changes no output. So a file is never hard-linked. It shares its blocks where the file system copies them when
they are written to, else it is copied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.file_entries import DIGEST_LENGTHS
from mixnet_tools.downloading.cache.sharing import make_folder, share_file
from mixnet_tools.downloading.cache.uses import Use, Uses
from mixnet_tools.files.copies import Unreadable, copy_to, opened, reading, share_or_copy
from mixnet_tools.files.digest import digest_of, digests_of

FORMAT = "1"
_STAGING = "staging"
_USES = "uses"
_ALGORITHMS = {length: algorithm for algorithm, length in DIGEST_LENGTHS.items()}


@dataclass(frozen=True)
class CacheEntry:
    """A file in the cache.

    ``used`` is the time when a download last took it or brought it, in seconds since the epoch; ``models`` are those
    that it was for, as far as that is recorded: Open Model Zoo's downloader records nothing.
    """

    path: Path
    checksum: str
    size: int
    used: float
    models: tuple[str, ...] = ()


class WrongSize(Exception):
    """The cache has the file with this digest, and it has another size: ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the file with this digest has {size} bytes")
        self.size = size


class Cache:
    """The cache in ``folder``, which need not exist. ``warn`` is called once for each kind of problem."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._uses = Uses(folder / FORMAT / _USES, folder)
        self._used: list[tuple[str, str]] = []

    def path_of(self, checksum: str) -> Path:
        """Where the file with ``checksum`` (``<algorithm>:<hex>``) is, or would be."""
        digest = checksum.partition(":")[2]
        return self.folder / FORMAT / digest[:2] / digest[2:]

    def fetch(self, checksum: str, size: int, target: Path, heartbeat: Callable[[], None]) -> bool:
        """Make ``target`` a copy of the file with ``checksum``, verified; False if the cache has no such file.

        An entry with wrong bytes is removed. ``heartbeat`` is called between chunks, and may raise. Raises
        :class:`WrongSize` where the bytes are right and not ``size``, and OSError if ``target`` cannot be written.
        Where nothing is returned, or False, there is no ``target``.
        """
        algorithm, _, digest = checksum.partition(":")
        entry = self.path_of(checksum)
        target.unlink(missing_ok=True)
        try:
            with opened(entry) as original:
                found = os.fstat(original.fileno()).st_size
                if found != size:
                    if reading(lambda: digests_of(original, (algorithm,), heartbeat))[algorithm] != digest:
                        self._drop(entry)
                        return False
                    raise WrongSize(found)
                copy_to(target, original)
            # The copy is hashed, not the entry, which somebody may change at any time.
            if digest_of(target, algorithm, heartbeat) == digest:
                return True
            self._drop(entry)
        except Unreadable as error:
            if error.cause.errno != errno.ENOENT:
                self._complain("read", error.cause)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        target.unlink(missing_ok=True)
        return False

    def remember(self, checksum: str, model: str) -> None:
        """Note that ``model`` uses the file with ``checksum``. :meth:`record_uses` writes it down."""
        with self._lock:
            self._used.append((checksum, model))

    def record_uses(self) -> None:
        """Write down what was noted since the last time. If that cannot be done, there is a warning and no error."""
        with self._lock:
            used, self._used = self._used, []
        try:
            self._uses.write(used)
        except OSError as error:
            self._complain("written", error)

    def store(self, checksum: str, path: Path) -> None:
        """Keep the verified file ``path``. If the cache cannot be written, there is a warning and no error."""
        entry = self.path_of(checksum)
        staging = self.folder / FORMAT / _STAGING
        temporary = staging / uuid.uuid4().hex
        try:
            if entry.is_file() and entry.stat().st_size == path.stat().st_size:
                return
            make_folder(self.folder, staging)
            make_folder(self.folder, entry.parent)
            try:
                share_or_copy(path, temporary)
                share_file(self.folder, temporary)
                os.replace(temporary, entry)
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink()
        except OSError as error:
            self._complain("written", error)

    def entries(self) -> Iterator[CacheEntry]:
        """Every file in the cache, by digest. What cannot be looked at is left out, with a warning.

        Raises OSError if the folder cannot be read.
        """
        root, uses = self.folder / FORMAT, self._uses.read()
        for shelf in sorted(root.iterdir()) if root.is_dir() else ():
            if not re.fullmatch(r"[0-9a-f]{2}", shelf.name):
                continue
            try:
                paths = sorted(shelf.iterdir()) if shelf.is_dir() else []
            except OSError as error:
                self._warn(f"{shelf}: cannot be read: {error.strerror or error}")
                continue
            for path in paths:
                algorithm = _ALGORITHMS.get(len(shelf.name + path.name))
                if algorithm and re.fullmatch(r"[0-9a-f]+", path.name):
                    yield from self._entry(path, f"{algorithm}:{shelf.name}{path.name}", uses)

    def _entry(self, path: Path, checksum: str, uses: dict[str, Use]) -> Iterator[CacheEntry]:
        try:
            known = path.stat()
        except FileNotFoundError:
            return  # another process has removed it
        except OSError as error:
            self._warn(f"{path}: cannot be read: {error.strerror or error}")
            return
        if not stat.S_ISREG(known.st_mode):
            self._warn(f"{path}: is not a file")
        else:
            use = uses.get(checksum, Use(0.0, ()))
            yield CacheEntry(path, checksum, known.st_size, max(use.at, known.st_mtime), use.models)

    def is_right(self, entry: CacheEntry) -> bool:
        """Whether the bytes of ``entry`` have the digest that is its name. Raises OSError."""
        algorithm, _, digest = entry.checksum.partition(":")
        return digest_of(entry.path, algorithm) == digest

    def prune(self, *, max_bytes: int | None, max_age: float | None, dry_run: bool = False) -> tuple[CacheEntry, ...]:
        """Remove files not used for ``max_age`` seconds, then the least recently used until ``max_bytes`` are left.

        Files that killed runs left half-written go as well, when they are a day old. Returns the files that were
        removed, or would be. One that cannot be removed is a warning. Raises OSError if the folder cannot be read.
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
            removed = [entry for entry in removed if self._removed(entry)]
            self._sweep_staging(now)
        return tuple(removed)

    def _removed(self, entry: CacheEntry) -> bool:
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            self._warn(f"{entry.path}: cannot be removed: {error.strerror or error}")
            return False
        return True

    def _sweep_staging(self, now: float) -> None:
        staging = self.folder / FORMAT / _STAGING
        for path in staging.iterdir() if staging.is_dir() else ():
            with contextlib.suppress(OSError):
                if now - path.stat().st_ctime > 24 * 3600:  # nobody writes one file for a day
                    path.unlink()

    def _drop(self, entry: Path) -> None:
        self._warn(f"the cache's copy {entry} is corrupt (its bytes have another digest): fetching the file again")
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
