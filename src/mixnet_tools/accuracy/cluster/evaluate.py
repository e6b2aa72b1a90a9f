"""The stage on a cluster: models and labelled images -> an evaluation for each model, as :mod:`..evaluate` has it.

Plans, answers and figures are those of a run on this machine; only the measuring is done elsewhere. The images of
evaluations that have the same ones are decoded once for all of them.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixnet_tools.accuracy.cluster import DEFAULT_SHARD_SIZE, DEFAULT_WAIT
from mixnet_tools.accuracy.cluster.address import ClusterAddress
from mixnet_tools.accuracy.cluster.connection import connected
from mixnet_tools.accuracy.cluster.dispatch import Dispatcher, SchedulerLost
from mixnet_tools.accuracy.cluster.parcels import PackedModel
from mixnet_tools.accuracy.cluster.roster import Roster
from mixnet_tools.accuracy.cluster.shards import Shard, died, unpacked
from mixnet_tools.accuracy.cluster.worker import Assignment, GroupModels, Measured, Sample, software
from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import sample_size
from mixnet_tools.accuracy.evaluation.collector import Collector
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation, finished
from mixnet_tools.accuracy.evaluation.model_checks import input_sizes
from mixnet_tools.accuracy.evaluation.plan import EvaluationPlan, plan_evaluation
from mixnet_tools.accuracy.evaluation.timing import Clock, Timing
from mixnet_tools.accuracy.predictions.jsonl import PredictionsWriter
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
from mixnet_tools.errors import DatasetError, EvaluationError, UsageError
from mixnet_tools.progress import Counter, Progress


@dataclass(frozen=True)
class ClusterOptions:
    """Where to measure; how many images a task has, and for how many seconds to go on without a worker (None:
    :data:`DEFAULT_WAIT`, and less where all that came were refused).
    """

    address: ClusterAddress
    shard_size: int = DEFAULT_SHARD_SIZE
    wait: float | None = None


@dataclass(frozen=True)
class ClusterTask:
    """One evaluation: see :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate`."""

    model: str
    config: AccuracyConfig
    dataset: ImageDataset
    models: tuple[PackedModel, ...]
    reference_images: int | None = None


@dataclass
class _Group:
    """Evaluations of the same images."""

    images: tuple[LabelledImage, ...]
    members: list[int]


def evaluate_on_cluster(
    tasks: Sequence[ClusterTask],
    options: ClusterOptions,
    *,
    profile: str = "omz",
    progress: Progress | None = None,
    max_bad: int = 0,
    predictions: Path | None = None,
    resume: bool = False,
) -> list[Evaluation]:
    """Measure ``tasks``, in their order, on the cluster that ``options`` names. ``predictions`` is for a single task.

    Raises what :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate` does, and :class:`EvaluationError` where the
    cluster cannot be reached, has no worker that can take part, or is lost, :class:`MissingDependency` without Dask.
    """
    if predictions and len(tasks) != 1:
        raise UsageError("a file of predictions is for one evaluation")
    progress = progress or Progress()
    plans = [
        plan_evaluation(
            task.model,
            task.config,
            task.dataset,
            [model.parcel.info for model in task.models],
            profile=profile,
            reference_images=task.reference_images,
            predictions=predictions,
            resume=resume,
        )
        for task in tasks
    ]
    groups = _groups(plans)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connected(options.address, progress)) if groups else None
        run = _Run(tasks, plans, groups, options, progress)
        writers = [
            stack.enter_context(contextlib.closing(PredictionsWriter(predictions, plan.setup, resumed=plan.resumed)))
            for plan in plans
            if predictions
        ]
        run.collectors = [Collector(plan, max_bad, writers[0] if writers else None) for plan in plans]
        if client is not None:
            try:
                run.go(client)
            except SchedulerLost as error:
                raise _lost(options.address, run, predictions) from error
        return run.finish()


class _Run:
    """One call: its evaluations, and what has come in of them."""

    def __init__(
        self,
        tasks: Sequence[ClusterTask],
        plans: Sequence[EvaluationPlan],
        groups: Sequence[_Group],
        options: ClusterOptions,
        progress: Progress,
    ) -> None:
        self._tasks, self._plans, self._groups, self._options = tasks, plans, groups, options
        self._progress = progress
        self._clock = Clock()
        self._workers: set[str] = set()
        self._done = 0
        self._roster: Roster | None = None
        self._counter = Counter()
        self.collectors: list[Collector] = []

    @property
    def planned(self) -> int:
        """Images of all groups, with those that an earlier run has done."""
        return sum(len(group.images) for group in self._groups) + self.earlier

    @property
    def earlier(self) -> int:
        """Images that an earlier run has done."""
        return sum(plan.done for plan in self._plans)

    @property
    def done(self) -> int:
        """Images that are done by now."""
        return self._done + self.earlier

    def go(self, client: Any) -> None:
        """Measure on the cluster of ``client``."""
        models = {one.parcel.key: one for task in self._tasks for one in task.models}
        name = uuid.uuid4().hex
        roster = self._roster = Roster(client, name, self._assignment(), models, self._software(), self._progress)
        label = self._plans[0].setup.model if len(self._plans) == 1 else f"{len(self._plans)} models"
        with self._progress.counting(label, self.planned, "image") as self._counter:
            self._counter.advance(self.earlier)
            Dispatcher(
                client,
                name,
                roster,
                [group.images for group in self._groups],
                self._options.shard_size,
                self._take,
                wait=DEFAULT_WAIT if self._options.wait is None else self._options.wait,
                hasty=self._options.wait is None,
                progress=self._progress,
            ).run()

    def finish(self) -> list[Evaluation]:
        """The evaluations, once every image is done."""
        notes = []
        if self._workers:
            count = len(self._workers)
            notes.append(f"measured by {count} worker{'s' if count > 1 else ''} of {self._options.address}")
        if self._roster and len(self._roster.processors) > 1:
            kinds = " and ".join(sorted(", ".join(names) for names in self._roster.processors))
            notes.append(f"workers compute on different processors ({kinds}): last digits may depend on which had what")
        found = []
        for plan, collector in zip(self._plans, self.collectors, strict=True):
            timing = Timing.of(self._clock, self._clock.elapsed, collector.measured)
            answers = collector.finish()
            found.append(finished(plan, answers, timing, *notes, *collector.notes))
        return found

    def _take(self, shard: Shard, measured: Measured | None) -> None:
        group = self._groups[shard.group]
        images = group.images[shard.start : shard.stop]
        if measured is not None:
            self._clock.add(measured.clock)
            self._clock.answered()
            self._workers.add(measured.worker)
        for place, member in enumerate(group.members):
            answers = measured.answers[place] if measured is not None else died(images[0])
            batch = unpacked(answers, images)
            self.collectors[member].meet(batch.images)
            self.collectors[member].take(batch)
        self._done += len(images)
        self._counter.advance(len(images), **self._figures())

    def _figures(self) -> dict[str, str]:
        figures = dict(self.collectors[0].figures) if len(self.collectors) == 1 else {}
        figures["images/s"] = f"{self._done / self._clock.elapsed:.0f}"
        figures["workers"] = str(len(self._roster.admitted) if self._roster else 0)
        return figures

    def _assignment(self) -> Assignment:
        groups = tuple(
            GroupModels(
                tuple(self._plans[member].models for member in group.members),
                tuple(tuple(one.parcel for one in self._tasks[member].models) for member in group.members),
            )
            for group in self._groups
        )
        samples = [_sample(group.images[0]) for group in self._groups]
        return Assignment(groups, tuple(one for one in samples if one is not None))

    def _software(self) -> dict[str, str | None]:
        """What decides on figures, and has to be the same everywhere."""
        names = ["mixnet_tools", "openvino", "numpy", "pillow"]
        launchers = {tested.launcher for plan in self._plans for tested in plan.setup.models}
        names += [package for launcher, package in _PACKAGES.items() if launcher in launchers]
        names += ["opencv"] if any(plan.setup.versions.opencv for plan in self._plans) else []
        return software(names)


_PACKAGES = {"tf": "tensorflow", "onnx": "onnxruntime"}


def _groups(plans: Sequence[EvaluationPlan]) -> list[_Group]:
    """Evaluations that have the same images left, and prepare them for models of one size, go together."""
    groups: list[_Group] = []
    for index, plan in enumerate(plans):
        images = plan.images_left()
        for group in groups:
            if group.images == images and _fit([plans[member] for member in group.members], plan):
                group.members.append(index)
                break
        else:
            if images:
                groups.append(_Group(images, [index]))
    return groups


def _fit(members: Sequence[EvaluationPlan], other: EvaluationPlan) -> bool:
    try:
        input_sizes([tested for plan in (*members, other) for tested in plan.models])
    except EvaluationError:
        return False
    return True


def _sample(image: LabelledImage) -> Sample | None:
    """What workers must see; None where the image is missing or no file: its own error says so when it is its turn."""
    location = image.location.absolute()
    try:
        size = sample_size(location)
    except DatasetError:
        return None
    return None if size is None and not location.is_remote else Sample(location, size)


def _lost(address: ClusterAddress, run: _Run, predictions: Path | None) -> EvaluationError:
    message = f"{address}: the connection to the scheduler was lost; {run.done} of {run.planned} images were done"
    if predictions is None:
        return EvaluationError(
            message, hint="with --predictions FILE such a run keeps what is done, and goes on with --resume"
        )
    return EvaluationError(
        f"{message}, and are in {predictions}", hint="once a scheduler runs again, the same command with --resume"
    )
