"""The measuring loop: images and loaded models -> each model's answers, batch by batch, in the images' order.

Each image is decoded once, and what models share of the preprocessing is done once as well (:mod:`.feed`). All models
see the same batches. A run on this machine and a worker of a cluster (:mod:`.cluster`) both measure with this loop;
what becomes of the answers is :mod:`.collector`'s subject.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.evaluation.batch_loader import Batch, batches
from mixnet_tools.accuracy.evaluation.model_checks import ModelUnderTest, input_sizes
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import Array, Runner, RunnerInfo
from mixnet_tools.accuracy.metrics import topk as metrics
from mixnet_tools.accuracy.predictions.values import Answers
from mixnet_tools.accuracy.preprocessing.pipeline import ordered
from mixnet_tools.errors import DatasetError, EvaluationError

IN_FLIGHT = 2
"""Batches that a model has been given while the answers to an earlier one are read: it never waits for us."""


@dataclass(frozen=True)
class SeenImage:
    """An image that was decoded (what is odd about it: ``image_notes``), or the ``problem`` with it."""

    image: LabelledImage
    image_notes: tuple[str, ...]
    problem: DatasetError | EvaluationError | None


@dataclass(frozen=True)
class MeasuredBatch:
    """Images with the answers of all models, one entry a model; rows are the images without a problem, in order."""

    images: tuple[SeenImage, ...]
    answers: tuple[Answers, ...]


def measured(
    models: Sequence[ModelUnderTest],
    runners: Sequence[Runner],
    images: Sequence[LabelledImage],
    threads: int,
    clock: Clock,
    arriving: Callable[[tuple[SeenImage, ...]], None] | None = None,
) -> Generator[MeasuredBatch, None, None]:
    """Measure ``images`` on ``runners``, one for each of ``models``, with ``threads`` that decode.

    ``arriving`` is called for each batch before models are given it. Raises :class:`EvaluationError` where
    preprocessing and model do not fit each other, and where a model answers with anything but one finite number per
    class. Close the generator where it is not read to its end: that waits for what models have in flight.
    """
    waiting: deque[tuple[Batch, tuple[SeenImage, ...], list[Callable[[], Array]]]] = deque()
    try:
        with closing(batches(images, input_sizes(models), threads, clock)) as feed:
            for batch in feed:
                seen = tuple(SeenImage(one.image, one.image_notes, one.problem) for one in batch.images)
                if arriving:
                    arriving(seen)
                begun = time.perf_counter()
                pairs = zip(models, runners, strict=True) if batch.good else ()
                started = [
                    runner.start(ordered(batch.arrays[tested.plan.operations], tested.plan.order))
                    for tested, runner in pairs
                ]
                clock.inference += time.perf_counter() - begun
                waiting.append((batch, seen, started))
                if len(waiting) > IN_FLIGHT:
                    yield _answered(models, *waiting.popleft(), clock)
            while waiting:
                yield _answered(models, *waiting.popleft(), clock)
    finally:
        for runner in runners:
            runner.settle()


def _answered(
    models: Sequence[ModelUnderTest],
    batch: Batch,
    seen: tuple[SeenImage, ...],
    pending: list[Callable[[], Array]],
    clock: Clock,
) -> MeasuredBatch:
    begun = time.perf_counter()
    answers = []
    for tested, result in zip(models, pending, strict=False):
        answers.append(Answers(*metrics.top_classes(_checked(result(), tested.info, batch.good))))
    clock.inference += time.perf_counter() - begun
    clock.answered()
    return MeasuredBatch(seen, tuple(answers))


def _checked(logits: Array, info: RunnerInfo, images: Sequence[LabelledImage]) -> Array:
    if logits.shape != (len(images), info.classes):
        raise EvaluationError(
            f"{info.label}: expected logits of shape {(len(images), info.classes)}, got {logits.shape}"
        )
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        broken = images[int(np.argmin(finite))]
        raise EvaluationError(
            f"{info.label}: the answer for {broken.where} holds NaN or infinity",
            hint="a damaged download or conversion does this: fetch and convert the model again",
        )
    return logits
