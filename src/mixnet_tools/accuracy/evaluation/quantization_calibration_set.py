"""Makes the quantization calibration set: a seeded choice of images, preprocessed as for a measurement.

Labels are not needed: a folder of images is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing

import numpy as np

from mixnet_tools.accuracy.datasets.dataset import ImageDataset, open_dataset
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_folder import ANNOTATION_FILE, find_annotations, images_below
from mixnet_tools.accuracy.datasets.packed_files import find_shards, is_shard
from mixnet_tools.accuracy.datasets.remote import has_file, names_below
from mixnet_tools.accuracy.datasets.tar import is_image
from mixnet_tools.accuracy.evaluation.batch_loader import batches, processors
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
from mixnet_tools.accuracy.preprocessing.pipeline import make_plan, ordered
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location
from mixnet_tools.progress import Progress
from mixnet_tools.values import CalibrationSet

SALT = "mixnet_tools calibration 1"


def has_labels(source: Location, annotations: Location | None = None, classes: int | None = None) -> bool:
    """Whether the images of ``source`` have labels. A folder of loose images without a file of labels has none.

    The folders in ``source`` are classes where there are as many as the model has ``classes`` (or one less, for a
    background class), or where that number is not known. Broken labels are labels as well:
    :func:`mixnet_tools.accuracy.datasets.dataset.open_dataset` says what is wrong with them.
    """
    if annotations is not None:
        return True
    if source.is_remote:
        if is_shard(source.name) or has_file(source / ANNOTATION_FILE):
            return True
        names = names_below(source)
        if any(is_shard(name) for name in names if "/" not in name):
            return True
        loose = any(is_image(name) for name in names if "/" not in name)
        folders = len({name.partition("/")[0] for name in names if "/" in name and not name.startswith(".")})
    else:
        if not source.path.is_dir() or find_shards(source) is not None or find_annotations(source) is not None:
            return True
        entries = list(source.path.iterdir())
        loose = any(is_image(path.name) for path in entries if path.is_file())
        folders = sum(path.is_dir() and not path.name.startswith(".") for path in entries)
    return not loose and (classes is None or folders in (classes, classes - 1))


def calibration_images(
    source: Location, annotations: Location | None = None, classes: int | None = None
) -> tuple[LabelledImage, ...]:
    """List the images of ``source``: a data set with labels in any form that mixnet-check takes, or a folder of images
    without labels, with the folders below it (see :func:`has_labels`).

    Raises :class:`DatasetError` where there are none.
    """
    if not source.is_remote and not source.path.exists():
        raise DatasetError(f"{source}: no such file or folder", hint="give images of the model's kind: `source`")
    if has_labels(source, annotations, classes):
        return open_dataset(source, annotations).images
    if source.is_remote:
        images = tuple(LabelledImage(name, source / name, 0) for name in names_below(source) if is_image(name))
    else:
        images = tuple(
            LabelledImage(path.relative_to(source.path).as_posix(), Location(path), 0)
            for path in sorted(images_below(source.path))
        )
    if not images:
        raise DatasetError(f"{source}: no images here", hint="give images of the model's kind: `source`")
    return images


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
    size: tuple[int, int],
    profile: str,
    progress: Progress | None = None,
) -> CalibrationSet:
    """Prepare ``images`` for an IR with an input of ``size``, (height, width) in pixels.

    ``dataset`` is the place they come from, and how many images that has. Raises :class:`DatasetError` where an image
    cannot be decoded, :class:`EvaluationError` where the result of the preprocessing has another size.
    """
    plan = make_plan(config.measurement("openvino", profile))
    info = RunnerInfo("openvino", None, "CPU", *size, 0, ())
    arrays = []
    with (
        (progress or Progress()).counting("calibration images", len(images), "image") as counter,
        closing(batches(images, {plan.operations: info}, processors(), Clock())) as loaded,
    ):
        for batch in loaded:
            problem = next((one.problem for one in batch.images if one.problem is not None), None)
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
