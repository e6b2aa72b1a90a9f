"""Leave images out of a data set, and replace its labels by ReaL's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mixnet_tools.accuracy.datasets.account import EXCLUDED, leave_images_out
from mixnet_tools.accuracy.datasets.dataset import ImageDataset, fingerprint_of
from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.image import LabelledImage, validation_number
from mixnet_tools.errors import DatasetError
from mixnet_tools.files import bounded, strict_json

NO_REAL_LABEL = "no ReaL label"
_MAX_BYTES = 64 << 20
"""The largest file that is read. ReaL's labels of ImageNet have 0.5 MB."""


def exclude(dataset: ImageDataset, exclusions: Exclusions, *, all_met: bool = True) -> ImageDataset:
    """``dataset`` without the images that ``exclusions`` name.

    Raises :class:`DatasetError` where a line names no image of ``dataset``, unless ``all_met`` is False.
    """
    kept = [image for image in dataset.images if not exclusions.names(image.name)]
    if all_met:
        exclusions.require_all_met(dataset.source)
    return _with_images(dataset, kept, EXCLUDED)


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
    return replace(_with_images(dataset, kept, NO_REAL_LABEL), labels="ReaL")


def _class(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no class")
    return value


def _with_images(dataset: ImageDataset, kept: list[LabelledImage], reason: str) -> ImageDataset:
    names = {image.name for image in kept}
    left_out = [image.name for image in dataset.images if image.name not in names]
    return replace(
        dataset,
        images=tuple(kept),
        total=len(kept),
        excluded=dataset.excluded + len(left_out),
        fingerprint=fingerprint_of(kept),
        accounts=leave_images_out(dataset.accounts, reason, left_out),
    )
