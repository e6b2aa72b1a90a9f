"""Leave images out of a data set, and replace its labels by ReaL's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mixnet_tools.accuracy.datasets.dataset import ImageDataset, fingerprint_of
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.imagenet_devkit import validation_number
from mixnet_tools.errors import DatasetError
from mixnet_tools.files import bounded, strict_json

_MAX_BYTES = 64 << 20
"""The largest file that is read. ReaL's labels of ImageNet have 0.5 MB."""


def exclude(dataset: ImageDataset, path: Path) -> ImageDataset:
    """``dataset`` without the images that the file ``path`` names.

    A line is the name of an image, with or without folders, or the number of one of ImageNet's validation images (the
    devkit lists 1,762 that are not to be counted). ``#`` begins a comment.

    Raises :class:`DatasetError` where the file cannot be read, or a line names no image of ``dataset``.
    """
    try:
        lines = bounded.read_given(path, _MAX_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    wanted = {text: number for number, line in enumerate(lines, 1) if (text := line.partition("#")[0].strip())}
    kept, used = [], set()
    for image in dataset.images:
        number = validation_number(image.name)
        keys = {image.name, image.bare_name, *([str(number)] if number is not None else [])} & wanted.keys()
        used |= keys
        if not keys:
            kept.append(image)
    unknown = sorted(wanted.keys() - used, key=lambda text: wanted[text])
    if unknown:
        raise DatasetError(
            f"{path}: line {wanted[unknown[0]]}: {unknown[0]!r} is no image of {dataset.source}"
            + (f" (nor are {len(unknown) - 1} further lines)" if len(unknown) > 1 else ""),
            hint="a line is a name, or the number of an image called ..._val_00000001.JPEG",
        )
    return _with_images(dataset, kept)


def with_real_labels(dataset: ImageDataset, path: Path) -> ImageDataset:
    """``dataset`` with the ReaL labels in the file ``path`` (Beyer et al., arXiv 2006.07159: real.json).

    The file lists the right classes of each of ImageNet's validation images, by number. Images without a right class
    are left out, as its authors do. Raises :class:`DatasetError` where the file is no such list, or lacks an image.
    """
    try:
        listed = strict_json.loads(bounded.read_given(path, _MAX_BYTES))
        labels = [tuple(_class(label) for label in one) for one in listed]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{path}: expected ReaL's JSON list of lists of classes: {error}") from error
    kept: list[LabelledImage] = []
    for image in dataset.images:
        number = validation_number(image.name)
        if number is None or not 1 <= number <= len(labels):
            raise DatasetError(
                f"{path}: has no entry for {image.name}: expected names such as ILSVRC2012_val_00000001.JPEG, "
                f"with numbers up to {len(labels)}"
            )
        accepted = labels[number - 1]
        if accepted:
            kept.append(replace(image, accepted=accepted))
    return replace(_with_images(dataset, kept), labels="ReaL")


def _class(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no class")
    return value


def _with_images(dataset: ImageDataset, kept: list[LabelledImage]) -> ImageDataset:
    left_out = len(dataset.images) - len(kept)
    return replace(
        dataset,
        images=tuple(kept),
        total=len(kept),
        excluded=dataset.excluded + left_out,
        fingerprint=fingerprint_of(kept),
    )
