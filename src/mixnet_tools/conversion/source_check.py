"""Hashes the files that a conversion reads, beside it, and holds them against what they have to be.

A file is hashed by a thread while others read it. So its place, size and times are noted before anybody reads it, when
it is hashed, and after everybody has read it: where these are the same, the bytes that were hashed are those that were
read. (Not seen: a change within one tick of the file system's clock, or by a program that sets the machine's clock.)
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from mixnet_tools.errors import IntegrityError, MixnetToolsError
from mixnet_tools.files.digest import digests_of
from mixnet_tools.threads import DaemonThreads
from mixnet_tools.values import KnownFile, KnownFiles

VERIFIED = "verified"


@dataclass(frozen=True)
class SourceFile:
    """A file that the conversion read: ``path`` relative to the model's folder, ``size`` in bytes, ``digest`` sha256.

    ``verified_by`` is who knew its digest: the descriptor, or an archive whose digest the descriptor has. It is None
    where nobody did; ``gap`` says why.
    """

    path: str
    size: int
    digest: str
    verified_by: Literal["descriptor", "archive"] | None
    gap: str | None = None


@dataclass(frozen=True)
class SourceFiles:
    """All files that the conversion read, and one ``digest`` of them all."""

    files: tuple[SourceFile, ...]
    digest: str

    @property
    def verification(self) -> str:
        """In words: ``verified``, or ``not verified: <why> (<files>)``."""
        gaps = [file for file in self.files if file.gap]
        if not gaps:
            return VERIFIED
        named = ", ".join(file.path for file in gaps[:3]) + (f" and {len(gaps) - 3} more" if len(gaps) > 3 else "")
        return f"not verified: {gaps[0].gap} ({named})"

    def to_json(self) -> dict[str, object]:
        """The part of conversion.json that is about the files."""
        files = [
            {"path": one.path, "size": one.size, "digest": one.digest, "verified_by": one.verified_by}
            for one in self.files
        ]
        return {"digest": self.digest, "verification": self.verification, "files": files}


@contextlib.contextmanager
def checking(
    files: Sequence[Path], known: KnownFiles | None, folder: Path, again: str, made: Path | None = None
) -> Iterator[SourceCheck]:
    """Check ``files`` while the block reads them: see :class:`SourceCheck`.

    Where the block fails and a file is not what it has to be, that is the error: it explains the other one. Where all
    files are the verified ones, an error does not advise to fetch them ``again``.
    """
    check = SourceCheck(files, known, folder, again, made)
    try:
        yield check
    except MixnetToolsError as error:
        with contextlib.suppress(OSError):
            if check.result().verification == VERIFIED and error.hint == again:
                error.hint = _AS_PUBLISHED
        raise
    finally:
        check.close()


_AS_PUBLISHED = "the files are the ones that the descriptor asks for: look whether it asks for the right ones"


class _State(NamedTuple):
    """What changes when somebody replaces a file or writes to it."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class SourceCheck:
    """The check of ``files``, which begins at once. :meth:`close` it in the end."""

    def __init__(
        self, files: Sequence[Path], known: KnownFiles | None, folder: Path, again: str, made: Path | None = None
    ) -> None:
        """``known`` is what the files have to be (None: nobody knows), ``folder`` the model's.

        ``again`` is the hint of errors: how to get the right files. ``made`` is a file or folder that was not
        downloaded, but made of what was, so that nobody knows what it has to be.
        """
        self._known, self._folder, self._again, self._made = known, folder, again, made
        self._before = {path: state for path in files if (state := _state_of(path)) is not None}
        self._stopped = False
        self._threads = DaemonThreads(1, "hash")
        self._found: Future[SourceFiles] = self._threads.submit(self._check)

    def result(self) -> SourceFiles:
        """Wait for the digests.

        Raises :class:`IntegrityError` that names the first file which is not what it has to be, and OSError.
        """
        return self._found.result()

    def require_unchanged(self) -> None:
        """Call this when everybody has read the files. Raises :class:`IntegrityError` where one changed meanwhile."""
        self.result()
        for path, before in self._before.items():
            if _state_of(path) != before:
                raise changed(path)

    def close(self) -> None:
        """Stop hashing."""
        self._stopped = True
        self._threads.close(1.0)

    def _check(self) -> SourceFiles:
        total, files = hashlib.sha256(), []
        for path in self._before:
            file = self._hashed(path)
            total.update(f"{path.name}\0{file.digest.partition(':')[2]}\0".encode())
            files.append(file)
        return SourceFiles(tuple(files), f"sha256:{total.hexdigest()}")

    def _hashed(self, path: Path) -> SourceFile:
        name, expected = self._expected(path)
        algorithm = expected.checksum.partition(":")[0] if expected else "sha256"
        with path.open("rb", buffering=0) as stream:
            known = os.fstat(stream.fileno())
            digests = digests_of(stream, {"sha256", algorithm}, self._heartbeat)
        if _as_state(known) != self._before[path]:
            raise changed(path)
        size, found = known.st_size, f"{algorithm}:{digests[algorithm]}"
        if expected and (size, found) != (expected.size, expected.checksum):
            what = "was adopted" if expected.source == "adopted" else "was verified"
            raise IntegrityError(
                f"{path}: is not the file that {what}:\n  expected {expected.size} bytes, {expected.checksum}"
                f"\n  got      {size} bytes, {found}",
                hint=self._again,
            )
        digest, known_files = f"sha256:{digests['sha256']}", self._known
        if expected is None:
            outside = name.startswith("../")
            gap = "not in the model's folder" if outside else known_files.gap if known_files else "no digests are known"
            if self._made is not None and path.absolute().is_relative_to(self._made.absolute()):
                gap = gap or "made on this machine, by the model's script"
            if gap is None:
                raise IntegrityError(
                    f"{path}: is not a file of the download:\n  expected no file of this name"
                    f"\n  got      {size} bytes, {found}",
                    hint="move it away, or find out who put it there",
                )
            return SourceFile(name, size, digest, None, gap)
        if expected.source == "adopted":
            return SourceFile(name, size, digest, None, "adopted as it was found, and unchanged since")
        return SourceFile(name, size, digest, expected.source)

    def _expected(self, path: Path) -> tuple[str, KnownFile | None]:
        """The path relative to the model's folder, and what the file has to be. Links in an archive are followed."""
        files = self._known.files if self._known else {}
        name = Path(os.path.relpath(path, self._folder)).as_posix()
        if name not in files:
            behind = Path(os.path.relpath(path.resolve(), self._folder.resolve())).as_posix()
            return name, files.get(behind)
        return name, files[name]

    def _heartbeat(self) -> None:
        if self._stopped:
            raise KeyboardInterrupt


def changed(path: Path) -> IntegrityError:
    """The file at ``path`` is not what it was when the conversion began."""
    return IntegrityError(
        f"{path}: changed while it was converted:\n  expected the file that was there at the beginning"
        "\n  got another one, or other bytes",
        hint="let nobody write to the model's folder meanwhile, and convert again",
    )


def _state_of(path: Path) -> _State | None:
    """The state of a regular file; None where there is none, which reading the source tells."""
    try:
        known = path.stat()
    except OSError:
        return None
    return _as_state(known) if stat.S_ISREG(known.st_mode) else None


def _as_state(known: os.stat_result) -> _State:
    return _State(known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns)
