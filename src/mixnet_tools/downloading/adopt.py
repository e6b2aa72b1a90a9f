"""Takes over a model's folder that another program filled, as far as digests allow, without a network.

Open Model Zoo's downloader leaves no manifest, and deletes archives when they are unpacked. A file that is there and
has a digest in the descriptor is verified. So are the files that come out of archives that are still there. Any other
file is recorded as it is (``adopted``): nobody can say whether it is right, but that it changes later is noticed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading import manifest as manifests
from mixnet_tools.downloading import postprocessing
from mixnet_tools.downloading.layout import STATE_FOLDER, Layout
from mixnet_tools.downloading.manifest import FileRecord, LinkRecord, Manifest
from mixnet_tools.downloading.messages import WITHOUT_LOCKS, cannot_write
from mixnet_tools.errors import DownloadError, IntegrityError, NextStep
from mixnet_tools.files.copies import share_or_copy
from mixnet_tools.files.digest import digest_of
from mixnet_tools.files.lock import locked
from mixnet_tools.ir.locate import IR_PRECISIONS
from mixnet_tools.progress import Progress

ORIGINAL_SUFFIX = ".orig"
"""What Open Model Zoo's downloader appends to the name of a file that it patches, to keep the original."""

_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class AdoptedModel:
    """A folder that was taken over.

    ``verified`` are the files that are right, ``unverified`` those that were recorded as they are, by path. ``gone``
    are archives that are no longer there. ``known_before`` says that the folder had a manifest, and was left alone.
    """

    name: str
    directory: Path
    verified: tuple[str, ...]
    unverified: tuple[str, ...]
    gone: tuple[str, ...]
    known_before: bool = False


