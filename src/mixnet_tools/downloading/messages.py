"""The errors of a failed download, in words: what, where, expected and got, what to try."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.model_yml import ModelFile
from mixnet_tools.downloading.sources import Place, WebPlace
from mixnet_tools.downloading.transport.retry import Kind, SourceFailure
from mixnet_tools.downloading.transport.urls import curl_line
from mixnet_tools.errors import DownloadError, HttpStatusError, IntegrityError, OfflineError

_OTHER_COPIES = "name a copy: --mirror URL_OR_FOLDER (tried first), or --cache_dir DIR (a cache that has the file)"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Attempted:
    """What came of ``place`` in the end: the last failure, after ``attempts`` attempts."""

    place: Place
    attempts: int
    failure: SourceFailure


def gave_up(file: ModelFile, target: Path, attempted: Sequence[Attempted]) -> DownloadError:
    """The error for ``file`` when every place has failed; its type is that of the most telling failure."""
    shown = _most_telling(attempted)
    failures = [one.failure for one in shown]
    lines = [f"{target}: no source had it"]
    wrong = any(failure.integrity for failure in failures)
    if wrong:
        lines = [
            f"{target}: what was sent is not the file that the descriptor names",
            f"expected {file.size} bytes, {file.algorithm} {file.digest}",
        ]
    for one in shown:
        tries = f" ({one.attempts} attempts)" if one.attempts > 1 else ""
        lines.append(f"{one.place}: {one.failure}{tries}")
        if one.failure.integrity and isinstance(one.place, WebPlace):
            lines.append(f"  see for yourself: {curl_line(one.place.url, file.name, file.algorithm)}")
    text = "\n".join(lines)
    if wrong:
        hint = f"if the publisher replaced the file, its descriptor needs a new size and checksum; else {_OTHER_COPIES}"
        return IntegrityError(text, hint=hint)
    if all(failure.kind is Kind.UNREACHABLE for failure in failures):
        return OfflineError(text, hint=f"check the network and the proxy settings, or {_OTHER_COPIES}")
    statuses = [failure.status for failure in failures if failure.status is not None]
    if statuses and len(statuses) == len(failures):
        return HttpStatusError(text, status=statuses[-1], hint=_OTHER_COPIES)
    kept = any(failure.kind is Kind.TRANSIENT and failure.status is None for failure in failures)
    again = "run the same command again (what has arrived is kept), or " if kept else ""
    return DownloadError(text, hint=again + _OTHER_COPIES)


def nowhere_offline(file: ModelFile, target: Path, attempted: Sequence[Attempted]) -> DownloadError:
    """The error for ``file`` when the network must not be used."""
    if any(one.failure.integrity for one in attempted):
        return gave_up(file, target, attempted)
    lines = [f"{target}: is neither there nor in the cache, and --offline forbids the network"]
    lines += [f"{one.place}: {one.failure}" for one in _most_telling(attempted)]
    return OfflineError("\n".join(lines), hint=f"run once without --offline, or {_OTHER_COPIES}")


def cannot_write(target: Path, error: OSError) -> DownloadError:
    """The error for a file that the operating system does not let us write."""
    where = error.filename2 or error.filename or target
    if error.errno in _NO_SPACE:
        return DownloadError(
            f"{target}: cannot be written: {error.strerror}",
            hint="make room, or choose another folder with --output_dir; what has arrived is kept, and continued",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return DownloadError(
            f"{where}: is a file, where a folder is needed for {target}",
            hint="move it away, or choose another --output_dir",
        )
    if error.errno == errno.EISDIR:
        return DownloadError(f"{target}: is a folder, where the file has to be", hint="move it away")
    return DownloadError(
        f"{where}: cannot be written: {error.strerror or error}",
        hint="choose a folder you may write to with --output_dir",
    )


def _most_telling(attempted: Sequence[Attempted]) -> list[Attempted]:
    """One entry for each group of places: what a mirror answers for its other layouts says nothing more."""
    best: dict[str, Attempted] = {}
    for one in attempted:
        known = best.get(one.place.group)
        if known is None or _weight(one) > _weight(known):
            best[one.place.group] = one
    return list(best.values())


def _weight(one: Attempted) -> int:
    return 2 if one.failure.integrity else 0 if one.failure.status in (404, 410) else 1
