"""The stage: models, preprocessing and labelled images -> :class:`AccuracyReport`.

Each image is decoded once, and what launchers share of the preprocessing is done once as well (:mod:`.feed`). All
models see the same batches in the data set's order, so the figures do not depend on which thread was quicker.
Answers are written to a file as they come (:mod:`.records`), and figures computed from them at the end
(:mod:`.summary`). Judging these is :mod:`.gate`'s subject.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixnet_tools.accuracy import metrics
from mixnet_tools.accuracy.config import AccuracyConfig
from mixnet_tools.accuracy.dataset import ImageDataset
from mixnet_tools.accuracy.feed import Batch, Clock, batches, processors
from mixnet_tools.accuracy.images import LabelledImage
from mixnet_tools.accuracy.lanes import Lane, check, input_sizes, make_lane, make_setup
from mixnet_tools.accuracy.predictions import Answers, BadImage, Gathering, Predictions, Setup
from mixnet_tools.accuracy.preprocess import ordered
from mixnet_tools.accuracy.records import HEADER_START, RecordFile, RecordWriter, read_records, same_setup
from mixnet_tools.accuracy.report import AccuracyReport, Timing
from mixnet_tools.accuracy.runner import Array, Runner, RunnerInfo
from mixnet_tools.accuracy.summary import summarize
from mixnet_tools.errors import DatasetError, EvaluationError
from mixnet_tools.progress import Counter, Progress

IN_FLIGHT = 2
"""Batches that a model has been given while the answers to an earlier one are read: it never waits for us."""


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation: what was measured, every answer, and the figures."""

    setup: Setup
    predictions: Predictions
    report: AccuracyReport


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
    max_bad: int = 0,
    predictions: Path | None = None,
    resume: bool = False,
) -> Evaluation:
    """Measure top-1 and top-5 of every runner on ``dataset``.

    ``reference_images`` is the size of the set on which the references were measured, where it is not the one that
    the data set's name in ``config`` stands for. ``workers`` is the number of decoding threads (default: one per
    processor). Up to ``max_bad`` images may be undecodable. ``predictions`` is a file to write every answer to as it
    comes; with ``resume``, images that it holds already are not measured again.

    Raises :class:`DescriptorError` where ``config`` has no entry for a launcher, :class:`DatasetError` where too many
    images cannot be decoded or labels do not fit the model, :class:`EvaluationError` where preprocessing and model do
    not fit each other, a model answers with anything but one finite number per class, or a file to resume is of another
    evaluation, :class:`UsageError` where there is no runner, no such profile, or ``predictions`` exists already.
    """
    lanes = tuple(make_lane(runner, config, profile) for runner in runners)
    check(lanes, dataset)
    sizes = input_sizes(lanes)
    setup = make_setup(model, profile, lanes, dataset, reference_images)
    resumed = _resumable(predictions, setup, dataset) if predictions and resume else None
    done = resumed.images if resumed else 0
    clock, started = Clock(), time.perf_counter()
    run = _Run(lanes, setup, dataset, resumed, max_bad, clock, started)
    writer = RecordWriter(predictions, setup, resumed=resumed) if predictions else None
    try:
        with (
            (progress or Progress()).counting(model, len(dataset.images), "image") as counter,
            closing(batches(dataset.images[done:], sizes, workers or processors(), clock)) as feed,
        ):
            counter.advance(done)
            run.all(feed, counter, writer)
    finally:
        for lane in lanes:
            lane.runner.settle()
        if writer:
            writer.close()
    timing = Timing.of(clock, time.perf_counter() - started, run.measured)
    notes = [f"{lane.info.label}: {remark}" for lane in lanes for remark in lane.info.remarks]
    if done:
        notes.append(f"{done} of the images were measured by an earlier run")
    found = run.gathered.predictions()
    return Evaluation(setup, found, summarize(setup, found, timing, tuple(notes)))


