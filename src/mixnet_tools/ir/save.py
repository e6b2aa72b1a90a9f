"""How an IR gets onto the disk: saved into a staging folder, proved there, and moved into place whole."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixnet_tools.errors import ConversionError
from mixnet_tools.files.lock import locked
from mixnet_tools.values import IRModel

HALF_PRECISIONS = ("FP16", "FP16-INT8")
STAGING_PREFIX = ".mixnet_tools-staging-"

STALE_SECONDS = 3600.0
"""Age from which a staging folder is taken for one that a killed process left; a conversion takes seconds."""


def require_place(target: IRModel, report_file: str) -> None:
    """Find out before the work whether ``target`` can be written, and leave nothing behind.

    Raises :class:`ConversionError` where a folder stands in its place, or none can be made for it.
    """
    for path in _places(target, report_file):
        if path.is_dir():
            raise ConversionError(
                f"{path}: is a folder, where a file is to be written", hint="move it, or write elsewhere"
            )
    folder = target.xml.parent
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConversionError(
            f"{folder}: cannot be written to: {error.strerror or error}", hint="choose another folder: --output_dir"
        ) from error
    finally:
        for one in made:
            with contextlib.suppress(OSError):
                one.rmdir()


@contextlib.contextmanager
def staged(model: Any, target: IRModel) -> Iterator[IRModel]:
    """``model`` (an ``openvino.Model``) saved in a staging folder beside ``target``'s place, while the block lasts.

    Raises :class:`ConversionError` where it cannot be written.
    """
    import openvino

    folder = target.xml.parent
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=folder))
    try:
        xml = staging / target.xml.name
        try:
            openvino.save_model(model, xml, compress_to_fp16=target.precision in HALF_PRECISIONS)
        except RuntimeError as error:  # an iostream error that names neither file nor cause
            raise ConversionError(
                f"{folder}: cannot write the IR: {str(error).strip().splitlines()[-1]}",
                hint="is the disk full, or the folder read-only?",
            ) from error
        yield IRModel(target.name, target.precision, xml, xml.with_suffix(".bin"))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where it is empty: nothing of ours stays behind a failure


@dataclass(frozen=True)
class Publication:
    """A staged and proved IR, where it is to go, and the contents of the ``report_file`` beside it."""

    candidate: IRModel
    target: IRModel
    report: dict[str, Any]
    report_file: str


def publish(publications: Sequence[Publication]) -> None:
    """Move staged IRs into place, all or none, each with its report.

    At no moment does an .xml stand beside a .bin or a report that is not its own. What can run out of space is
    written first; if a rename fails after all, what stood there before is put back.
    """
    for one in publications:
        require_place(one.target, one.report_file)
        text = json.dumps(one.report, indent=2, allow_nan=False) + "\n"
        one.candidate.xml.with_name(one.report_file).write_text(text)
    undo: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    with contextlib.ExitStack() as locks:
        for one in publications:
            # Two converters must not mix their files. The folder itself is locked: no lock file stays behind.
            locks.enter_context(locked(one.target.xml.parent))
        try:
            for one in publications:
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


def _sweep(folder: Path) -> None:
    for path in folder.glob(f"{STAGING_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