def adopt_model(
    model: ModelDescriptor, folder: Path, files: Sequence[ModelFile], progress: Progress, *, lock: bool = True
) -> AdoptedModel:
    """Take over ``folder``, which holds ``files`` of ``model``. Of the folder only the manifest is written.

    ``lock`` says whether to hold the folder's lock meanwhile.

    Raises :class:`IntegrityError` where a file is missing, is not the descriptor's, or not the one in its archive,
    :class:`DownloadError` where the folder is, :class:`ArchiveError` where an archive cannot be unpacked. Then nothing
    was changed.
    """
    layout = Layout.of(model, folder)
    again = NextStep("download", model.name, {"output_dir": folder.parents[len(model.subdirectory.parts) - 1]})
    if not folder.is_dir():
        raise DownloadError(f"{model.name}: no such folder to take over: {folder}", hint=again)
    if manifests.find(layout, model.name) is not None:
        return AdoptedModel(model.name, folder, (), (), (), known_before=True)
    had_state = layout.state.exists()
    try:
        layout.state.mkdir(exist_ok=True)
        note = f"{model.name}: another process works on it, waiting"
        held = locked(layout.lock, on_wait=lambda: progress.note(note), advice=WITHOUT_LOCKS)
        with held if lock else contextlib.nullcontext():
            try:
                return _Adoption(model, layout, files, again, progress).run()
            except BaseException:
                if not had_state:
                    shutil.rmtree(layout.state, ignore_errors=True)
                raise
            finally:
                shutil.rmtree(layout.staging, ignore_errors=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


class _Adoption:
    """The work on one folder, under its lock."""

    def __init__(
        self, model: ModelDescriptor, layout: Layout, files: Sequence[ModelFile], again: NextStep, progress: Progress
    ) -> None:
        self._model, self._layout, self._files, self._again = model, layout, files, again
        self._progress = progress
        self._problems: list[str] = []

    def run(self) -> AdoptedModel:
        records: dict[str, FileRecord] = {}
        gone: list[str] = []
        for file in self._files:
            if record := self._delivered(file):
                records[file.name] = record
            elif file.name in self._layout.unpacked | self._layout.patched:
                gone.append(file.name)
        self._refuse()
        made = self._made(records)
        self._refuse()
        outputs: dict[str, FileRecord | LinkRecord] = dict(made)
        if gone:
            outputs |= {name: record for name, record in self._others() if name not in made}
            if len(outputs) == len(made):
                raise DownloadError(
                    f"{self._layout.folder}: has neither {gone[0]} nor files that came out of it", hint=self._again
                )
        for file in self._files:
            if file.name in gone and file.name in self._layout.unpacked:
                # It is not needed any more, as long as what came out of it is unchanged.
                records[file.name] = FileRecord(size=file.size, checksum=file.checksum, mtime_ns=0, adopted=True)
        recipe = manifests.recipe_of(self._model)
        manifests.save(self._layout, Manifest(model=self._model.name, files=records, recipe=recipe, outputs=outputs))
        verified = dict.fromkeys([*(name for name in records if name not in gone), *made])
        unverified = [name for name in outputs if name not in made]
        return AdoptedModel(self._model.name, self._layout.folder, tuple(verified), tuple(unverified), tuple(gone))

    def _delivered(self, file: ModelFile) -> FileRecord | None:
        """The file in the form in which its source delivered it; None where it is gone."""
        patched = file.name in self._layout.patched
        path = self._layout.folder / (file.name + ORIGINAL_SUFFIX if patched else file.name)
        if not path.is_file():
            if not patched and file.name not in self._layout.unpacked:
                self._problems.append(f"{path}: no such file")
            return None
        record = self._held_against(path, file.size, file.checksum, "the file of the descriptor")
        if record and patched:
            kept = self._layout.original(file.name)
            kept.unlink(missing_ok=True)
            share_or_copy(path, kept)
            return record.model_copy(update={"mtime_ns": kept.stat().st_mtime_ns})
        return record

    def _made(self, records: dict[str, FileRecord]) -> dict[str, FileRecord | LinkRecord]:
        """Unpack and patch what is there, aside, and hold the files in place against the results."""
        if not self._model.postprocessing:
            return {}
        for remark in postprocessing.make_outputs(
            self._model, self._layout, records, lambda: None, as_far_as_possible=True
        ):
            self._progress.note(f"{self._model.name}: {remark}")
        right: dict[str, FileRecord | LinkRecord] = {}
        for name, record in postprocessing.record_outputs(self._layout.staging, lambda: None).items():
            path = self._layout.folder / name
            if isinstance(record, LinkRecord):
                if not path.is_symlink() or os.readlink(path) != record.link_to:
                    self._problems.append(f"{path}: expected a link to {record.link_to}, as in its archive")
                right[name] = record
            elif not path.is_file():
                self._problems.append(f"{path}: no such file, and its archive has one")
            elif found := self._held_against(path, record.size, record.checksum, "the file that is in its archive"):
                right[name] = found
        return right

    def _others(self) -> Iterator[tuple[str, FileRecord | LinkRecord]]:
        """What else is in the folder, but for what is no part of the download: IRs and the downloader's own files."""
        known = {file.name for file in self._files if file.name not in self._layout.patched}
        known |= {name + ORIGINAL_SUFFIX for name in self._layout.patched}
        known |= {f"{self._model.name}.frozen.pb"}
        for path in postprocessing.walk(self._layout.folder):
            name = path.relative_to(self._layout.folder).as_posix()
            top = name.partition("/")[0]
            is_ir = top in IR_PRECISIONS and self._model.framework != "dldt"
            if name in known or is_ir or top == STATE_FOLDER:
                continue
            if path.is_symlink():
                yield name, LinkRecord(link_to=os.readlink(path))
            elif path.is_file():
                known_as = path.stat()
                checksum = f"{postprocessing.OUTPUT_ALGORITHM}:{digest_of(path, postprocessing.OUTPUT_ALGORITHM)}"
                yield (
                    name,
                    FileRecord(size=known_as.st_size, checksum=checksum, mtime_ns=known_as.st_mtime_ns, adopted=True),
                )

    def _held_against(self, path: Path, size: int, checksum: str, what: str) -> FileRecord | None:
        algorithm = checksum.partition(":")[0]
        known = path.stat()
        found = f"{algorithm}:{digest_of(path, algorithm)}"
        if (known.st_size, found) != (size, checksum):
            self._problems.append(
                f"{path}: is not {what}:\n  expected {size} bytes, {checksum}"
                f"\n  got      {known.st_size} bytes, {found}"
            )
            return None
        return FileRecord(size=size, checksum=checksum, mtime_ns=known.st_mtime_ns)

    def _refuse(self) -> None:
        if not self._problems:
            return
        more = len(self._problems) - _MOST_PROBLEMS
        lines = self._problems[:_MOST_PROBLEMS] + ([f"and {more} more files"] if more > 0 else [])
        raise IntegrityError("\n".join(lines), hint=self._again)
