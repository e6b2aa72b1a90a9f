"""Checks before the first image is decoded that models, preprocessing and labels fit each other."""

from __future__ import annotations

from collections.abc import Sequence

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.preprocessing.plan import Operations
from mixnet_tools.errors import DatasetError, EvaluationError, UsageError


def check(models: Sequence[ModelUnderTest], dataset: ImageDataset) -> None:
    """Check that ``models`` are forms of one model, and that the labels of ``dataset`` are its classes.

    Raises :class:`UsageError` where there is no model, :class:`DatasetError` where there are no images or their labels
    do not fit the model, :class:`EvaluationError` where the models do not fit each other.
    """
    check_forms(models)
    if not dataset.images and dataset.shard:
        count = len(dataset.whole or ())
        raise DatasetError(
            f"{dataset.source}: shard {dataset.shard.number}/{dataset.shard.count} of {count} images is empty",
            hint=f"`shard` I/{count} at most, or more images: `num_images`",
        )
    if not dataset.images:
        raise DatasetError(f"{dataset.source}: no images to evaluate")
    first = models[0]
    for model in models[1:]:
        if model.measurement.dataset_name != first.measurement.dataset_name:
            raise EvaluationError(
                f"{model.measurement.where}.name: {model.info.label} is measured on "
                f"{model.measurement.dataset_name!r}, "
                f"but {first.info.label} on {first.measurement.dataset_name!r}: measure them one by one"
            )
    classes, offset = first.info.classes, first.measurement.label_offset
    usable = classes - offset
    if dataset.class_names is not None and len(dataset.class_names) != usable:
        raise DatasetError(
            f"{dataset.source}: {len(dataset.class_names)} class folders, but the model knows {usable} classes: "
            "labels follow from the sorted folder names only if every class has its folder",
            hint="name the labels in a file of 'relative/name.jpg label' lines instead: `annotations`",
        )
    wrong = next((image for image in dataset.images if max(image.accepted or (image.label,)) >= usable), None)
    if wrong is not None:
        where = dataset.annotations or dataset.source
        label = max(wrong.accepted or (wrong.label,))
        raise DatasetError(
            f"{where}: {wrong.name!r} has label {label}, but the model knows the labels 0 to {usable - 1}",
            hint="labels count from 0 (is this a file whose labels count from 1, or another data set's?)",
        )


def check_forms(models: Sequence[ModelUnderTest]) -> None:
    """Check that ``models`` are forms of one model.

    Raises :class:`UsageError` where there is none, :class:`EvaluationError` where their answers differ in length.
    """
    if not models:
        raise UsageError("no model to run")
    first = models[0]
    for model in models[1:]:
        if model.info.classes != first.info.classes:
            raise EvaluationError(
                f"{first.info.label} answers with {first.info.classes} classes, "
                f"{model.info.label} with {model.info.classes}: these are not the same model"
            )


def input_sizes(models: Sequence[ModelUnderTest]) -> dict[Operations, RunnerInfo]:
    """Find each distinct preprocessing, and a model that takes its result.

    Raises :class:`EvaluationError` where two models take different sizes of the same result.
    """
    sizes: dict[Operations, RunnerInfo] = {}
    for model in models:
        other = sizes.setdefault(model.plan.operations, model.info)
        if (other.height, other.width) != (model.info.height, model.info.width):
            raise EvaluationError(
                f"{other.label} takes {other.width}x{other.height} pixels, {model.info.label} "
                f"{model.info.width}x{model.info.height}, but accuracy-check.yml prepares images alike for both"
            )
    return sizes
