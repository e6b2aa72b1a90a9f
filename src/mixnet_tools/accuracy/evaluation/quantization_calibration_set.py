"""Makes the quantization calibration set: a seeded choice of images, preprocessed as for a measurement.

Labels are not needed: a folder of images is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from mixnet_tools.accuracy.datasets.dataset import ImageDataset, open_dataset, recognize
from mixnet_tools.accuracy.datasets.filters import exclude
from mixnet_tools.accuracy.datasets.forms.base import Wanted
from mixnet_tools.accuracy.datasets.forms.folder_part import Part, part_of
from mixnet_tools.accuracy.datasets.forms.image_folder import find_labels, has_listed_labels, ids_in, only_images
from mixnet_tools.accuracy.datasets.forms.packed_files import PackedFiles
from mixnet_tools.accuracy.datasets.image import LabelledImage, looks_like_image
from mixnet_tools.accuracy.evaluation.batch_loader import batches
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
from mixnet_tools.accuracy.preprocessing.pipeline import ordered
from mixnet_tools.accuracy.preprocessing.plan import make_plan
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from mixnet_tools.ir.image_input import ImageInput
from mixnet_tools.progress import Progress
from mixnet_tools.threads import processors
from mixnet_tools.values import CalibrationSet

SALT = "mixnet_tools calibration 1"


@dataclass(frozen=True)
class CalibrationImages:
    """The ``images`` of a source. ``dataset`` is the data set that they are, None where they have no labels.

    ``remarks`` say for people which files were taken.
    """

    images: tuple[LabelledImage, ...]
    dataset: ImageDataset | None
    remarks: tuple[str, ...] = ()


def calibration_images(source: Location, wanted: Wanted | None = None, classes: int | None = None) -> CalibrationImages:
    """The images of ``source``: a labelled data set in any form, or a folder of images without labels.

    A folder without a file of labels has none, unless its images lie in subfolders that are called as classes of the
    model, or in as many as the model has ``classes`` (or one less: background), or in any number where ``classes`` is
    None. Labels that are broken are labels. Of several splits, one is taken as for a measurement.

    Raises :class:`DatasetError` where there are no images, and what opening a data set raises.
    """
    wanted = wanted or Wanted()
    found = recognize(source, wanted)
    if isinstance(found, PackedFiles) or wanted.annotations is not None or has_listed_labels(found, wanted):
        return _labelled(source, wanted)
    part = part_of(found, wanted)
    if _has_labels(part, wanted, classes):
        return _labelled(source, wanted)
    excluded = wanted.exclusions.names if wanted.exclusions else lambda name: False
    names = sorted((name for name in part.images() if not excluded(name)), key=PurePosixPath)
    if not names:
        raise DatasetError(f"{source}: no images here", hint="give images of the model's kind as `source`")
    account = part.account(names, None, wanted)
    folder = part.folder.location
    images = tuple(LabelledImage(name, folder / name, 0) for name in names)
    return CalibrationImages(images, None, (*part.remarks, account.text()))


def _labelled(source: Location, wanted: Wanted) -> CalibrationImages:
    dataset = open_dataset(source, wanted)
    if wanted.exclusions:
        dataset = exclude(dataset, wanted.exclusions, all_met=False)
    return CalibrationImages(dataset.images, dataset, (*dataset.remarks, *(one.text() for one in dataset.accounts)))


def _has_labels(part: Part, wanted: Wanted, classes: int | None) -> bool:
    if find_labels(part, wanted) is not None:
        return True
    tree = part.folder.tree
    loose = [name for name in tree.folders[""] if looks_like_image(name)]
    if loose:
        return wanted.classes is not None and bool(ids_in(loose))
    if only_images(tree, wanted):
        return False
    folders = tree.subfolders()
    return any(map(wanted.is_class, folders)) or classes is None or len(folders) in (classes, classes - 1)


def choose(images: Sequence[LabelledImage], count: int, seed: int, where: str) -> tuple[LabelledImage, ...]:
    """Choose ``count`` of ``images``, in their order. Only ``seed`` and the names without folders decide which ones.

    Raises :class:`DatasetError` where there are fewer; ``where`` names them in its message.
    """
    if len(images) < count:
        raise DatasetError(
            f"{where}: too few images to calibrate with: {count} are asked for, and here are {len(images)}",
            hint=f"give more images, or take all of these: `subset_size={max(1, len(images))}`",
        )

    def key(index: int) -> tuple[bytes, str]:
        return hashlib.sha256(f"{SALT}:{seed}:{images[index].bare_name}".encode()).digest(), images[index].name

    return tuple(images[index] for index in sorted(sorted(range(len(images)), key=key)[:count]))


def calibration_set(
    config: AccuracyConfig,
    images: Sequence[LabelledImage],
    dataset: tuple[Location, int],
    image: ImageInput,
    profile: str,
    progress: Progress | None = None,
) -> CalibrationSet:
    """Prepare ``images`` for an IR with the input ``image``.

    ``dataset`` is the place they come from, and how many images that has. Raises :class:`DatasetError` where an image
    cannot be decoded, :class:`EvaluationError` where the result of the preprocessing does not fit the input.
    """
    plan = make_plan(config.measurement("openvino", profile), image.channels)
    info = RunnerInfo("openvino", None, "CPU", image.height, image.width, 0, ())
    arrays = []
    with (
        (progress or Progress()).counting("calibration images", len(images), "image") as counter,
        closing(batches(images, {plan.operations: info}, processors(), Clock())) as loaded,
    ):
        for batch in loaded:
            problem = next((one.prepared.problem for one in batch.images if one.prepared.problem is not None), None)
            if problem is not None:
                raise problem
            arrays.append(ordered(batch.arrays[plan.operations], plan.order))
            counter.advance(len(batch.images))
    pixels = np.concatenate(arrays)
    source, total = dataset
    return CalibrationSet(
        images=pixels,
        names=tuple(image.name for image in images),
        source=str(source),
        total=total,
        profile=profile,
        preprocessing=plan.description,
        fingerprint=hashlib.sha256(pixels.tobytes()).hexdigest(),
    )


def among(dataset: ImageDataset, images: Sequence[LabelledImage]) -> frozenset[str]:
    """The names of the images of ``dataset`` that are among ``images``: the same file, or the same part of one."""
    known = {(image.location.resolve(), image.part) for image in images}
    return frozenset(image.name for image in dataset.images if (image.location.resolve(), image.part) in known)
