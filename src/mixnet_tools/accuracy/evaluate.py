"""The stage: models, preprocessing and labelled images -> :class:`AccuracyReport`.

Each image is decoded once, by worker threads that run a bounded number of images ahead (Pillow lets go of the GIL), and
what launchers share of the preprocessing is done once as well. All models see the same batches in the data set's order,
so the figures do not depend on which thread was quicker. Judging them is :mod:`.gate`'s subject.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from itertools import islice

import numpy as np
import numpy.typing as npt

from mixnet_tools import __version__
from mixnet_tools.accuracy import metrics
from mixnet_tools.accuracy.config import AccuracyConfig, Measurement
from mixnet_tools.accuracy.dataset import ImageDataset, LabelledImage
from mixnet_tools.accuracy.preprocess import Operations, Pixels, Plan, load, make_plan, ordered
from mixnet_tools.accuracy.report import AccuracyReport, DatasetSummary, ModelResult, Versions
from mixnet_tools.accuracy.runner import Array, Runner, RunnerInfo
from mixnet_tools.errors import DatasetError, EvaluationError, UsageError
from mixnet_tools.progress import Progress

BATCH = 32
AHEAD = 2 * BATCH
"""Images that may be decoded before a model has asked for them: 10 MB at 224x224, however long the data set."""

ORIGINAL = "tf"
"""The launcher that runs the model as it was published; agreement is counted against it."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Lane:
    """One model's way through the evaluation. ``predicted`` and ``rank`` hold a value per image, and are filled."""

    runner: Runner
    info: RunnerInfo
    measurement: Measurement
    plan: Plan
    predicted: Integers
    rank: Integers


