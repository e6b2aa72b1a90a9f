"""Labelled images on disk: which files, which labels. Nothing is decoded or copied here.

Folders are read here: images with an annotation file (``relative/name.jpg label`` lines, OMZ's and Caffe's form), and
class folders. Files that hold many images are :mod:`.tars`', :mod:`.tfrecord`'s and :mod:`.parquet`'s subject. Labels
count from 0. What a label means to a model is the evaluation's subject.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mixnet_tools.accuracy.datasets.image import LabelledImage, with_unique_names
from mixnet_tools.accuracy.datasets.image_folder import (
    ANNOTATION_FILE,
    FORMS,
    find_annotations,
    images_below,
    listed_labels,
    read_annotations,
    read_class_folders,
    sorted_into_classes,
)
from mixnet_tools.accuracy.datasets.imagenet_devkit import devkit_labels, find_devkit, is_devkit, validation_number
from mixnet_tools.accuracy.datasets.packed_files import Shards, choose_shards, find_shards, is_shard
from mixnet_tools.accuracy.datasets.parquet import parquet_images
from mixnet_tools.accuracy.datasets.remote import (
    has_file,
    names_below,
)
from mixnet_tools.accuracy.datasets.tar import Member, imagenet_tar, is_image, is_webdataset, members, webdataset
from mixnet_tools.accuracy.datasets.tfrecord import tfrecords
from mixnet_tools.accuracy.predictions.values import DatasetForm, Shard
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

BUNDLED_FOLDER = "validation"
"""Folder beside a model's model.yml with images and :data:`ANNOTATION_FILE`, where a model brings its own."""

SUBSET_SALT = "mixnet_tools subset 1"


