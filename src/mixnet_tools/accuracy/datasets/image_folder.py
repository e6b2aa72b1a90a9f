"""Folders of images: those whose labels are listed in a file, and those sorted into one folder per class."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NoReturn

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.remote import read
from mixnet_tools.accuracy.datasets.tar import is_image
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

ANNOTATION_FILE = "val.txt"

FORMS = (
    f"expected a folder of images with {ANNOTATION_FILE} in it or beside it ('relative/name.jpg label' lines), "
    "a folder with one subfolder of images per class, ImageNet's ILSVRC2012_img_val.tar, or shards in the form of "
    "WebDataset (.tar), TFRecord or Parquet"
)
"""What is expected of a source, for messages."""


def find_annotations(source: Location) -> Location | None:
    """The file of labels in the folder ``source``, or beside it where it speaks of these images; else None."""
    inside = source / ANNOTATION_FILE
    if inside.path.is_file():
        return inside
    beside = source.path.resolve().parent / ANNOTATION_FILE
    if beside.is_file():
        # A val.txt beside class folders may belong to something else: believe it if it speaks of these images.
        first = next(annotation_lines(Location(beside)), None)
        if first is not None and (source / first[1]).path.is_file():
            return Location(beside)
    return None


def annotation_lines(file: Location) -> Iterator[tuple[int, str, str]]:
    """(line number, name, label) of each line that is not empty. The label is what follows the last blank."""
    try:
        data = read(file) if file.is_remote else file.path.read_bytes()
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{file}: cannot read the annotations: {reason}") from error
    for number, line in enumerate(lines, 1):
        parts = line.rsplit(maxsplit=1)
        if parts:
            # Paths are compared as text: ./a.jpg and a//b.jpg in one spelling.
            yield number, PurePosixPath(parts[0].strip()).as_posix(), parts[1] if len(parts) == 2 else ""


def read_annotations(source: Location, annotations: Location, first_label: int) -> tuple[LabelledImage, ...]:
    """The images that ``annotations`` names, in its order. Raises :class:`DatasetError` that names each wrong line."""
    labels = listed_labels(source, annotations, first_label, _Listing(source.path).has)
    return tuple(LabelledImage(name, source / name, label) for name, label in labels.items())


def listed_labels(
    source: Location, annotations: Location, first_label: int, exists: Callable[[str], bool]
) -> dict[str, int]:
    """The label (from 0) of each image that ``annotations`` names, in its order.

    ``exists`` tells whether ``source`` has an image of that name. Raises :class:`DatasetError` that names each line
    that cannot be read, names an image for the second time, or one that ``source`` has not.
    """
    problems: list[str] = []
    labels: dict[str, int] = {}
    seen: dict[str, int] = {}
    for number, name, label in annotation_lines(annotations):
        where = f"{annotations}: line {number}"
        if not re.fullmatch(r"[0-9]{1,9}", label) or int(label) < first_label:
            problems.append(
                f"{where}: expected 'relative/name.jpg label' with a label of {first_label} or more, got "
                f"'{name} {label}'"
            )
        elif name.startswith("/") or ".." in name.split("/"):
            problems.append(f"{where}: expected a path inside {source}, got {name!r}")
        elif name in seen:
            problems.append(f"{where}: {name!r} stands in line {seen[name]} already")
        elif not exists(name):
            problems.append(f"{where}: {name!r}: no such image in {source}")
        else:
            labels[name] = int(label) - first_label
        seen.setdefault(name, number)
    if problems:
        more = f"\nand {len(problems) - 5} more problems like these" if len(problems) > 5 else ""
        raise DatasetError(
            "\n".join(problems[:5]) + more,
            hint="give what the names start from to -s/--source, and the file to --annotations",
        )
    if not labels:
        raise DatasetError(f"{annotations}: names no images; expected 'relative/name.jpg label' lines")
    return labels


class _Listing:
    """Which files exist below a folder, asked of the disk once per folder and not once per file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, frozenset[str]] = {}

    def has(self, name: str) -> bool:
        folder, _, bare = name.rpartition("/")
        if folder not in self._folders:
            try:
                with os.scandir(self._root / folder) as entries:
                    self._folders[folder] = frozenset(entry.name for entry in entries if not entry.is_dir())
            except OSError:
                self._folders[folder] = frozenset()
        return bare in self._folders[folder]


