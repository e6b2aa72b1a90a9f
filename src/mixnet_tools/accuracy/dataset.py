"""Labelled images on disk: which files, which labels. Nothing is decoded or copied here.

Two forms are known: a folder of images with an annotation file (``relative/name.jpg label`` lines, OMZ's and Caffe's
form), and a folder of class folders. Labels count from 0. What a label means to a model is the evaluation's subject.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from mixnet_tools.accuracy.images import LabelledImage
from mixnet_tools.accuracy.predictions import DatasetForm, Shard
from mixnet_tools.errors import DatasetError

ANNOTATION_FILE = "val.txt"
BUNDLED_FOLDER = "validation"
"""Folder beside a model's model.yml with images and :data:`ANNOTATION_FILE`, where a model brings its own."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
"""What counts as an image in a folder that is searched. An annotation file may name any file."""

SUBSET_SALT = "mixnet_tools subset 1"

_FORMS = (
    f"expected a folder of images with {ANNOTATION_FILE} in it or beside it ('relative/name.jpg label' lines), "
    "or a folder with one subfolder of images per class"
)


@dataclass(frozen=True)
class ImageDataset:
    """Images in the order in which they are evaluated.

    ``form`` says how labels were found, ``annotations`` the file they came from (``annotations`` form only),
    ``class_names`` the folders by label (``class_folders`` form only). ``total`` counts the images before a subset
    was taken; ``images`` are those to evaluate. ``excluded`` images were left out of both on request, ``labels`` says
    whose labels these are, and ``fingerprint`` is the SHA-256 of all names and labels, in order.
    """

    source: Path
    form: DatasetForm
    annotations: Path | None
    class_names: tuple[str, ...] | None
    images: tuple[LabelledImage, ...]
    total: int
    excluded: int = 0
    labels: Literal["own", "ReaL"] = "own"
    fingerprint: str = ""
    shard: Shard | None = None

    def subset(self, count: int) -> ImageDataset:
        """``count`` of the images (all, where there are no more), in the order of the whole.

        The choice depends on the images' names only: those whose names have the smallest SHA-256 (after
        :data:`SUBSET_SALT`). It is the same everywhere, and a smaller subset is part of every larger one.
        """
        chosen = {image.name for image in sorted(self.images, key=_subset_key)[:count]}
        return replace(self, images=tuple(image for image in self.images if image.name in chosen))

    def take_shard(self, shard: Shard) -> ImageDataset:
        """One of ``shard.count`` consecutive parts of the images, as equal in size as they can be."""
        count = len(self.images)
        first, last = ((number * count) // shard.count for number in (shard.number - 1, shard.number))
        return replace(self, images=self.images[first:last], shard=shard)


def open_dataset(source: Path, annotations: Path | None = None) -> ImageDataset:
    """Find out what ``source`` is, and list its images; ``annotations`` overrides the search for a file of labels.

    Raises :class:`DatasetError` where the folder is missing, empty or in no known form, where the annotation file is
    malformed, and where it names an image twice or one that does not exist.
    """
    if not source.is_dir():
        what = "not a folder" if source.exists() else "no such folder"
        raise DatasetError(f"{source}: {what}: {_FORMS}", hint="give the folder of the images to -s/--source")
    if annotations is None:
        annotations = _find_annotations(source)
    elif not annotations.is_file():
        raise DatasetError(f"{annotations}: no such annotation file", hint="give a file of 'name label' lines")
    if annotations is not None:
        images = _read_annotations(source, annotations)
        return _dataset(source, "annotations", annotations, None, images)
    names, images = _read_class_folders(source)
    return _dataset(source, "class_folders", None, names, images)


def _dataset(
    source: Path,
    form: DatasetForm,
    annotations: Path | None,
    names: tuple[str, ...] | None,
    images: tuple[LabelledImage, ...],
) -> ImageDataset:
    return ImageDataset(source, form, annotations, names, images, len(images), fingerprint=fingerprint_of(images))


def fingerprint_of(images: Sequence[LabelledImage]) -> str:
    """SHA-256 of the names and labels of ``images``, in order, in lower-case hex."""
    digest = hashlib.sha256()
    for image in images:
        labels = image.accepted if image.accepted is not None else (image.label,)
        digest.update(f"{image.name}\0{','.join(map(str, labels))}\n".encode())
    return digest.hexdigest()


def bundled_source(model_directory: Path) -> Path | None:
    """The data set that a model brings along in its own folder, or None."""
    folder = model_directory / BUNDLED_FOLDER
    return folder if (folder / ANNOTATION_FILE).is_file() else None


def _subset_key(image: LabelledImage) -> tuple[bytes, str]:
    # The bare file name: ImageNet's subset is the same whether or not its images are sorted into class folders.
    bare = image.name.rpartition("/")[2]
    return hashlib.sha256(f"{SUBSET_SALT}:{bare}".encode()).digest(), image.name


def _find_annotations(source: Path) -> Path | None:
    inside = source / ANNOTATION_FILE
    if inside.is_file():
        return inside
    beside = source.resolve().parent / ANNOTATION_FILE
    if beside.is_file():
        # A val.txt beside class folders may belong to something else: believe it if it speaks of these images.
        first = next(_annotation_lines(beside), None)
        if first is not None and (source / first[1]).is_file():
            return beside
    return None


def _annotation_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line number, name, label) of each line that is not empty. The label is what follows the last blank."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path}: cannot read the annotations: {reason}") from error
    for number, line in enumerate(lines, 1):
        parts = line.rsplit(maxsplit=1)
        if parts:
            # Paths are compared as text: ./a.jpg and a//b.jpg in one spelling.
            yield number, PurePosixPath(parts[0].strip()).as_posix(), parts[1] if len(parts) == 2 else ""