@dataclass(frozen=True)
class ImageDataset:
    """Images in the order in which they are evaluated.

    ``form`` says how labels were found, ``annotations`` the file they came from (``annotations`` form only),
    ``class_names`` the folders by label (``class_folders`` form only). ``total`` counts the images before a subset
    was taken; ``images`` are those to evaluate. ``excluded`` images were left out of both on request, ``labels`` says
    whose labels these are, and ``fingerprint`` is the SHA-256 of all names and labels, in order.
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
    """The images of which ``images`` are a shard; None where they are no shard."""

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
        return replace(self, images=self.images[first:last], shard=shard, whole=self.images)


def open_dataset(source: Location, annotations: Location | None = None, first_label: int | None = None) -> ImageDataset:
    """Find out what ``source`` is, and list its images; ``annotations`` overrides the search for a file of labels.

    ``first_label`` is the number by which the data set calls its first class (default: 1 for the feature
    ``image/class/label`` of TFRecords, else 0).

    Raises :class:`DatasetError` where the source is missing, empty or in no known form, where the annotation file is
    malformed, and where it names an image twice or one that does not exist; :class:`MissingDependency` where a form
    needs a package that is not installed.
    """
    if not source.is_remote and not source.path.exists():
        raise DatasetError(f"{source}: no such file or folder: {FORMS}", hint="give the images to -s/--source")
    if annotations is not None and not annotations.is_remote and not annotations.path.is_file():
        raise DatasetError(f"{annotations}: no such annotation file", hint="give a file of 'name label' lines")
    if source.is_remote:
        return _open_remote(source, annotations, first_label)
    # A folder whose labels are listed is one of images, whatever else lies in it.
    listed = source.path.is_dir() and (
        (source / ANNOTATION_FILE).path.is_file() or bool(annotations and not is_devkit(annotations))
    )
    shards = None if listed else find_shards(source)
    if shards is not None:
        return _shards(source, shards, annotations, first_label)
    if not source.path.is_dir():
        raise DatasetError(f"{source}: not a folder, and no known file: {FORMS}")
    if annotations is None:
        annotations = find_annotations(source)
    if annotations is not None and is_devkit(annotations):
        label_of = _labels_by_number(annotations)
        found = sorted(path.relative_to(source.path).as_posix() for path in images_below(source.path))
        images = tuple(LabelledImage(name, source / name, label_of(name)) for name in found)
        return _dataset(source, "annotations", annotations, None, images)
    if annotations is not None:
        images = read_annotations(source, annotations, first_label or 0)
        return _dataset(source, "annotations", annotations, None, images)
    if first_label:
        raise DatasetError(f"{source}: class folders have no numbers that could count from {first_label}")
    names, images = read_class_folders(source)
    return _dataset(source, "class_folders", None, names, images)


def _open_remote(source: Location, annotations: Location | None, first_label: int | None) -> ImageDataset:
    """:func:`open_dataset` for what is behind a URL. Servers need not have lists of their files, so what can be known
    without one is: what a name says, and what an annotation file says of its folder.
    """
    if is_shard(source.name):
        shards = choose_shards(source, [source])
        assert shards is not None, source
        return _shards(source, shards, annotations, first_label)
    if source.has_query:
        raise DatasetError(
            f"{source}: a URL with a query (?...) must be that of a tar or Parquet file: a query is for "
            "one file, and a folder has many",
            hint="give the folder without a query, or the URL of a shard",
        )
    listed = annotations is not None and not is_devkit(annotations)
    if annotations is None and has_file(source / ANNOTATION_FILE):
        annotations, listed = source / ANNOTATION_FILE, True
    if listed and annotations is not None:
        # An image that is not there is found when it is its turn, as one that cannot be read.
        labels = listed_labels(source, annotations, first_label or 0, lambda name: True)
        images = tuple(LabelledImage(name, source / name, label) for name, label in labels.items())
        return _dataset(source, "annotations", annotations, None, images)
    names = names_below(source)
    shards = choose_shards(source, [source / name for name in names if "/" not in name])
    if shards is not None:
        return _shards(source, shards, annotations, first_label)
    if annotations is not None:
        label_of = _labels_by_number(annotations)
        images = tuple(LabelledImage(name, source / name, label_of(name)) for name in filter(is_image, names))
        return _dataset(source, "annotations", annotations, None, images)
    if first_label:
        raise DatasetError(f"{source}: class folders have no numbers that could count from {first_label}")
    folders, images = sorted_into_classes(source, names)
    return _dataset(source, "class_folders", None, folders, images)


def _shards(source: Location, shards: Shards, annotations: Location | None, first_label: int | None) -> ImageDataset:
    if shards.form == "tfrecord":
        images = tfrecords(shards.paths, first_label)
    elif shards.form == "parquet":
        images = parquet_images(shards.paths, first_label or 0)
    else:
        found = {path: members(path) for path in shards.paths}
        if any(is_webdataset(one) for one in found.values()):
            images = webdataset(found, first_label or 0)
            shards = Shards("webdataset", shards.paths)
        else:
            if annotations is None and not shards.paths[0].is_remote:
                annotations = _labels_beside(shards.paths[0].path)
            if annotations is None or len(shards.paths) != 1:
                raise DatasetError(
                    f"{source}: images without labels: neither .cls members in the tar, nor ImageNet's "
                    f"devkit or {ANNOTATION_FILE} beside it",
                    hint="--annotations ILSVRC2012_devkit_t12.tar.gz, or a file of 'name label' lines",
                )
            tar = shards.paths[0]
            label_of = _label_function(tar, found[tar], annotations, first_label or 0)
            images = imagenet_tar(tar, found[tar], label_of)
            return _dataset(source, "imagenet_tar", annotations, None, images)
    if annotations is not None:
        raise DatasetError(f"{annotations}: {source} has labels of its own: --annotations has no place here")
    return _dataset(source, shards.form, None, None, images)


def _labels_beside(tar: Path) -> Location | None:
    listed = tar.resolve().with_name(ANNOTATION_FILE)
    file = find_devkit(tar) or (listed if listed.is_file() else None)
    return None if file is None else Location(file)


def _labels_by_number(devkit: Location) -> Callable[[str], int]:
    labels = devkit_labels(devkit)

    def label_of(name: str) -> int:
        number = validation_number(name)
        if number is None or not 1 <= number <= len(labels):
            raise DatasetError(
                f"{devkit}: knows nothing of {name}: expected names such as ILSVRC2012_val_00000001.JPEG"
            )
        return labels[number - 1]

    return label_of


def _label_function(
    tar: Location, found: Sequence[Member], annotations: Location, first_label: int
) -> Callable[[str], int]:
    if is_devkit(annotations):
        return _labels_by_number(annotations)
    names = frozenset(member.name for member in found)
    labels = listed_labels(tar, annotations, first_label, names.__contains__)

    def label_of(name: str) -> int:
        if name not in labels:
            raise DatasetError(f"{annotations}: has no line for {name}, which is in {tar}")
        return labels[name]

    return label_of


def _dataset(
    source: Location,
    form: DatasetForm,
    annotations: Location | None,
    names: tuple[str, ...] | None,
    images: tuple[LabelledImage, ...],
) -> ImageDataset:
    images = with_unique_names(images)
    return ImageDataset(source, form, annotations, names, images, len(images), fingerprint=fingerprint_of(images))


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
