"""Gives images the labels of the model's classes, where the data set names its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mixnet_tools.accuracy.datasets.forms.base import FoundImages
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.labels.class_names import ModelClasses, fits_in_place, match, unknown_names
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location


@dataclass(frozen=True)
class ModelLabels:
    """``images`` with the model's labels. ``class_names`` are folders whose order gives the labels, else None."""

    images: tuple[LabelledImage, ...]
    class_names: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()


def labels_of_model(found: FoundImages, model: ModelClasses | None, source: Location) -> ModelLabels:
    """The images of ``found`` with labels by the names of their classes, where names are known on both sides.

    Names of folders that the model does not know give labels by their order, as long as there are as many as the model
    has classes, and it knows none of them. Raises :class:`DatasetError` where the model does not know some classes.
    """
    names = found.class_names
    if names is None:
        return ModelLabels(found.images)
    where = names.file or found.annotations or source
    if model is None:
        if names.kind == "labels":
            raise DatasetError(
                f"{where}: labels are names ({names.names[0]!r}), and the names of the model's classes are not known",
                hint="give the labels as numbers from 0: `annotations`",
            )
        return ModelLabels(found.images, names.names if names.kind == "folders" else None)
    present = sorted({image.label for image in found.images})
    beyond = next((label for label in present if label >= len(names.names)), None)
    if beyond is not None:
        raise DatasetError(f"{where}: names {len(names.names)} classes, but an image has the label {beyond}")
    if names.kind == "list" and fits_in_place(names.names, model):
        return ModelLabels(found.images)
    used = [names.names[label] for label in present]
    labels = match(used, model, where)
    if labels is None:
        return _by_order(found, model, used, where)
    of_own = dict(zip(present, labels, strict=True))
    images = tuple(replace(image, label=of_own[image.label]) for image in found.images)
    shown = f"{len(used)} classes ({used[0]}, ...)" if len(used) > 1 else f"one class ({used[0]})"
    return ModelLabels(images, None, (f"labels were found by the names of {shown}",))


def _by_order(found: FoundImages, model: ModelClasses, used: Sequence[str], where: object) -> ModelLabels:
    names = found.class_names
    assert names is not None
    if names.kind == "labels" or len(names.names) != len(model):
        raise unknown_names(used, len(used), model, where)
    kind = "class folders" if names.kind == "folders" else "classes"
    numbers = all(name.isdigit() for name in names.names)
    remark = f"the names of the {kind} ({names.names[0]}, ...) are none of the model's: their order gives the labels"
    return ModelLabels(found.images, names.names if names.kind == "folders" else None, () if numbers else (remark,))
