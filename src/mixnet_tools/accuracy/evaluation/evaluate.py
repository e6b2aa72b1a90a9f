"""Evaluates loaded models on labelled images: plans, measures, collects the answers, and computes the figures.

It runs on this machine; :mod:`mixnet_tools.accuracy.cluster.evaluate` does the same on the workers of a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.image_bytes import readers
from mixnet_tools.accuracy.evaluation.collector import Collector
from mixnet_tools.accuracy.evaluation.loop import measured
from mixnet_tools.accuracy.evaluation.model_under_test import changed_irs, in_another_precision
from mixnet_tools.accuracy.evaluation.plan import EvaluationPlan, plan_evaluation
from mixnet_tools.accuracy.evaluation.timing import Clock, Timing
from mixnet_tools.accuracy.gate.verdict import Verdict, judge
from mixnet_tools.accuracy.launchers.base import Runner
from mixnet_tools.accuracy.metrics.topk import TOP
from mixnet_tools.accuracy.predictions.jsonl import without_digests
from mixnet_tools.accuracy.predictions.jsonl_writer import PredictionsWriter
from mixnet_tools.accuracy.predictions.values import Predictions, Run, Setup
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.accuracy.reports.summarize import summarize
from mixnet_tools.progress import Progress
from mixnet_tools.threads import processors


class ImageRow(TypedDict):
    """One model's answer to one image: a row of :meth:`Evaluation.rows`.

    ``image`` is the image's name in the data set, ``model`` the model's label (``openvino FP16``, ``tf``). ``label`` is
    the right class (the first, where several are right), ``predicted`` the model's answer, and ``score`` the
    probability it gives to that, 0 to 1. Classes are the model's own, counted from 0. ``correct`` says whether the
    answer is right, ``correct_top5`` whether a right class is among the model's five best.
    """

    image: str
    model: str
    label: int
    predicted: int
    score: float
    correct: bool
    correct_top5: bool


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation: what was measured (``setup``), all answers (``predictions``), the figures (``report``)."""

    setup: Setup
    predictions: Predictions
    report: AccuracyReport

    @property
    def verdict(self) -> Verdict:
        """The figures held against the references of the model's accuracy-check.yml, with the default tolerances.

        For other tolerances see :func:`mixnet_tools.accuracy.gate.verdict.judge`.
        """
        return judge(self.report)

    def rows(self) -> list[ImageRow]:
        """Every answer as plain data, for ``pandas.DataFrame`` or ``csv.DictWriter``: all images of the first model in
        the data set's order, then those of the next. Images that could not be measured have no row;
        ``predictions.bad`` names them.
        """
        found = self.predictions
        rows: list[ImageRow] = []
        for index, (setup, answers) in enumerate(zip(self.setup.models, found.answers, strict=True)):
            for row, place in enumerate(found.ranks(index).tolist()):
                rows.append(
                    ImageRow(
                        image=found.names[row],
                        model=setup.label,
                        label=found.accepted[row][0],
                        predicted=int(answers.first[row]),
                        score=float(answers.scores[row, 0]),
                        correct=place == 0,
                        correct_top5=place < TOP,
                    )
                )
        return rows


def evaluate(
    model: str,
    config: AccuracyConfig,
    dataset: ImageDataset,
    runners: Sequence[Runner],
    *,
    profile: str = "omz",
    reference_images: int | None = None,
    progress: Progress | None = None,
    max_bad: int = 0,
    predictions: Path | None = None,
    resume: bool = False,
    run: Run | None = None,
) -> Evaluation:
    """Measure top-1 and top-5 of every runner on ``dataset``.

    ``reference_images`` is the size of the set on which the references were measured, where it is not the one that
    the data set's name in ``config`` stands for. Up to ``max_bad`` images may be undecodable. ``predictions`` is a file
    to which every answer is appended as it comes; with ``resume``, images that it holds already are not measured again.
    ``run`` describes the run that measures; the report has it, and the file.

    Raises :class:`DescriptorError` where ``config`` has no entry for a launcher, :class:`DatasetError` where too many
    images cannot be decoded or labels do not fit the model, :class:`EvaluationError` where preprocessing and model do
    not fit each other, a model answers with anything but one finite number per class, or a file to resume is of another
    evaluation, :class:`UsageError` where there is no runner, no such profile, or ``predictions`` exists already.
    """
    plan = plan_evaluation(
        model,
        config,
        dataset,
        [runner.info for runner in runners],
        profile=profile,
        reference_images=reference_images,
        predictions=predictions,
        resume=resume,
        run=run,
    )
    progress = progress or Progress()
    for warning in changed_irs(plan.models):
        progress.note(f"{model}: {warning}")
    clock, images = Clock(), plan.images_left()
    writer = PredictionsWriter(predictions, plan.setup, resumed=plan.resumed, run=plan.run) if predictions else None
    try:
        collector = Collector(plan, max_bad, writer)
        with (
            progress.counting(model, len(dataset.images), "image") as counter,
            closing(
                measured(plan.models, runners, images, readers(images, processors()), clock, collector.meet)
            ) as answers,
        ):
            counter.advance(plan.done)
            for batch in answers:
                collector.take(batch)
                counter.advance(len(batch.images), **collector.figures)
        found = collector.finish()
    finally:
        if writer:
            writer.close()
    return finished(plan, found, Timing.of(clock, clock.elapsed, collector.measured), *collector.notes)


def finished(plan: EvaluationPlan, found: Predictions, timing: Timing, *notes: str) -> Evaluation:
    """Make the evaluation of ``plan`` whose answers are ``found``; ``notes`` are remarks for its report.

    Raises :class:`DatasetError` where no image was measured.
    """
    remarks = [f"{tested.info.label}: {remark}" for tested in plan.models for remark in tested.info.remarks]
    remarks += [*changed_irs(plan.models), *in_another_precision(plan.models)]
    earlier = (f"{plan.done} of the images were measured by an earlier run",) if plan.done else ()
    if plan.resumed and plan.resumed.seal is None:
        remarks.append(without_digests(plan.resumed))
    classes = plan.dataset.classes
    names = tuple(one[0] for one in classes.names) if classes else ()
    report = summarize(plan.setup, found, timing, (*remarks, *earlier, *notes), plan.runs, names)
    return Evaluation(plan.setup, found, report)
