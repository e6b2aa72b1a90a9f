"""Classifies images by loaded models. A command runs it over files, a page over what is dropped on it."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice

import numpy as np

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.classification.images import ImageToClassify
from mixnet_tools.accuracy.classification.values import ClassifiedImage, ClassScore, KeptRegion, ModelAnswer
from mixnet_tools.accuracy.evaluation.model_checks import check_forms, input_sizes
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest, model_under_test
from mixnet_tools.accuracy.launchers.base import Array, Runner, require_finite
from mixnet_tools.accuracy.metrics.topk import TOP, top_classes
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
from mixnet_tools.accuracy.preprocessing.pipeline import Pixels, kept_box, ordered
from mixnet_tools.accuracy.preprocessing.plan import Plan
from mixnet_tools.accuracy.preprocessing.prepare import Prepared, prepare
from mixnet_tools.descriptors.labels import names_of_classes
from mixnet_tools.errors import UsageError
from mixnet_tools.threads import DaemonThreads, in_order, processors

TOGETHER = 16
"""How many images the models get at once."""

RUNS, LONG_ENOUGH = 3, 100.0
"""Where time is measured, an image is run so often, or for so many milliseconds: a single run is easily disturbed."""

PATIENCE = 2.0
"""Seconds to wait for the threads that read images where classification ends early."""


class Classifier:
    """Loaded models with their preprocessing and the names of their classes."""

    def __init__(
        self,
        runners: Sequence[Runner],
        config: AccuracyConfig,
        *,
        profile: str = PROFILES[0],
        names: Sequence[str] = (),
    ) -> None:
        """``config`` says how images are prepared under ``profile``; ``names`` are those of the classes, in order.

        ``names`` may lack the background class of a model that has one. Raises :class:`EvaluationError` where the
        models are not forms of one model, :class:`DescriptorError` where ``config`` has no entry for a launcher,
        :class:`UsageError` where the number of ``names`` is not that of the classes.
        """
        self._runners = tuple(runners)
        self._config = config
        self.models = tuple(model_under_test(runner.info, config, profile) for runner in runners)
        check_forms(self.models)
        self._sizes = input_sizes(self.models)
        self._names = _names_of_classes(self.models[0], names)
        self._alone = threading.Lock()

    @property
    def classes(self) -> int:
        """The length of the models' answer."""
        return self.models[0].info.classes

    def kept(self, width: int, height: int, profile: str | None = None) -> KeptRegion:
        """What the preprocessing of ``profile`` (None: the one that is used) keeps of an image of so many pixels.

        Raises :class:`EvaluationError` where nothing is left of it.
        """
        operations = self.plan(profile).operations
        return KeptRegion(*kept_box(operations, width, height), turned=operations.orient)

    def plan(self, profile: str | None = None) -> Plan:
        """How images are prepared for the first model under ``profile`` (None: the one that is used).

        Raises :class:`EvaluationError` where its steps cannot be had under this profile.
        """
        first = self.models[0]
        return first.plan if profile is None else model_under_test(first.info, self._config, profile).plan

    def classify(self, images: Iterable[ImageToClassify], top: int = TOP) -> Generator[ClassifiedImage, None, None]:
        """Yield each of ``images`` with the ``top`` best classes of each model, in their order.

        Images are read ahead, and run several at a time. One that cannot be read is yielded with its problem. Raises
        :class:`EvaluationError` where a model fails, or answers with anything but finite numbers.
        """
        pool = DaemonThreads(processors(), "read")
        try:
            with closing(in_order(pool, self._prepare, images, 2 * TOGETHER)) as prepared:
                while group := list(islice(prepared, TOGETHER)):
                    yield from self._answered(group, top)
        finally:
            pool.close(PATIENCE)
            for runner in self._runners:
                runner.settle()

    def classify_one(self, image: ImageToClassify, top: int = TOP) -> ClassifiedImage:
        """Classify ``image``, and measure how long each model takes for it. Safe to call from several threads.

        Raises :class:`EvaluationError` as :meth:`classify` does.
        """
        prepared = self._prepare(image)
        with self._alone:  # else the models would be measured against each other
            (answered,) = self._answered([prepared], top, timed=True)
        return answered

    def _prepare(self, image: ImageToClassify) -> tuple[ImageToClassify, Prepared]:
        return image, prepare(image.open, image.name, self._sizes)

    def _answered(
        self, group: list[tuple[ImageToClassify, Prepared]], top: int, *, timed: bool = False
    ) -> list[ClassifiedImage]:
        good = [prepared for _, prepared in group if prepared.problem is None]
        names = [image.name for image, prepared in group if prepared.problem is None]
        answers: list[list[ModelAnswer]] = [[] for _ in good]
        for model, runner in zip(self.models, self._runners, strict=True) if good else ():
            arrays = [prepared.arrays[model.plan.operations] for prepared in good]
            batch = ordered(np.stack(arrays), model.plan.order)
            logits, milliseconds = _timed(runner, batch) if timed else (runner.run(batch), None)
            require_finite(logits, model.info, names)
            for place, (classes, scores) in enumerate(zip(*top_classes(logits, min(top, self.classes)), strict=True)):
                best = tuple(map(self._class_score, classes.tolist(), scores.tolist()))
                answers[place].append(ModelAnswer(model.info.label, best, milliseconds))
        given = iter(answers)
        return [self._result(image, prepared, given) for image, prepared in group]

    def _result(
        self, image: ImageToClassify, prepared: Prepared, answers: Iterator[list[ModelAnswer]]
    ) -> ClassifiedImage:
        width, height = prepared.size or (0, 0)
        bad = prepared.problem is not None
        return ClassifiedImage(
            image.name,
            width,
            height,
            None if bad else self.kept(width, height),
            prepared.image_notes,
            () if bad else tuple(next(answers)),
            str(prepared.problem) if bad else None,
            prepared.orientation,
        )

    def _class_score(self, index: int, score: float) -> ClassScore:
        return ClassScore(index, self._names[index] if self._names else None, score)


def _timed(runner: Runner, batch: Pixels) -> tuple[Array, float]:
    """The answer to ``batch``, and the median time that it takes, in milliseconds."""
    times: list[float] = []
    while len(times) < RUNS and sum(times) < LONG_ENOUGH:
        started = time.perf_counter()
        logits = runner.run(batch)
        times.append(1000 * (time.perf_counter() - started))
    return logits, statistics.median(times)


def _names_of_classes(model: ModelUnderTest, names: Sequence[str]) -> tuple[str, ...]:
    """A name for each of the model's classes; none where there are no ``names``."""
    background = model.measurement.label_offset
    if names and len(names) not in (model.info.classes, model.info.classes - background):
        raise UsageError(
            f"{len(names)} labels, but {model.info.label} has {model.info.classes} classes",
            hint="give a file with a label for each class, in their order: `labels`",
        )
    return names_of_classes(names, model.info.classes, background)
