"""Open a labelled data set at a path or URL, in any form: its images, in order.

Nothing is decoded or copied here. Labels count from 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mixnet_tools.accuracy.datasets.account import (
    NOT_IN_SUBSET,
    OTHER_SHARD,
    Accounts,
    leave_images_out,
)
from mixnet_tools.accuracy.datasets.folder import Folder, open_folder
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.forms.image_folder import EXPECTED, has_listed_labels, list_name, read_folder
from mixnet_tools.accuracy.datasets.forms.packed_files import PackedFiles, find_packed_files, packed_file
from mixnet_tools.accuracy.datasets.image import LabelledImage, with_unique_names
from mixnet_tools.accuracy.datasets.labels.annotations import ANNOTATION_FILE, annotation_lines
from mixnet_tools.accuracy.datasets.labels.by_model import labels_of_model
from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses
from mixnet_tools.accuracy.predictions.values import DatasetForm, Shard
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

BUNDLED_FOLDER = "validation"
"""The folder beside a model's model.yml with images of its own and :data:`ANNOTATION_FILE`."""

SUBSET_SALT = "mixnet_tools subset 1"


@dataclass(frozen=True)
class ImageDataset:
    """Images in the order in which they are evaluated.

    For ``form``, ``annotations``, ``split`` and ``remarks`` see :class:`FoundImages`. ``class_names`` are the names of
    class folders whose order gives the labels, None where labels come from elsewhere. ``images`` are those to evaluate,
    and ``total`` counts the images before a subset was taken. ``excluded`` images were left out of both on request.
    ``labels`` says whose labels these are. ``fingerprint`` is the SHA-256 of all names and labels, in order.
    ``accounts`` tells of every file; the last one counts ``images``. ``classes`` are the model's, where they are known.
    """

    source: Location
    form: DatasetForm
    annotations: Location | None
    class_names: tuple[str, ...] | None
    images: tuple[LabelledImage, ...]
    total: int
    excluded: int = 0
    labels: Literal["own", "ReaL"] = "own"
    fingerprint: str = ""
    shard: Shard | None = None
    whole: tuple[LabelledImage, ...] | None = None
    """All the images of which ``images`` are one shard. None where they are no shard."""
    split: str | None = None
    accounts: Accounts = ()
    remarks: tuple[str, ...] = ()
    classes: ModelClasses | None = None

    def subset(self, count: int) -> ImageDataset:
        """``count`` of the images (all, where there are no more), in their order.

        Those are taken whose bare names have the smallest SHA-256 (after :data:`SUBSET_SALT`). The choice is the same
        everywhere, and a smaller subset is part of every larger one.
        """
        chosen = {image.name for image in sorted(self.images, key=_subset_key)[:count]}
        return self._only(tuple(image for image in self.images if image.name in chosen), NOT_IN_SUBSET)

    def take_shard(self, shard: Shard) -> ImageDataset:
        """One of ``shard.count`` consecutive parts of the images, as equal in size as possible."""
        count = len(self.images)
        first, last = ((number * count) // shard.count for number in (shard.number - 1, shard.number))
        return replace(self._only(self.images[first:last], OTHER_SHARD), shard=shard, whole=self.images)

    def _only(self, images: tuple[LabelledImage, ...], reason: str) -> ImageDataset:
        kept = {image.name for image in images}
        others = [image.name for image in self.images if image.name not in kept]
        return replace(self, images=images, accounts=leave_images_out(self.accounts, reason, others))


def open_dataset(source: Location, wanted: Wanted | None = None) -> ImageDataset:
    """Find out what ``source`` is, and list its images. Every file in it is accounted for.

    Where the data set names its classes and the model's are known (``wanted.classes``), labels are found by name.

    Raises :class:`DatasetError` where the source is missing, empty or in no known form, where images would be left out
    without a reason, where it is not clear which split is meant, and where labels are missing, malformed or do not fit
    the images or the model; :class:`MissingDependency` where a package that the form needs is not installed,
    :class:`UsageError` for a URL that no package knows.
    """
    wanted = wanted or Wanted()
    found = recognize(source, wanted)
    listed = found.read(wanted) if isinstance(found, PackedFiles) else read_folder(found, wanted)
    by_model = labels_of_model(listed, wanted.classes, source)
    images = with_unique_names(by_model.images)
    return ImageDataset(
        source,
        listed.form,
        listed.annotations,
        by_model.class_names,
        images,
        total=len(images),
        fingerprint=fingerprint_of(images),
        split=listed.split,
        accounts=listed.accounts,
        remarks=(*listed.remarks, *by_model.remarks),
        classes=wanted.classes,
    )


def recognize(source: Location, wanted: Wanted) -> PackedFiles | Folder:
    """What ``source`` is: files that hold many images each, or a folder of image files.

    Raises :class:`DatasetError` where it is neither, where it is not clear which files are meant, or where ``source``
    or annotations are missing.
    """
    if not source.is_remote and not source.path.exists():
        raise DatasetError(f"{source}: no such file or folder: {EXPECTED}", hint="give another path as `source`")
    given = wanted.annotations
    if given is not None and not given.is_remote and not given.path.is_file():
        raise DatasetError(f"{given}: no such annotation file", hint="give a file of 'name label' lines")
    # A server need not say what is a file: its name does.
    one = packed_file(source, wanted) if source.is_remote or source.path.is_file() else None
    if one is not None:
        return one
    if not source.is_remote and not source.path.is_dir():
        raise DatasetError(f"{source}: not a folder, and no known file: {EXPECTED}")
    if source.has_query:
        raise DatasetError(
            f"{source}: a URL with a query (?...) must be that of a tar or Parquet file: a query is for "
            "one file, and a folder has many",
            hint="give the folder without a query, or the URL of a single file",
        )
    folder = open_folder(source)
    if has_listed_labels(folder, wanted) and not _lists_packed_images(folder, wanted):
        return folder
    return find_packed_files(folder, wanted) or folder


def _lists_packed_images(folder: Folder, wanted: Wanted) -> bool:
    """Whether a list of labels in ``folder`` is one of what lies in its tar: images that it names are not there."""
    if folder.location.is_remote or wanted.annotations is not None:
        return False
    first = next(annotation_lines(folder.location / list_name(wanted)), None)
    return (
        first is not None
        and not folder.may_have(first[1])
        and any(name.endswith(".tar") for name in folder.tree.folders[""])
    )


def fingerprint_of(images: Sequence[LabelledImage]) -> str:
    """SHA-256 of the names and labels of ``images``, in order, in lower-case hex."""
    return fingerprint(
        (image.name, image.accepted if image.accepted is not None else (image.label,)) for image in images
    )


def fingerprint(named: Iterable[tuple[str, Sequence[int]]]) -> str:
    """:func:`fingerprint_of` images of which only names and labels are known."""
    digest = hashlib.sha256()
    for name, labels in named:
        digest.update(_bytes(f"{name}\0{','.join(map(str, labels))}\n"))
    return digest.hexdigest()


def bundled_source(model_directory: Path) -> Location | None:
    """The data set that a model brings along in its own folder, or None."""
    folder = model_directory / BUNDLED_FOLDER
    return Location(folder) if (folder / ANNOTATION_FILE).is_file() else None


def is_bundled(source: Location, annotations: Location | None, bundled: Location | None) -> bool:
    """Whether ``source`` is the data set ``bundled`` with a model, with its own labels: the set of its references."""
    return bundled is not None and annotations is None and source.resolve() == bundled.resolve()


def _subset_key(image: LabelledImage) -> tuple[bytes, str]:
    # The bare file name: ImageNet's subset is the same whether or not its images are sorted into class folders.
    bare = image.name.rpartition("/")[2]
    return hashlib.sha256(_bytes(f"{SUBSET_SALT}:{bare}")).digest(), image.name


def _bytes(name: str) -> bytes:
    """A file's name may hold bytes that are no UTF-8; Python has them as lone surrogates."""
    return name.encode("utf-8", "surrogateescape")
