"""Plans an evaluation: models and images that fit each other, and the images that an earlier run has measured.

No loaded model is needed, only what is known of it (:class:`mixnet_tools.accuracy.launchers.base.RunnerInfo`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.evaluation.evaluation_setup import make_setup
from mixnet_tools.accuracy.evaluation.model_checks import check, input_sizes
from mixnet_tools.accuracy.evaluation.model_under_test import ModelUnderTest, model_under_test, named_apart
from mixnet_tools.accuracy.launchers.base import RunnerInfo
from mixnet_tools.accuracy.predictions.jsonl import HEADER_START, PredictionsFile, read_predictions, same_setup
from mixnet_tools.accuracy.predictions.values import Run, Setup
from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import AccuracyConfig
from mixnet_tools.errors import EvaluationError


@dataclass(frozen=True)
class EvaluationPlan:
    """What to measure.

    ``resumed`` is the predictions file of an earlier run that this one goes on with, or None. ``run`` describes this
    one, where anything is left for it to measure.
    """

    setup: Setup
    models: tuple[ModelUnderTest, ...]
    dataset: ImageDataset
    resumed: PredictionsFile | None
    run: Run | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs that measure images of this evaluation: earlier ones, and this one."""
        return (
            *(self.resumed.told_runs if self.resumed else ()),
            *((self.run,) if self.run and self.images_left() else ()),
        )

    @property
    def done(self) -> int:
        """How many images an earlier run has measured or found bad."""
        return self.resumed.images if self.resumed else 0

    def images_left(self) -> tuple[LabelledImage, ...]:
        """The images that no earlier run has done, in the data set's order."""
        if not self.resumed:
            return self.dataset.images
        done = frozenset(self.resumed.order)
        return tuple(image for image in self.dataset.images if image.name not in done)


def plan_evaluation(
    model: str,
    config: AccuracyConfig,
    dataset: ImageDataset,
    infos: Sequence[RunnerInfo],
    *,
    profile: str = "omz",
    reference_images: int | None = None,
    predictions: Path | None = None,
    resume: bool = False,
    run: Run | None = None,
) -> EvaluationPlan:
    """Check the models ``infos``, their preprocessing and ``dataset`` against each other, and read what is done.

    For the parameters and errors see :func:`mixnet_tools.accuracy.evaluation.evaluate.evaluate`.
    """
    models = tuple(model_under_test(info, config, profile) for info in named_apart(infos))
    check(models, dataset)
    input_sizes(models)
    setup = make_setup(model, profile, models, dataset, reference_images)
    resumed = _resumable(predictions, setup, dataset) if predictions and resume else None
    if resumed and resumed.images == len(dataset.images):  # all that was measured was measured by it
        setup = replace(setup, versions=resumed.setup.versions)
    run = replace(run, versions=setup.versions, shard=setup.shard) if run else None
    return EvaluationPlan(setup, models, dataset, resumed, run)


def _resumable(path: Path, setup: Setup, dataset: ImageDataset) -> PredictionsFile | None:
    found = read_predictions(path) if path.exists() else None
    if found is None:
        if path.exists():
            with path.open("rb") as stream:
                begun = stream.read(64)
            if not (begun.startswith(HEADER_START) or HEADER_START.startswith(begun)):
                raise EvaluationError(f"{path}: is no predictions file, and is not overwritten")
            os.truncate(path, 0)  # it is empty, or has only the torn first line of an evaluation
        return None
    difference = same_setup(setup, found.setup)
    if difference is None and setup.shard != found.setup.shard:
        difference = f"shard {setup.shard} and {found.setup.shard}"
    # The images may be done in any order: a cluster measures them as its workers have time.
    if difference is None and not {image.name for image in dataset.images}.issuperset(found.order):
        difference = "other images"
    if difference:
        raise EvaluationError(
            f"{path}: is of another evaluation: {difference}", hint="name another file: `predictions`"
        )
    return found