def _read_annotations(source: Path, annotations: Path) -> tuple[LabelledImage, ...]:
    problems: list[str] = []
    images: list[LabelledImage] = []
    seen: dict[str, int] = {}
    listing = _Listing(source)
    for number, name, label in _annotation_lines(annotations):
        where = f"{annotations}: line {number}"
        if not (label.isascii() and label.isdigit()):
            problems.append(
                f"{where}: expected 'relative/name.jpg label' with a label of 0 or more, got '{name} {label}'"
            )
        elif name.startswith("/") or ".." in name.split("/"):
            problems.append(f"{where}: expected a path inside {source}, got {name!r}")
        elif name in seen:
            problems.append(f"{where}: {name!r} stands in line {seen[name]} already")
        elif not listing.has(name):
            problems.append(f"{where}: {name!r}: no such image in {source}")
        else:
            images.append(LabelledImage(name, source / name, int(label)))
        seen.setdefault(name, number)
    if problems:
        more = f"\nand {len(problems) - 5} more problems like these" if len(problems) > 5 else ""
        raise DatasetError(
            "\n".join(problems[:5]) + more,
            hint="give the folder that the names start from to -s/--source, and the file to --annotations",
        )
    if not images:
        raise DatasetError(f"{annotations}: names no images; expected 'relative/name.jpg label' lines")
    return tuple(images)


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


def _read_class_folders(source: Path) -> tuple[tuple[str, ...], tuple[LabelledImage, ...]]:
    with os.scandir(source) as entries:
        found = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    folders = sorted(name for name, is_folder in found if is_folder)
    loose = sorted(name for name, is_folder in found if not is_folder and _is_image(name))
    if loose:
        raise DatasetError(
            f"{source}: images ({loose[0]!r}{f' and {len(loose) - 1} more' if len(loose) > 1 else ''}), but no labels",
            hint=f"put {ANNOTATION_FILE} beside them, or name the file: --annotations FILE",
        )
    names = _in_label_order(source, folders)
    images = [
        LabelledImage(path.relative_to(source).as_posix(), path, label)
        for label, name in enumerate(names)
        for path in _images_below(source / name)
    ]
    if not images:
        raise DatasetError(f"{source}: no images here: {_FORMS}", hint="give the folder of the images to -s/--source")
    return names, tuple(images)


def _in_label_order(source: Path, folders: Sequence[str]) -> tuple[str, ...]:
    """Sorted by name; folders that are all named by numbers are taken at their word (0, 1, ..., 9, 10)."""
    if not folders or not all(name.isascii() and name.isdigit() for name in folders):
        return tuple(folders)
    numbered = sorted(folders, key=int)
    if [int(name) for name in numbered] != list(range(len(numbered))):
        raise DatasetError(
            f"{source}: class folders named by numbers must be 0 to {len(numbered) - 1} for {len(numbered)} classes, "
            f"got {numbered[0]} to {numbered[-1]}",
            hint="name the labels instead: --annotations FILE with 'relative/name.jpg label' lines, labels from 0",
        )
    return tuple(numbered)


def _images_below(folder: Path) -> Iterator[Path]:
    for place, subfolders, files in os.walk(folder):
        subfolders.sort()
        yield from (Path(place, name) for name in sorted(files) if _is_image(name))


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