def evaluate(
    model: str,
    config: AccuracyConfig,
    dataset: ImageDataset,
    runners: Sequence[Runner],
    *,
    profile: str = "omz",
    reference_images: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> AccuracyReport:
    """Measure top-1 and top-5 of every runner on ``dataset``.

    ``reference_images`` is the size of the set on which the references were measured, where it is not the one that
    the data set's name in ``config`` stands for. ``workers`` is the number of decoding threads (default: one per
    processor).

    Raises :class:`DescriptorError` where ``config`` has no entry for a launcher, :class:`DatasetError` where an image
    cannot be decoded or labels do not fit the model, :class:`EvaluationError` where preprocessing and model do not fit
    each other or a model answers with anything but one finite number per class, :class:`UsageError` where there is no
    runner, or no such profile.
    """
    lanes = tuple(_lane(runner, config, profile, len(dataset.images)) for runner in runners)
    _check(lanes, dataset)
    labels = _classes_of(dataset, lanes[0].measurement)
    started = time.monotonic()
    with (
        (progress or Progress()).counting(model, len(dataset.images), "image") as counter,
        closing(_batches(dataset.images, lanes, workers or _processors())) as batches,
    ):
        for start, shared in batches:
            stop = start + len(next(iter(shared.values())))
            for lane in lanes:
                batch = ordered(shared[lane.plan.operations], lane.plan.order)
                logits = _checked(lane.runner.run(batch), lane.info, dataset.images[start:stop])
                lane.predicted[start:stop] = metrics.predictions(logits)
                lane.rank[start:stop] = metrics.ranks(logits, labels[start:stop])
            so_far = metrics.top_k(lanes[0].rank[:stop], 1)
            counter.advance(stop - start, **{"top-1": f"{so_far.percent:.2f} %"})
    seconds = time.monotonic() - started
    original = next((lane for lane in lanes if lane.info.launcher == ORIGINAL), None)
    results = tuple(_result(lane, original) for lane in lanes)
    classes = lanes[0].info.classes
    return AccuracyReport(
        model=model,
        profile=profile,
        classes=classes,
        dataset=_summary(dataset, lanes[0].measurement, reference_images),
        results=results,
        versions=_versions(),
        seconds=round(seconds, 3),
        notes=tuple(note for result in results for note in _notes(result, classes)),
    )


def _lane(runner: Runner, config: AccuracyConfig, profile: str, images: int) -> _Lane:
    measurement = config.measurement(runner.info.launcher)
    plan = make_plan(measurement, profile)
    empty = np.full(images, -1, dtype=np.int64)
    return _Lane(runner, runner.info, measurement, plan, empty, empty.copy())


def _check(lanes: Sequence[_Lane], dataset: ImageDataset) -> None:
    """Everything that can be known before the first image is decoded."""
    if not lanes:
        raise UsageError("no model to evaluate")
    if not dataset.images:
        raise DatasetError(f"{dataset.source}: no images to evaluate")
    first = lanes[0]
    for lane in lanes[1:]:
        if lane.info.classes != first.info.classes:
            raise EvaluationError(
                f"{first.info.label} answers with {first.info.classes} classes, "
                f"{lane.info.label} with {lane.info.classes}: these are not the same model"
            )
        if lane.measurement.dataset_name != first.measurement.dataset_name:
            raise EvaluationError(
                f"{lane.measurement.where}.name: {lane.info.label} is measured on {lane.measurement.dataset_name!r}, "
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
    wrong = next((image for image in dataset.images if image.label >= usable), None)
    if wrong is not None:
        where = dataset.annotations or dataset.source
        raise DatasetError(
            f"{where}: {wrong.name!r} has label {wrong.label}, but the model knows the labels 0 to {usable - 1}",
            hint="labels count from 0 (is this a file whose labels count from 1, or another data set's?)",
        )


def _classes_of(dataset: ImageDataset, measurement: Measurement) -> Integers:
    return np.array([image.label for image in dataset.images], dtype=np.int64) + measurement.label_offset


def _batches(
    images: Sequence[LabelledImage], lanes: Sequence[_Lane], workers: int
) -> Generator[tuple[int, dict[Operations, Pixels]], None, None]:
    """(index of the first image, batch per distinct preprocessing [N, height, width, 3] in RGB), in order."""
    sizes: dict[Operations, RunnerInfo] = {}
    for lane in lanes:
        other = sizes.setdefault(lane.plan.operations, lane.info)
        if (other.height, other.width) != (lane.info.height, lane.info.width):
            raise EvaluationError(
                f"{other.label} takes {other.width}x{other.height} pixels, {lane.info.label} "
                f"{lane.info.width}x{lane.info.height}, but accuracy-check.yml prepares images alike for both"
            )
    start = 0
    with closing(_prepared(images, sizes, workers)) as prepared:
        while group := list(islice(prepared, BATCH)):
            stacked: dict[Operations, Pixels] = {
                operations: np.stack([one[operations] for one in group]) for operations in sizes
            }
            yield start, stacked
            start += len(group)


def _prepared(
    images: Sequence[LabelledImage], sizes: dict[Operations, RunnerInfo], workers: int
) -> Generator[dict[Operations, Pixels], None, None]:
    """Each image, prepared in every way that is asked for; in order, at most :data:`AHEAD` in advance."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        pending: deque[Future[dict[Operations, Pixels]]] = deque()
        waiting = iter(images)
        pending.extend(pool.submit(_prepare, image, sizes) for image in islice(waiting, AHEAD))
        while pending:
            done = pending.popleft().result()
            pending.extend(pool.submit(_prepare, image, sizes) for image in islice(waiting, 1))
            yield done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(image: LabelledImage, sizes: dict[Operations, RunnerInfo]) -> dict[Operations, Pixels]:
    prepared = {operations: load(image.path, operations) for operations in sizes}
    for operations, info in sizes.items():
        height, width, _ = prepared[operations].shape
        if (height, width) != (info.height, info.width):
            raise EvaluationError(
                f"{image.path}: {width}x{height} pixels after preprocessing, but {info.label} takes "
                f"{info.width}x{info.height}",
                hint="the sizes in accuracy-check.yml must be those of the model",
            )
    return prepared


def _checked(logits: Array, info: RunnerInfo, images: Sequence[LabelledImage]) -> Array:
    if logits.shape != (len(images), info.classes):
        raise EvaluationError(
            f"{info.label}: expected logits of shape {(len(images), info.classes)}, got {logits.shape}"
        )
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        broken = images[int(np.argmin(finite))]
        raise EvaluationError(
            f"{info.label}: the answer for {broken.path} holds NaN or infinity",
            hint="a damaged download or conversion does this: fetch and convert the model again",
        )
    return logits


def _result(lane: _Lane, original: _Lane | None) -> ModelResult:
    same = None if original is None or lane is original else metrics.agreement(lane.predicted, original.predicted)
    return ModelResult(
        launcher=lane.info.launcher,
        precision=lane.info.precision,
        device=lane.info.device,
        preprocessing=lane.plan.description,
        top1=metrics.top_k(lane.rank, 1),
        top5=metrics.top_k(lane.rank, 5),
        reference_top1=lane.measurement.reference_top1,
        reference_top5=lane.measurement.reference_top5,
        agreement=same,
        digests=lane.info.digests,
    )


def _summary(dataset: ImageDataset, measurement: Measurement, reference_images: int | None) -> DatasetSummary:
    return DatasetSummary(
        name=measurement.dataset_name,
        source=str(dataset.source),
        form=dataset.form,
        annotations=str(dataset.annotations) if dataset.annotations else None,
        total=dataset.total,
        evaluated=len(dataset.images),
        label_offset=measurement.label_offset,
        reference_images=measurement.reference_images if reference_images is None else reference_images,
    )


def _notes(result: ModelResult, classes: int) -> Iterator[str]:
    if metrics.is_near_chance(result.top1, classes):
        yield (
            f"{result.label}: top-1 {result.top1.percent:.2f} % is what guessing among {classes} classes gives: do the "
            "labels count classes in the model's order? (ImageNet: sorted WordNet ids from 0, not the devkit's ids)"
        )


def _versions() -> Versions:
    return Versions(
        mixnet_tools=__version__,
        openvino=_version("openvino"),
        tensorflow=_version("tensorflow"),
        pillow=metadata.version("pillow"),
        numpy=np.__version__,
        python=platform.python_version(),
    )


def _version(package: str) -> str | None:
    """The version of a package that is loaded (and so had a part in the figures), else None."""
    module = sys.modules.get(package)
    return None if module is None else str(getattr(module, "__version__", "unknown"))


def _processors() -> int:
    """Processors this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
