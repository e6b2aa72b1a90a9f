"""Find the files that hold many images each, and their form, by the names of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mixnet_tools.accuracy.datasets.folder import Folder
from mixnet_tools.accuracy.datasets.forms.base import FoundImages, GivenLabels, PackedForm
from mixnet_tools.accuracy.datasets.forms.parquet import ParquetFiles
from mixnet_tools.accuracy.datasets.forms.tar import TarFiles
from mixnet_tools.accuracy.datasets.forms.tfrecord import TfRecordFiles
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

FORMS: tuple[PackedForm, ...] = (ParquetFiles(), TfRecordFiles(), TarFiles())
"""Every form of such files, in the order in which they are tried on a name."""

_COUNTED = re.compile(r"(.+)-(\d{5})-of-(\d{5})")


@dataclass(frozen=True)
class PackedFiles:
    """``files`` of one ``form``, sorted by name. They lie in the folder ``source``, or are ``source`` alone."""

    source: Location
    form: PackedForm
    files: tuple[Location, ...]

    def read(self, labels: GivenLabels) -> FoundImages:
        """The images in them. Raises :class:`DatasetError`."""
        return self.form.read(self.source, self.files, labels)


def packed_file(source: Location) -> PackedFiles | None:
    """``source`` as the only file; None where no form knows its name."""
    form = next((form for form in FORMS if form.matches(source.name)), None)
    return None if form is None else PackedFiles(source, form, (source,))


def find_packed_files(folder: Folder) -> PackedFiles | None:
    """The files in ``folder`` that hold many images each; None where there are none.

    Where names of some begin with ``val``, only these are taken. Raises :class:`DatasetError` where they are of several
    forms, and where a file of a numbered set is missing.
    """
    source = folder.location
    found = [(form, [name for name in folder.files() if form.matches(name)]) for form in FORMS]
    found = [(form, names) for form, names in found if names]
    if len(found) > 1:
        examples = ", ".join(names[0] for _, names in found)
        raise DatasetError(f"{source}: files of several forms: {examples}", hint="give one of them as `source`")
    for form, every in found:
        names = [name for name in every if "devkit" not in name]
        chosen = [name for name in names if name.startswith("val")] or names
        _check_complete(source, chosen)
        files = tuple(source / name for name in chosen)
        irregular = next((file for file in files if not file.is_remote and not file.path.is_file()), None)
        if irregular is not None:
            raise DatasetError(f"{irregular}: no regular file")
        return PackedFiles(source, form, files) if files else None
    return None


def _check_complete(source: Location, names: Sequence[str]) -> None:
    """Refuse a folder in which files are missing, where names say how many there are (``-00000-of-00004``)."""
    sets: dict[tuple[str, int], set[int]] = {}
    for name in names:
        if match := _COUNTED.match(name):
            sets.setdefault((match[1], int(match[3])), set()).add(int(match[2]))
    for (name, count), present in sets.items():
        missing = sorted(set(range(count)) - present)
        if missing:
            raise DatasetError(
                f"{source}: {len(missing)} of {count} files of {name!r} are missing, the first is number {missing[0]}",
                hint="fetch them, or give a single file as `source`",
            )
