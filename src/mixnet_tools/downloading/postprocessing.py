"""Unpacks and patches the verified files of a model in a staging folder, then moves the outputs into place.

Every step starts from files in the form in which they were delivered, and writes to the staging folder only. When all
steps are done, the outputs move into the model's folder: a new folder in one rename, and file by file where a folder
exists already, so that other files in it stay. The manifest does not call the outputs finished until all are in place,
so a run that is killed anywhere is done again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from mixnet_tools.descriptors.file_entries import UnpackArchive
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading.archives.regex_replace import MAX_TEXT, replace_text
from mixnet_tools.downloading.archives.unpack import unpack
from mixnet_tools.downloading.layout import STATE_FOLDER, Layout
from mixnet_tools.downloading.manifest import FileRecord, LinkRecord
from mixnet_tools.errors import ArchiveError, DownloadError
from mixnet_tools.files.aside import make_way
from mixnet_tools.files.digest import digest_of

OUTPUT_ALGORITHM = "sha256"


def make_outputs(
    model: ModelDescriptor,
    layout: Layout,
    names: Collection[str],
    heartbeat: Callable[[], None],
    *,
    as_far_as_possible: bool = False,
) -> tuple[str, ...]:
    """Carry out the steps of ``model`` on the files ``names``, and leave their outputs in the staging folder.

    Returns what is unusual of the archives, a line each. A step whose file is not there is an error, or is left out
    with ``as_far_as_possible``. Raises :class:`ArchiveError`, :class:`DownloadError` and OSError. Then there is no
    staging folder.
    """
    if layout.staging.exists():
        shutil.rmtree(layout.staging)
    layout.staging.mkdir(parents=True)
    try:
        remarks = _carry_out(model, layout, names, heartbeat, as_far_as_possible)
        _check_names(layout.staging, set(names) - layout.patched)
        return remarks
    except BaseException:
        shutil.rmtree(layout.staging, ignore_errors=True)
        raise


def _carry_out(
    model: ModelDescriptor, layout: Layout, names: Collection[str], heartbeat: Callable[[], None], partly: bool
) -> tuple[str, ...]:
    remarks: list[str] = []
    for number, step in enumerate(model.postprocessing):
        heartbeat()
        source = _source(step.file, layout, names)
        if source is None and partly:
            continue
        if source is None:
            raise DownloadError(
                f"{model.path}: postprocessing[{number}].file: {step.file!r} is neither a file of the model "
                "nor was made by an earlier step"
            )
        target = layout.staging / step.file
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(step, UnpackArchive):
            remarks += _unpack_beside(source, step, target.parent, heartbeat)
        else:
            with source.open("rb") as stream:
                contents = stream.read(MAX_TEXT + 1)
            patched = replace_text(step, contents, f"{model.name}/{step.file}")
            target.unlink(missing_ok=True)
            target.write_bytes(patched)
    return tuple(remarks)


def record_outputs(staging: Path, heartbeat: Callable[[], None]) -> dict[str, FileRecord | LinkRecord]:
    """Hash every file in the staging folder; returns the records of files and links, by path."""
    records: dict[str, FileRecord | LinkRecord] = {}
    for path in walk(staging):
        name = path.relative_to(staging).as_posix()
        if path.is_symlink():
            records[name] = LinkRecord(link_to=os.readlink(path))
        else:
            known = path.stat()
            checksum = f"{OUTPUT_ALGORITHM}:{digest_of(path, OUTPUT_ALGORITHM, heartbeat)}"
            records[name] = FileRecord(size=known.st_size, checksum=checksum, mtime_ns=known.st_mtime_ns)
    return records


def commit(
    layout: Layout, already_right: Iterable[str], before: Mapping[str, FileRecord | LinkRecord]
) -> list[tuple[Path, Path]]:
    """Move the outputs from the staging folder into the model's folder, except those that are ``already_right`` there.

    A file of somebody else that has a name of theirs, other than an earlier run left it (``before``), is moved aside.
    Returns where each was and where it is. Raises :class:`DownloadError` if something is in the way, and OSError.
    """
    known = {
        layout.folder / name: (record.size, record.mtime_ns)
        for name, record in before.items()
        if isinstance(record, FileRecord)
    }
    kept: list[tuple[Path, Path]] = []

    def clear(target: Path, new: Path) -> None:
        if aside := make_way(target, new, known.get(target)):
            kept.append((target, aside))

    for name in already_right:
        (layout.staging / name).unlink()
    for path in sorted(layout.staging.iterdir()):
        _move(path, layout.folder / path.name, clear)
    return kept


def _source(name: str, layout: Layout, names: Collection[str]) -> Path | None:
    made = layout.staging / name
    if made.is_file() and not made.is_symlink():
        return made
    return layout.delivered(name) if name in names else None


def _unpack_beside(source: Path, step: UnpackArchive, parent: Path, heartbeat: Callable[[], None]) -> tuple[str, ...]:
    """Unpack into an empty folder, then move into ``parent``: so no archive writes through another one's links."""
    own = parent / f"{STATE_FOLDER}-unpacking"
    own.mkdir()
    remarks = unpack(source, step.format, own, heartbeat=heartbeat)
    for path in sorted(own.iterdir()):
        _move(path, parent / path.name)
    shutil.rmtree(own)
    return remarks


def _check_names(staging: Path, delivered: Iterable[str]) -> None:
    taken = {name.casefold() for name in delivered}
    for path in walk(staging):
        name = path.relative_to(staging).as_posix()
        if name.casefold() in taken or name.split("/")[0].casefold() == STATE_FOLDER:
            raise ArchiveError(
                f"entry {name!r}: would take the place of a file that is not the archive's to write",
                hint="nothing was unpacked; the archive does not fit its descriptor",
            )


def walk(folder: Path) -> Iterable[Path]:
    """Files and links below ``folder``, in a fixed order; links to folders are not entered."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in sorted([*files, *links]):
            yield Path(root) / name


def _move(source: Path, target: Path, clear: Callable[[Path, Path], None] = lambda target, new: None) -> None:
    """Move ``source`` to ``target``. If both are real folders, the contents of one move into the other.

    ``clear`` is called before a file is replaced.
    """
    if source.is_dir() and not source.is_symlink():
        if not os.path.lexists(target):
            os.rename(source, target)
            return
        if target.is_symlink() or not target.is_dir():
            raise _in_the_way(target, "a folder")
        for path in sorted(source.iterdir()):
            _move(path, target / path.name, clear)
        return
    if target.is_dir() and not target.is_symlink():
        raise _in_the_way(target, "a file")
    clear(target, source)
    os.replace(source, target)


def _in_the_way(target: Path, needed: str) -> DownloadError:
    return DownloadError(
        f"{target}: {needed} of the model has to be here, and something else is in the way", hint="move it away"
    )