class _Run:
    """The loop, and what it has gathered so far."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        setup: Setup,
        dataset: ImageDataset,
        resumed: RecordFile | None,
        max_bad: int,
        clock: Clock,
        started: float,
    ) -> None:
        self._lanes, self._offset = lanes, setup.dataset.label_offset
        self._max_bad, self._clock, self._started = max_bad, clock, started
        self.gathered = Gathering(len(dataset.images), len(lanes))
        self.measured = 0
        self._right = self._seen = 0
        self._bad: list[str] = []
        if resumed:
            self._bad += [bad.name for bad in resumed.predictions.bad]
            self.gathered.extend(resumed.predictions)
            self._right = int((resumed.predictions.ranks(0) == 0).sum())
            self._seen = len(resumed.predictions.names)

    def all(self, feed: Iterable[Batch], counter: Counter, writer: RecordWriter | None) -> None:
        """Every batch of ``feed``: start it, and finish those before it."""
        if len(self._bad) > self._max_bad:
            raise DatasetError(
                f"the run to go on with has {len(self._bad)} bad images ({self._bad[0]} is the first), "
                f"and --max_bad allows {self._max_bad}",
                hint="mend the data set, or allow more with --max_bad",
            )
        waiting: deque[tuple[Batch, list[Callable[[], Array]]]] = deque()
        for batch in feed:
            self._refuse_bad(batch)
            begun = time.perf_counter()
            started = [self._start(lane, batch) for lane in self._lanes] if batch.good else []
            self._clock.inference += time.perf_counter() - begun
            waiting.append((batch, started))
            if len(waiting) > IN_FLIGHT:
                self._finish(*waiting.popleft(), counter, writer)
        while waiting:
            self._finish(*waiting.popleft(), counter, writer)

    def _start(self, lane: Lane, batch: Batch) -> Callable[[], Array]:
        return lane.runner.start(ordered(batch.arrays[lane.plan.operations], lane.plan.order))

    def _refuse_bad(self, batch: Batch) -> None:
        """Stop at once where there are more bad images than allowed; the first ones are named."""
        for one in batch.images:
            if one.problem is None:
                continue
            self._bad.append(one.image.name)
            if len(self._bad) <= self._max_bad:
                continue
            if self._max_bad == 0:
                hint = one.problem.hint or "--max_bad N goes on without up to N such images"
                raise type(one.problem)(str(one.problem), hint=hint)
            raise DatasetError(
                f"{one.problem}\nthis is more than the {self._max_bad} bad images that --max_bad allows; the first was "
                f"{self._bad[0]}",
                hint="mend the data set, or allow more with --max_bad",
            )

    def _finish(
        self, batch: Batch, pending: list[Callable[[], Array]], counter: Counter, writer: RecordWriter | None
    ) -> None:
        begun = time.perf_counter()
        answers = []
        for lane, result in zip(self._lanes, pending, strict=False):
            answers.append(Answers(*metrics.top_classes(_checked(result(), lane.info, batch.good))))
        now = time.perf_counter()
        self._clock.inference += now - begun
        if self._clock.first is None:
            self._clock.first = now - self._started
        row = 0
        for one in batch.images:
            if one.problem is not None:
                bad = BadImage(one.image.name, str(one.problem).removeprefix(f"{one.image.where}: "))
                self.gathered.add_bad(bad)
                if writer:
                    writer.bad(bad)
                continue
            accepted = _accepted(one.image, self._offset)
            self.gathered.add(one.image.name, accepted, answers, row)
            self.gathered.add_odd(one.image.name, one.oddities)
            self._right += int(answers[0].classes[row, 0] in accepted)
            if writer:
                writer.image(one.image.name, accepted, answers, row, one.oddities)
            row += 1
        if writer:
            writer.flush()
        self._seen += row
        self.measured += row
        figures = {"top-1": f"{100 * self._right / self._seen:.2f} %"} if self._seen else {}
        counter.advance(len(batch.images), **figures)


def _accepted(image: LabelledImage, offset: int) -> tuple[int, ...]:
    return tuple(label + offset for label in image.accepted or (image.label,))


def _resumable(path: Path, setup: Setup, dataset: ImageDataset) -> RecordFile | None:
    found = read_records(path) if path.exists() else None
    if found is None:
        if path.exists():
            begun = path.read_bytes()[:64]
            if not (begun.startswith(HEADER_START) or HEADER_START.startswith(begun)):
                raise EvaluationError(f"{path}: is no predictions file, and is not overwritten")
            os.truncate(path, 0)  # the torn first line of ours, or nothing
        return None
    difference = same_setup(setup, found.setup)
    if difference is None and setup.shard != found.setup.shard:
        difference = f"shard {setup.shard} and {found.setup.shard}"
    if difference is None and found.order != tuple(image.name for image in dataset.images[: found.images]):
        difference = "other images, or in another order"
    if difference:
        raise EvaluationError(
            f"{path}: is of another evaluation: {difference}", hint="name another file to --predictions"
        )
    return found


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