def read_class_folders(source: Location) -> tuple[tuple[str, ...], tuple[LabelledImage, ...]]:
    """(names of the classes by label, images) of a folder of class folders. Raises :class:`DatasetError`."""
    try:
        with os.scandir(source.path) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        _refuse(error)
    folders = sorted(name for name, is_folder in found if is_folder)
    loose = sorted(name for name, is_folder in found if not is_folder and is_image(name))
    if loose:
        _refuse_loose(source, loose)
    names = _in_label_order(source, folders)
    images = [
        LabelledImage(path.relative_to(source.path).as_posix(), Location(path), label)
        for label, name in enumerate(names)
        for path in images_below(source.path / name)
    ]
    if not images:
        raise DatasetError(f"{source}: no images here: {FORMS}", hint="give the folder of the images to -s/--source")
    return names, tuple(images)


def sorted_into_classes(source: Location, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[LabelledImage, ...]]:
    """:func:`read_class_folders` of a ``source`` whose files are known: their ``names`` below it."""
    found = [name for name in names if is_image(name)]
    loose = [name for name in found if "/" not in name]
    if loose:
        _refuse_loose(source, loose)
    folders = _in_label_order(source, sorted({name.partition("/")[0] for name in found}))
    labels = {name: label for label, name in enumerate(folders)}
    images = sorted(
        (LabelledImage(name, source / name, labels[name.partition("/")[0]]) for name in found),
        key=lambda image: (image.label, _as_walked(image.name)),
    )
    if not images:
        raise DatasetError(f"{source}: no images here: {FORMS}", hint="give the place of the images to -s/--source")
    return folders, tuple(images)


def _as_walked(name: str) -> list[tuple[bool, str]]:
    """A key that puts a folder's files before those of its subfolders, as :func:`images_below` does."""
    *folders, bare = name.split("/")
    return [*((True, folder) for folder in folders), (False, bare)]


def _refuse_loose(source: Location, loose: Sequence[str]) -> NoReturn:
    raise DatasetError(
        f"{source}: images ({loose[0]!r}{f' and {len(loose) - 1} more' if len(loose) > 1 else ''}), but no labels",
        hint=f"put {ANNOTATION_FILE} beside them, or name the file: --annotations FILE",
    )


def _in_label_order(source: Location, folders: Sequence[str]) -> tuple[str, ...]:
    """Sorted by name; folders that are all named by numbers are taken at their word (0, 1, ..., 9, 10)."""
    if not folders or not all(name.isascii() and name.isdigit() for name in folders):
        return tuple(folders)
    numbered = sorted(folders, key=int)
    if [int(name) for name in numbered] != list(range(len(numbered))):
        raise DatasetError(
            f"{source}: class folders named by numbers must be 0 to {len(numbered) - 1} for {len(numbered)} "
            f"classes, got {numbered[0]} to {numbered[-1]}",
            hint="name the labels instead: --annotations FILE with 'relative/name.jpg label' lines, labels from 0",
        )
    return tuple(numbered)


def images_below(folder: Path) -> Iterator[Path]:
    """Every file below ``folder`` that is called as an image is, sorted. :class:`DatasetError` where one is closed."""
    for place, subfolders, files in os.walk(folder, onerror=_refuse):
        subfolders.sort()
        yield from (Path(place, name) for name in sorted(files) if is_image(name))


def _refuse(error: OSError) -> NoReturn:
    """A folder that cannot be listed must not look like an empty one."""
    raise DatasetError(f"{error.filename}: the folder cannot be read: {error.strerror or error}") from error
