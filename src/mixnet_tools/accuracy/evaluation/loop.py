"""The measuring loop: feeds batches of images to loaded models, and yields the answers in the images' order.

All models see the same batches. Each image is decoded once, and preprocessing that models share is done once. A run on
this machine and a worker of a cluster both measure with this loop.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.evaluation.batch_loader import Batch, batches
from mixnet_tools.accuracy.evaluation.model_checks import input_sizes
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest
from mixnet_tools.accuracy.evaluation.timing import Clock
from mixnet_tools.accuracy.launchers.base import Array, Runner, RunnerInfo, require_finite
from mixnet_tools.accuracy.metrics.topk import top_classes
from mixnet_tools.accuracy.predictions.values import Answers
from mixnet_tools.accuracy.preprocessing.pipeline import ordered
from mixnet_tools.errors import DatasetError, EvaluationError

IN_FLIGHT = 2
"""How many batches the models hold while the answers to an earlier one are read, so that they never stand idle."""


@dataclass(frozen=True)
class SeenImage:
    """An image that was decoded, with notes on what is unusual about it (CMYK, ...); or the ``problem`` with it."""

    image: LabelledImage
    image_notes: tuple[str, ...]
    problem: DatasetError | EvaluationError | None


@dataclass(frozen=True)
class MeasuredBatch:
    """Images with the answers of all models.

    ``answers`` has one entry for each model; its rows are the images without a problem, in order.
    """

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
    """Measure ``images`` on ``runners``, one for each of ``models``; so many ``threads`` decode.

    ``arriving`` is called with each batch before the models get it, and may raise. Raises :class:`EvaluationError`
    where preprocessing and model do not fit each other, or where a model's answer is not one finite number for each
    class. A caller that does not read to the end must close the generator: it then waits for the models.
    """
    waiting: deque[tuple[Batch, tuple[SeenImage, ...], list[Callable[[], Array]]]] = deque()
    try:
        with closing(batches(images, input_sizes(models), threads, clock)) as loaded:
            for batch in loaded:
                seen = tuple(
                    SeenImage(one.image, one.prepared.image_notes, one.prepared.problem) for one in batch.images
                )
                if arriving:
                    arriving(seen)
                begun = time.perf_counter()
                pairs = zip(models, runners, strict=True) if batch.good else ()
                started = [
                    runner.start(ordered(batch.arrays[model.plan.operations], model.plan.order))
                    for model, runner in pairs
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
    for model, result in zip(models, pending, strict=False):  # nothing is pending where all images are bad
        answers.append(Answers(*top_classes(_checked(result(), model.info, batch.good))))
    clock.inference += time.perf_counter() - begun
    clock.answered()
    return MeasuredBatch(seen, tuple(answers))


def _checked(logits: Array, info: RunnerInfo, images: Sequence[LabelledImage]) -> Array:
    if logits.shape != (len(images), info.classes):
        raise EvaluationError(
            f"{info.label}: expected logits of shape {(len(images), info.classes)}, got {logits.shape}"
        )
    require_finite(logits, info, [image.where for image in images])
    return logits
