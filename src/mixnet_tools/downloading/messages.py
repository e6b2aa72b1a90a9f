"""Words the errors of a failed download: what failed, where, what was expected and what came, what to try next."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.downloading.sources import Source, WebSource
from mixnet_tools.errors import (
    DescriptorError,
    DownloadError,
    HttpStatusError,
    IntegrityError,
    MixnetToolsError,
    OfflineError,
)
from mixnet_tools.files.shown import redact
from mixnet_tools.network.failure import Kind, SourceFailure

_OTHER_COPIES = "name a copy: `mirrors` (a URL or a folder, tried first) or `cache_dir` (a cache that has the file)"
WITHOUT_LOCKS = (
    "choose a folder on another file system: `output_dir`; or `lock=False`, if no other run works on the same folder"
)

_MOST_REASONS = 5
"""Of so many files that failed the reasons are told."""

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class FailedSource:
    """A source that was given up after ``attempts`` attempts; ``failure`` is the last one."""

    source: Source
    attempts: int
    failure: SourceFailure


def gave_up(file: ModelFile, target: Path, failed: Sequence[FailedSource]) -> DownloadError:
    """The error for ``file`` when every source has failed. Its type is that of the most telling failure."""
    shown = _most_telling(failed)
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
        lines.append(f"{one.source}: {one.failure}{tries}")
        if one.failure.integrity and isinstance(one.source, WebSource):
            lines.append(f"  see for yourself: {_curl_line(one.source, file)}")
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
    again = "do the same again (what has arrived is kept), or " if kept else ""
    return DownloadError(text, hint=again + _OTHER_COPIES)


def nowhere_offline(file: ModelFile, target: Path, failed: Sequence[FailedSource]) -> DownloadError:
    """The error for ``file`` when the network must not be used."""
    if any(one.failure.integrity for one in failed):
        return gave_up(file, target, failed)
    lines = [f"{target}: is neither there nor in the cache, and `offline=True` forbids the network"]
    lines += [f"{one.source}: {one.failure}" for one in _most_telling(failed)]
    return OfflineError("\n".join(lines), hint=f"download once without `offline`, or {_OTHER_COPIES}")


def all_failed(failed: Mapping[str, Exception]) -> Exception:
    """One error for all files of a model that ``failed``, by their names. The first few say why.

    It has the type of their errors if that is the same for all. An error that is no :class:`MixnetToolsError` stands
    for itself.
    """
    errors = list(failed.values())
    foreign = [error for error in errors if not isinstance(error, MixnetToolsError)]
    if foreign or len(errors) == 1:
        return (foreign or errors)[0]
    lines = [f"{len(errors)} files could not be downloaded"]
    lines += [str(error) for error in errors[:_MOST_REASONS]]
    if others := list(failed)[_MOST_REASONS:]:
        lines.append(f"and, mostly for the same reasons: {', '.join(others)}")
    hints = dict.fromkeys(error.hint for error in errors if isinstance(error, MixnetToolsError) and error.hint)
    text, hint = "\n".join(lines), "; or: ".join(hints) or None
    kinds = {type(error) for error in errors}
    if kinds == {HttpStatusError}:
        return HttpStatusError(text, status=next(e.status for e in errors if isinstance(e, HttpStatusError)), hint=hint)
    for kind in (IntegrityError, OfflineError):
        if kinds == {kind}:
            return kind(text, hint=hint)
    return DownloadError(text, hint=hint)


def moved_aside(place: Path, aside: Path) -> str:
    """The word about a file that had the name of a model's file, and was something else."""
    return f"{place}: another file was there; it is now {aside.name}"


def wrong_size(file: ModelFile, target: Path, found: int) -> DescriptorError:
    """The error for a descriptor whose digest and size are those of different files: the cache has the file."""
    return DescriptorError(
        f"{target}: its descriptor is wrong: size: expected {file.size} bytes, and the file with this "
        f"{file.algorithm} has {found}",
        hint=f"write `size: {found}` into model.yml, or the digest of the file that is meant",
    )


def cannot_write(target: Path, error: OSError) -> DownloadError:
    """The error for a file that the operating system does not let us write."""
    where = error.filename2 or error.filename or target
    if error.errno in _NO_SPACE:
        return DownloadError(
            f"{target}: cannot be written: {error.strerror}",
            hint="make room, or choose another folder: `output_dir`; what has arrived is kept, and continued",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return DownloadError(
            f"{where}: cannot be opened: {error.strerror}",
            hint="let this process open more files (as 1024, by ulimit), or do fewer at once: `jobs`",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return DownloadError(
            f"{where}: is a file, where a folder is needed for {target}",
            hint="move it away, or choose another folder: `output_dir`",
        )
    if error.errno == errno.EISDIR:
        return DownloadError(f"{target}: is a folder, where the file has to be", hint="move it away")
    return DownloadError(
        f"{where}: cannot be written: {error.strerror or error}",
        hint="choose a folder that you may write to: `output_dir`",
    )


def cannot_name(folder: Path, error: UnicodeEncodeError) -> DownloadError:
    """The error for a file whose name this locale cannot write."""
    return DownloadError(
        f"{folder}: the encoding of this locale, {error.encoding}, lacks letters of the name {error.object!r}",
        hint="use a locale with UTF-8, as LC_ALL=C.UTF-8, or set PYTHONUTF8=1",
    )


def _curl_line(source: WebSource, file: ModelFile) -> str:
    """A shell command, for a person, that fetches ``file`` and prints its digest."""
    target = shlex.quote(file.name.rpartition("/")[2])
    return f"curl -L -o {target} {shlex.quote(redact(source.url))} && {file.algorithm}sum {target}"


def _most_telling(failed: Sequence[FailedSource]) -> list[FailedSource]:
    """One failure for each group of sources: what a mirror answers for its other layouts says nothing more."""
    best: dict[str, FailedSource] = {}
    for one in failed:
        known = best.get(one.source.group)
        if known is None or _weight(one) > _weight(known):
            best[one.source.group] = one
    return list(best.values())


def _weight(one: FailedSource) -> int:
    return 2 if one.failure.integrity else 0 if one.failure.status in (404, 410) else 1
