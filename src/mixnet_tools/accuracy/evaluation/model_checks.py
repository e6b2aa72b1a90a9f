"""The models of an evaluation with their preprocessing, checked against each other and against the images' labels.

Everything that can be wrong before the first image is decoded is found here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from platform import python_version

import numpy as np

from mixnet_tools import __version__
from mixnet_tools.accuracy.datasets.dataset import ImageDataset, fingerprint_of
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.predictions.values import DatasetSummary, ModelSetup, Setup, Versions
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig, Measurement
from mixnet_tools.accuracy.preprocessing.pipeline import Operations, Plan, make_plan
from mixnet_tools.errors import DatasetError, EvaluationError, UsageError


@dataclass(frozen=True)
class ModelUnderTest:
    """One model's way through the evaluation."""

    info: RunnerInfo
    measurement: Measurement
    plan: Plan


def model_under_test(info: RunnerInfo, config: AccuracyConfig, profile: str) -> ModelUnderTest:
    """The model ``info`` with the preprocessing that ``config`` and ``profile`` give it; errors of both."""
    measurement = config.measurement(info.launcher, profile)
    return ModelUnderTest(info, measurement, make_plan(measurement))


def named_apart(infos: Sequence[RunnerInfo]) -> tuple[RunnerInfo, ...]:
    """``infos``, where labels say the device if converted models run on several devices."""
    devices = {info.device for info in infos if info.precision}
    return tuple(replace(info, among_devices=len(devices) > 1 and bool(info.precision)) for info in infos)


def check(models: Sequence[ModelUnderTest], dataset: ImageDataset) -> None:
    """That the models are one model, and the labels its classes.

    Raises :class:`UsageError` where there is no model, :class:`DatasetError` for labels or images that do not fit,
    :class:`EvaluationError` for models that do not fit each other.
    """
    if not models:
        raise UsageError("no model to evaluate")
    if not dataset.images and dataset.shard:
        count = len(dataset.whole or ())
        raise DatasetError(
            f"{dataset.source}: shard {dataset.shard.number}/{dataset.shard.count} of {count} images is empty",
            hint=f"--shard I/{count} at most, or more images: --num_images",
        )
    if not dataset.images:
        raise DatasetError(f"{dataset.source}: no images to evaluate")
    first = models[0]
    for tested in models[1:]:
        if tested.info.classes != first.info.classes:
            raise EvaluationError(
                f"{first.info.label} answers with {first.info.classes} classes, "
                f"{tested.info.label} with {tested.info.classes}: these are not the same model"
            )
        if tested.measurement.dataset_name != first.measurement.dataset_name:
            raise EvaluationError(
                f"{tested.measurement.where}.name: {tested.info.label} is measured on "
                f"{tested.measurement.dataset_name!r}, "
                f"but {first.info.label} on {first.measurement.dataset_name!r}: measure them one by one"
            )
    classes, offset = first.info.classes, first.measurement.label_offset
    usable = classes - offset
    if dataset.class_names is not None and len(dataset.class_names) != usable:
        raise DatasetError(
            f"{dataset.source}: {len(dataset.class_names)} class folders, but the model knows {usable} classes: "
            "labels follow from the sorted folder names only if every class has its folder",
            hint="name the labels instead: --annotations FILE with 'relative/name.jpg label' lines",
        )
    wrong = next((image for image in dataset.images if max(image.accepted or (image.label,)) >= usable), None)
    if wrong is not None:
        where = dataset.annotations or dataset.source
        label = max(wrong.accepted or (wrong.label,))
        raise DatasetError(
            f"{where}: {wrong.name!r} has label {label}, but the model knows the labels 0 to {usable - 1}",
            hint="labels count from 0 (is this a file whose labels count from 1, or another data set's?)",
        )


def input_sizes(models: Sequence[ModelUnderTest]) -> dict[Operations, RunnerInfo]:
    """Each distinct preprocessing, with a model that takes its result. :class:`EvaluationError` where two disagree."""
    sizes: dict[Operations, RunnerInfo] = {}
    for tested in models:
        other = sizes.setdefault(tested.plan.operations, tested.info)
        if (other.height, other.width) != (tested.info.height, tested.info.width):
            raise EvaluationError(
                f"{other.label} takes {other.width}x{other.height} pixels, {tested.info.label} "
                f"{tested.info.width}x{tested.info.height}, but accuracy-check.yml prepares images alike for both"
            )
    return sizes


def make_setup(
    model: str, profile: str, models: Sequence[ModelUnderTest], dataset: ImageDataset, reference_images: int | None
) -> Setup:
    """What is measured, as a value. ``reference_images`` overrides what the data set's name says."""
    measurement = models[0].measurement
    chosen = dataset.images if dataset.whole is None else dataset.whole
    summary = DatasetSummary(
        name=measurement.dataset_name,
        source=str(dataset.source),
        form=dataset.form,
        annotations=str(dataset.annotations) if dataset.annotations else None,
        total=dataset.total,
        evaluated=len(dataset.images),
        label_offset=measurement.label_offset,
        reference_images=measurement.reference_images if reference_images is None else reference_images,
        excluded=dataset.excluded,
        labels=dataset.labels,
        fingerprint=dataset.fingerprint,
        chosen=len(chosen),
        chosen_fingerprint=fingerprint_of(chosen),
    )
    own = dataset.labels == "own"
    setups = tuple(
        ModelSetup(
            launcher=tested.info.launcher,
            precision=tested.info.precision,
            device=tested.info.device,
            preprocessing=tested.plan.description,
            reference_top1=tested.measurement.reference_top1 if own else None,
            reference_top5=tested.measurement.reference_top5 if own else None,
            digests=tested.info.digests,
            among_devices=tested.info.among_devices,
        )
        for tested in models
    )
    opencv = any("(OpenCV" in step for tested in setups for step in tested.preprocessing)
    return Setup(
        model,
        profile,
        models[0].info.classes,
        summary,
        setups,
        _versions([model.info for model in models], opencv),
        dataset.shard,
    )


def _versions(infos: Sequence[RunnerInfo], scaled_by_opencv: bool) -> Versions:
    used = dict(package for info in infos for package in info.packages)
    return Versions(
        mixnet_tools=__version__,
        openvino=_version("openvino"),
        tensorflow=used.get("tensorflow"),
        pillow=metadata.version("pillow"),
        numpy=np.__version__,
        python=python_version(),
        onnxruntime=used.get("onnxruntime"),
        opencv=_version("cv2") if scaled_by_opencv else None,
    )


def _version(package: str) -> str | None:
    """The version of a package that is loaded (and so had a part in the figures), else None."""
    module = sys.modules.get(package)
    return None if module is None else str(getattr(module, "__version__", "unknown"))
