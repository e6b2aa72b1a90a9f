"""Find the files that hold many images each, their form and their split, by the names of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mixnet_tools.accuracy.datasets.account import OTHER_SPLIT, Accounts, FileAccount, settle
from mixnet_tools.accuracy.datasets.folder import Folder
from mixnet_tools.accuracy.datasets.forms.base import FoundImages, PackedForm, Wanted
from mixnet_tools.accuracy.datasets.forms.folder_part import names_of, part_of
from mixnet_tools.accuracy.datasets.forms.parquet import ParquetFiles
from mixnet_tools.accuracy.datasets.forms.tar import TarFiles
from mixnet_tools.accuracy.datasets.forms.tfrecord import TfRecordFiles
from mixnet_tools.accuracy.datasets.image import looks_like_image
from mixnet_tools.accuracy.datasets.splits import Chosen, choose
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

FORMS: tuple[PackedForm, ...] = (ParquetFiles(), TfRecordFiles(), TarFiles())
"""Every form of such files, in the order in which they are tried on a name."""

OTHER_FORM = "in another form"

_COUNTED = re.compile(r"(.+)-(\d{5})-of-(\d{5})")
_COMPRESSED = re.compile(r"(.+)\.(?:tar\.(?:gz|bz2|xz|zst|lz4)|tgz|tbz2?|txz)")
_IMAGENET_TAR = re.compile(r"ILSVRC2012_img_\w+\.tar")


@dataclass(frozen=True)
class PackedFiles:
    """``files`` of one ``form``, sorted by name. They lie in the folder ``source``, or are ``source`` alone.

    ``folder`` is that folder with all that lies in it, None where ``source`` is a file.
    """

    source: Location
    form: PackedForm
    files: tuple[Location, ...]
    folder: Folder | None = None
    chosen: Chosen = field(default_factory=Chosen)

    def read(self, wanted: Wanted) -> FoundImages:
        """The images in them. Raises :class:`DatasetError`."""
        found = self.form.read(self.source, self.files, wanted)
        labels = [file for file in (found.annotations, found.class_names and found.class_names.file) if file]
        remarks = (*((self.chosen.remark,) if self.chosen.remark else ()), *found.remarks)
        return replace(
            found,
            accounts=(*self._account(labels, wanted), *found.accounts),
            split=found.split or self.chosen.split,
            remarks=remarks,
        )

    def _account(self, labels: Sequence[Location], wanted: Wanted) -> Accounts:
        if self.folder is None:
            return ()
        used = frozenset(self.chosen.names)
        imagenet = all(map(_IMAGENET_TAR.fullmatch, map(_bare, used)))

        def rule(name: str) -> str | None:
            if _form_of(_bare(name)) is not None:
                return OTHER_SPLIT
            return OTHER_FORM if imagenet and looks_like_image(name) else None

        inside = {name for file in labels for name in names_of(self.source, file)}
        account: FileAccount = settle(
            "files",
            str(self.source),
            self.folder.tree.files(),
            used=used,
            labels=inside,
            rule=rule,
            known=self.folder.tree.left,
            exclusions=wanted.exclusions,
        )
        return (account,)


def packed_file(source: Location, wanted: Wanted) -> PackedFiles | None:
    """``source`` as the only file; None where no form knows its name.

    Raises :class:`DatasetError` where ``wanted`` asks for a split that its name does not have.
    """
    form = _form_of(source.name)
    if form is None:
        return None
    # What lies in a tar may be of several splits: that is seen when it is read.
    inside = wanted.split is not None and isinstance(form, TarFiles)
    chosen = Chosen() if inside else choose((source.name,), wanted.split, source)
    return PackedFiles(source, form, (source,), chosen=Chosen(split=chosen.split))


def find_packed_files(folder: Folder, wanted: Wanted) -> PackedFiles | None:
    """The files of one split in ``folder`` that hold many images each; None where there are none.

    Raises :class:`DatasetError` where they are of several forms or lie in several folders, where images lie beside
    them, and where a file of a numbered set is missing.
    """
    source, tree = folder.location, folder.tree
    excluded = wanted.exclusions.names if wanted.exclusions is not None else lambda name: False
    every = [name for name in tree.files() if _form_of(_bare(name)) and "devkit" not in _bare(name)]
    every = [name for name in every if not excluded(name)]
    if not every:
        return None
    images = next((name for name in tree.files() if looks_like_image(name) and not excluded(name)), None)
    if images is not None:
        if not all(map(_IMAGENET_TAR.fullmatch, map(_bare, every))):
            raise DatasetError(
                f"{source}: images ({images}) beside files of many images ({every[0]}): which ones are meant?",
                hint="give the folder or file that is meant as `source`, or name the others in the file of `exclude`",
            )
        unpacked = part_of(folder, wanted)
        if unpacked.chosen.split in (None, "validation") or wanted.split is not None:
            return None
    chosen = choose(every, wanted.split, source)
    forms = {id(form): form for form in map(_form_of, map(_bare, chosen.names)) if form is not None}
    if len(forms) > 1:
        first = [
            next(name for name in chosen.names if form.matches(_bare(name))) for form in FORMS if id(form) in forms
        ]
        raise DatasetError(f"{source}: files of several forms: {', '.join(first)}", hint="give one of them as `source`")
    folders = sorted({name.rpartition("/")[0] for name in chosen.names})
    if len(folders) > 1:
        raise DatasetError(
            f"{source}: files of many images in several folders: {', '.join(name or '.' for name in folders[:5])}",
            hint="give one of these folders as `source`",
        )
    _check_complete(source, chosen.names)
    _check_uncompressed(source, tree.folders[folders[0]], chosen.names)
    files = tuple(source / name for name in chosen.names)
    irregular = next((file for file in files if not file.is_remote and not file.path.is_file()), None)
    if irregular is not None:
        raise DatasetError(f"{irregular}: no regular file")
    return PackedFiles(source, next(iter(forms.values())), files, folder, chosen)


def _form_of(name: str) -> PackedForm | None:
    return next((form for form in FORMS if form.matches(name)), None)


def _bare(name: str) -> str:
    return name.rpartition("/")[2]


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


def _check_uncompressed(source: Location, beside: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a folder in which some files of a set are compressed: these would be missed."""
    stems = {re.sub(r"\d+", "#", _bare(name).removesuffix(".tar")) for name in names if name.endswith(".tar")}
    for name in beside:
        match = _COMPRESSED.fullmatch(name)
        if match and re.sub(r"\d+", "#", match[1]) in stems and "devkit" not in name:
            raise DatasetError(
                f"{source}: {name} is compressed, and cannot be read in place",
                hint="unpack it once (gunzip, unzstd), or take it away",
            )
