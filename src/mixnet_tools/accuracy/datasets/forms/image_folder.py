"""Folders of image files, with labels from an annotation file, from ImageNet's devkit, or by subfolder."""

from __future__ import annotations

from collections.abc import Sequence

from mixnet_tools.accuracy.datasets.annotations import ANNOTATION_FILE, annotation_lines, listed_labels
from mixnet_tools.accuracy.datasets.folder import Folder, parent_folder
from mixnet_tools.accuracy.datasets.forms.base import FoundImages, GivenLabels
from mixnet_tools.accuracy.datasets.image import LabelledImage, is_image
from mixnet_tools.accuracy.datasets.imagenet_devkit import is_devkit, labels_by_number
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

EXPECTED = (
    f"expected a folder of images with {ANNOTATION_FILE} in it or beside it ('relative/name.jpg label' lines), "
    "a folder with one subfolder of images per class, ImageNet's ILSVRC2012_img_val.tar, or files in the form of "
    "WebDataset (.tar), TFRecord or Parquet"
)
"""What is expected of a source, for messages."""


def has_listed_labels(folder: Folder, labels: GivenLabels) -> bool:
    """Whether a file lists the labels of images in ``folder``. Then other files in it do not count."""
    given = labels.annotations
    return (given is not None and not is_devkit(given)) or folder.has_file(ANNOTATION_FILE)


def find_annotations(folder: Folder) -> Location | None:
    """The file of labels in ``folder``, or beside it where it names images of ``folder``; None where there is none."""
    if folder.has_file(ANNOTATION_FILE):
        return folder.location / ANNOTATION_FILE
    parent = parent_folder(folder.location)
    if parent is None or not parent.has_file(ANNOTATION_FILE):
        return None
    # A val.txt beside class folders may belong to something else.
    beside = parent.location / ANNOTATION_FILE
    first = next(annotation_lines(beside), None)
    return beside if first is not None and folder.has_file(first[1]) else None


def read_folder(folder: Folder, labels: GivenLabels) -> FoundImages:
    """The images of ``folder``.

    Raises :class:`DatasetError` that names each wrong line of annotations, and where there are no images or no labels.
    """
    annotations = labels.annotations or find_annotations(folder)
    if annotations is None:
        return _class_folders(folder, labels)
    source = folder.location
    if is_devkit(annotations):
        label_of = labels_by_number(annotations)
        found = {name: label_of(name) for name in sorted(folder.images())}
    else:
        found = listed_labels(source, annotations, labels.first_label or 0, folder.may_have)
    images = tuple(LabelledImage(name, source / name, label) for name, label in found.items())
    return FoundImages("annotations", images, annotations)


def _class_folders(folder: Folder, labels: GivenLabels) -> FoundImages:
    source = folder.location
    if labels.first_label:
        raise DatasetError(f"{source}: class folders have no numbers that could count from {labels.first_label}")
    loose = [name for name in folder.files() if is_image(name)]
    if loose:
        more = f" and {len(loose) - 1} more" if len(loose) > 1 else ""
        raise DatasetError(
            f"{source}: images ({loose[0]!r}{more}), but no labels",
            hint=f"put {ANNOTATION_FILE} beside them, or give the file of labels as `annotations`",
        )
    classes = _in_label_order(source, folder.subfolders())
    images = tuple(
        LabelledImage(name, source / name, label) for label, one in enumerate(classes) for name in folder.images(one)
    )
    if not images:
        raise DatasetError(f"{source}: no images here: {EXPECTED}", hint="give the folder of the images as `source`")
    return FoundImages("class_folders", images, class_names=classes)


def _in_label_order(source: Location, folders: Sequence[str]) -> tuple[str, ...]:
    """``folders`` by label: sorted by name, or by number (0, 1, ..., 9, 10) where every name is one."""
    if not folders or not all(name.isascii() and name.isdigit() for name in folders):
        return tuple(folders)
    numbered = sorted(folders, key=int)
    if [int(name) for name in numbered] != list(range(len(numbered))):
        raise DatasetError(
            f"{source}: class folders named by numbers must be 0 to {len(numbered) - 1} for {len(numbered)} "
            f"classes, got {numbered[0]} to {numbered[-1]}",
            hint="name the labels instead: a file of 'relative/name.jpg label' lines as `annotations`, labels from 0",
        )
    return tuple(numbered)
