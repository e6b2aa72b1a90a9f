"""Saves IRs whole: each goes to a staging folder, is proved there, and is moved into place with its report."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.errors import OutputError, last_line
from mixnet_tools.files import atomic, strict_json
from mixnet_tools.files.lock import locked, require_locks
from mixnet_tools.values import IRModel

if TYPE_CHECKING:
    import openvino

HALF_PRECISIONS = ("FP16", "FP16-INT8")
STAGING_PREFIX = ".mixnet_tools-staging-"

STALE_SECONDS = 3600.0
"""A staging folder of this age was left by a process that was killed: a conversion takes seconds."""


def require_place(target: IRModel, report_file: str) -> None:
    """Check, before any work, that ``target`` and its report can be written. Nothing is left behind.

    Raises :class:`OutputError` where a folder stands in the place of a file, the folder cannot be made or written to,
    or its file system has no locks.
    """
    for path in _places(target, report_file):
        if path.is_dir():
            raise OutputError(f"{path}: is a folder, where a file is to be written", hint="move it, or write elsewhere")
    folder = target.xml.parent
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        with atomic.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                require_locks(folder)
    finally:
        for one in made:
            with contextlib.suppress(OSError):
                one.rmdir()


@contextlib.contextmanager
def staged(model: openvino.Model | None, target: IRModel) -> Iterator[IRModel]:
    """Save ``model`` in a staging folder beside the place of ``target``. It is there while the block lasts.

    Without a model the folder is empty, for files that are copied.

    Raises :class:`OutputError` where it cannot be written.
    """
    import openvino

    folder = target.xml.parent
    with atomic.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=folder))
    try:
        xml = staging / target.xml.name
        try:
            if model is not None:
                openvino.save_model(model, xml, compress_to_fp16=target.precision in HALF_PRECISIONS)
        except RuntimeError as error:  # an iostream error that names neither file nor cause
            raise OutputError(
                f"{folder}: cannot write the IR: {last_line(error)}", hint="is the disk full, or the folder read-only?"
            ) from error
        yield IRModel(target.name, target.precision, xml, xml.with_suffix(".bin"))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where it is empty: nothing of ours stays behind a failure


@dataclass(frozen=True)
class Publication:
    """An IR that was staged and proved, the place where it goes, and the contents of the ``report_file`` beside it."""

    candidate: IRModel
    target: IRModel
    report: Mapping[str, object]
    report_file: str


def publish(publications: Sequence[Publication]) -> None:
    """Move staged IRs into place, all or none, each with its report.

    At no moment does an .xml stand beside a .bin or a report that is not its own. What can run out of space is
    written first. If a rename fails after all, the files that stood there before are put back. Raises
    :class:`OutputError` where something cannot be written.
    """
    for one in publications:
        require_place(one.target, one.report_file)
        with atomic.writing(one.target.xml.parent):
            text = strict_json.dumps(one.report) + "\n"
            one.candidate.xml.with_name(one.report_file).write_bytes(text.encode())
    undo: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    with contextlib.ExitStack() as locks:
        for one in publications:
            # Two converters must not mix their files. The folder itself is locked: no lock file stays behind.
            locks.enter_context(locked(one.target.xml.parent))
        try:
            for one in publications:
                with atomic.writing(one.target.xml.parent):
                    _replace(one, undo, placed)
        except BaseException:
            for path in placed:
                path.unlink(missing_ok=True)
            for retired, path in reversed(undo):  # the .xml, retired first, comes back last
                retired.rename(path)
            raise


def _replace(one: Publication, undo: list[tuple[Path, Path]], placed: list[Path]) -> None:
    """Retire the three files at the target (.xml first), then place the new ones (.xml last)."""
    staging = one.candidate.xml.parent
    places = _places(one.target, one.report_file)
    for path in places:
        if path.exists():
            retired = staging / f"retired-{path.name}"
            path.rename(retired)
            undo.append((retired, path))
    for path in reversed(places):
        (staging / path.name).rename(path)
        placed.append(path)


def _places(target: IRModel, report_file: str) -> tuple[Path, Path, Path]:
    return target.xml, target.bin, target.xml.with_name(report_file)


def _remove_stale(folder: Path) -> None:
    """Remove the staging folders that killed processes left in ``folder``."""
    for path in folder.glob(f"{STAGING_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
