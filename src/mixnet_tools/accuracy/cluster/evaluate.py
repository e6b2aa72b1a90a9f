"""Evaluate on a cluster: models and labelled images become the same evaluations as on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mixnet_tools.accuracy.cluster import DEFAULT_SHARD_SIZE
from mixnet_tools.accuracy.cluster.connection import connected
from mixnet_tools.accuracy.cluster.tasks import Dispatcher, Task
from mixnet_tools.accuracy.cluster.transfer import ModelTransfer
from mixnet_tools.accuracy.cluster.worker import Outcome
from mixnet_tools.accuracy.cluster.workers import Workers
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import sample_size
from mixnet_tools.accuracy.evaluation.collector import Collector
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation, finished
from mixnet_tools.accuracy.evaluation.loop import SeenImage
from mixnet_tools.accuracy.evaluation.plan import EvaluationPlan
from mixnet_tools.accuracy.evaluation.timing import Clock, Timing
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.errors import DatasetError, EvaluationError, MixnetToolsError
from mixnet_tools.files.location import Location
from mixnet_tools.progress import Counter, Progress


@dataclass(frozen=True)
class ClusterTask:
    """An evaluation as it was planned, and its models."""

    plan: EvaluationPlan
    models: tuple[ModelTransfer, ...]


def evaluate_on_cluster(
    tasks: Sequence[ClusterTask],
    address: str,
    *,
    shard_size: int = DEFAULT_SHARD_SIZE,
    wait: float | None = None,
    progress: Progress | None = None,
    max_bad: int = 0,
    predictions: Path | None = None,
) -> list[Evaluation]:
    """Measure ``tasks``, in their order, on the cluster at ``address``, ``shard_size`` images at a time.

    ``wait`` is for how many seconds to go on without a worker (default: :data:`DEFAULT_WAIT`, and less where all were
    refused). ``predictions`` is for a single task. Raises what :func:`evaluate` does where images are measured,
    :class:`EvaluationError` also where the cluster cannot be reached, has no worker that can take part, or is lost, and
    :class:`MissingDependency` without Dask.
    """
    run = _Run(tasks, address, progress or Progress())
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connected(address, run.progress)) if any(run.images) else None
        writer = None
        if predictions:
            (plan,) = (task.plan for task in tasks)
            writer = PredictionsWriter(predictions, plan.setup, resumed=plan.resumed, run=plan.run)
            stack.enter_context(contextlib.closing(writer))
        run.collectors = [Collector(task.plan, max_bad, writer) for task in tasks]
        if client:
            setups = [task.plan.setup for task in tasks]
            used = {name for one in setups for name, version in asdict(one.versions).items() if version} - {"python"}
            packages = {"opencv-python-headless" if name == "opencv" else name for name in used}
            evaluations = [(task.plan.models, task.models) for task in tasks]
            run.measure(
                Workers(client, evaluations, run.samples(), packages, run.progress), shard_size, wait, predictions
            )
        return run.finish()


class _Run:
    """One call: its evaluations, and what has come in of them."""

    def __init__(self, tasks: Sequence[ClusterTask], address: str, progress: Progress) -> None:
        self._tasks, self._address, self.progress = tasks, address, progress
        self.images = [task.plan.images_left() for task in tasks]
        self.collectors: list[Collector] = []
        self._before = self._done = sum(task.plan.done for task in tasks)
        self._clock, self._counter = Clock(), Counter()
        self._measured_by: set[str] = set()
        self._workers: Workers | None = None

    def samples(self) -> dict[Location, int | None]:
        """The first image of each evaluation, with its size."""
        found = {}
        for location in [images[0].location.absolute() for images in self.images if images]:
            with contextlib.suppress(DatasetError):  # the image's own error says so when it is its turn
                found[location] = sample_size(location)
        return found

    def measure(self, workers: Workers, shard_size: int, wait: float | None, predictions: Path | None) -> None:
        """Measure what is left to measure."""
        self._workers, total = workers, self._done + sum(map(len, self.images))
        label = self._tasks[0].plan.setup.model if len(self._tasks) == 1 else f"{len(self._tasks)} models"
        try:
            with self.progress.counting(label, total, "image") as self._counter:
                self._counter.advance(self._done)
                Dispatcher(workers, self.images, shard_size, self._take, wait).run()
        except Exception as error:
            # Whatever Dask raises where a connection is gone; a full disk here is something else.
            lost = type(error) is ConnectionError or type(error).__module__.startswith("distributed")
            if isinstance(error, MixnetToolsError) or not (lost or workers.client.status != "running"):
                raise
            text = f"the connection to the scheduler was lost; {self._done} of {total} images were done"
            hint = "with `predictions` such a run keeps what is done, and goes on with `resume`"
            if predictions:
                text, hint = f"{text}, and are in {predictions}", "once a scheduler runs again, the same with `resume`"
            raise EvaluationError(f"{self._address}: {text}", hint=hint) from error

    def finish(self) -> list[Evaluation]:
        """The evaluations, once every image is done."""
        notes = []
        kinds = " and ".join(sorted(", ".join(names) for names in self._workers.processors)) if self._workers else ""
        if count := len(self._measured_by):
            notes.append(f"measured by {count} worker{'s' if count > 1 else ''} of {self._address} ({kinds})")
        if self._workers and len(self._workers.processors) > 1:
            notes.append(f"workers compute on different processors ({kinds}): last digits may depend on which had what")
        found = []
        for task, collector in zip(self._tasks, self.collectors, strict=True):
            timing = Timing.of(self._clock, self._clock.elapsed, collector.measured)
            found.append(finished(task.plan, collector.finish(), timing, *notes, *collector.notes))
        return found

    def _take(self, task: Task, outcome: Outcome) -> None:
        images = self.images[task.evaluation][task.start : task.stop]
        collector, rest = self.collectors[task.evaluation], iter(images)
        if outcome.worker:
            self._measured_by.add(outcome.worker)
        self._clock.add(outcome.clock)
        self._clock.answered()
        for batch in outcome.batches:
            seen = tuple(_as_given(one, next(rest)) for one in batch.images)
            collector.meet(seen)
            collector.take(replace(batch, images=seen))
        self._done += len(images)
        figures = dict(collector.figures) if len(self.collectors) == 1 else {}
        figures["images/s"] = f"{(self._done - self._before) / self._clock.elapsed:.0f}"
        figures["workers"] = str(len(self._workers.admitted) if self._workers else 0)
        self._counter.advance(len(images), **figures)


def _as_given(seen: SeenImage, image: LabelledImage) -> SeenImage:
    """As if ``image`` had been seen on this machine: a problem names the path as it was given."""
    problem = seen.problem
    if problem is not None:
        text = str(problem).replace(str(image.location.absolute()), str(image.location), 1)
        problem = type(problem)(text, hint=problem.hint)
    return replace(seen, image=image, problem=problem)
