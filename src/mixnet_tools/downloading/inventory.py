"""Finds out which files of a model are there and right, and which have to be fetched or made."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading.layout import Layout
from mixnet_tools.downloading.manifest import FileRecord, LinkRecord, Manifest, recipe_of
from mixnet_tools.files.digest import digest_of


@dataclass(frozen=True)
class Inventory:
    """What is in a model's folder.

    ``files`` are the model's files that are right, by name, and ``missing`` those that are not. ``outputs`` are right
    files that came out of unpacking and patching, by path; ``finished`` says whether those are all.
    """

    files: dict[str, FileRecord]
    missing: tuple[ModelFile, ...]
    outputs: dict[str, FileRecord | LinkRecord]
    finished: bool

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.finished and not self.missing


def take_inventory(
    model: ModelDescriptor,
    files: Sequence[ModelFile],
    layout: Layout,
    manifest: Manifest,
    *,
    verify: bool = False,
    may_hash: Callable[[], None] | None = None,
) -> Inventory:
    """Compare the model's folder with what should be in it. ``files`` are the files of the model that are wanted.

    A file is right if its size and time are those in the manifest. Otherwise (and always with ``verify``) it is hashed,
    and ``may_hash`` is called between chunks. If ``may_hash`` is None, it is not hashed, and counts as wrong.
    """

    def current(path: Path, expected: FileRecord | None, size: int, checksum: str) -> FileRecord | None:
        try:
            known = path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(known.st_mode) or known.st_size != size:
            return None
        as_recorded = expected is not None and (expected.checksum, expected.mtime_ns) == (checksum, known.st_mtime_ns)
        if not as_recorded or verify:
            algorithm, _, digest = checksum.partition(":")
            if may_hash is None or digest_of(path, algorithm, may_hash) != digest:
                return None
        served_by = expected.served_by if expected else None
        return FileRecord(size=size, checksum=checksum, mtime_ns=known.st_mtime_ns, served_by=served_by)

    outputs = {
        name: _current_output(layout.folder / name, record, current) for name, record in manifest.outputs.items()
    }
    right_outputs = {name: record for name, record in outputs.items() if record is not None}
    finished = manifest.recipe == recipe_of(model) and len(right_outputs) == len(outputs)

    present: dict[str, FileRecord] = {}
    missing = []
    for file in files:
        path, recorded = layout.delivered(file.name), manifest.files.get(file.name)
        record = current(path, recorded, file.size, file.checksum)
        no_longer_needed = finished and file.name in layout.unpacked and not os.path.lexists(path)
        if record is None and no_longer_needed and recorded is not None and recorded.checksum == file.checksum:
            record = recorded
        if record is None:
            missing.append(file)
        else:
            present[file.name] = record
    return Inventory(present, tuple(missing), right_outputs, finished)


def _current_output(
    path: Path,
    record: FileRecord | LinkRecord,
    current: Callable[[Path, FileRecord, int, str], FileRecord | None],
) -> FileRecord | LinkRecord | None:
    if isinstance(record, LinkRecord):
        return record if path.is_symlink() and os.readlink(path) == record.link_to else None
    found = None if path.is_symlink() else current(path, record, record.size, record.checksum)
    return found and found.model_copy(update={"adopted": record.adopted})
