"""The difference of two runs, image by image: which images flipped, by class, and whether chance explains it.

A run is known from its predictions file or from a baseline. Both hold each model's answer to each image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixnet_tools.accuracy.gate.baseline import read_baseline
from mixnet_tools.accuracy.gate.paired_answers import Flip, classes_text, pair_answers
from mixnet_tools.accuracy.metrics.intervals import difference_interval
from mixnet_tools.accuracy.metrics.mcnemar import PairedTest, mcnemar
from mixnet_tools.accuracy.metrics.per_class import first_labels, flips_by_class
from mixnet_tools.accuracy.predictions.jsonl import HEADER_START, read_predictions
from mixnet_tools.accuracy.predictions.provenance import Makers, makers_of_runs, unlike
from mixnet_tools.descriptors.labels import names_of_classes
from mixnet_tools.errors import EvaluationError, UsageError, listed
from mixnet_tools.values import ClassFlips


@dataclass(frozen=True)
class RunAnswers:
    """The first answers of the models ``labels`` to images, as the file ``path`` holds them.

    ``answers`` has for each image its right classes, and a class for each of ``labels``. ``steps`` are the
    preprocessing of each. ``made_by`` tells of the software and processors.
    ``classes`` counts those of the models, and the first ``background`` ones are of no image (None, 0: not known).
    """

    path: Path
    model: str
    profile: str
    labels: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]
    answers: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    made_by: tuple[Makers, ...] = ()
    classes: int | None = None
    background: int = 0

    def class_names(self, labels: Sequence[str]) -> tuple[str, ...]:
        """See :func:`mixnet_tools.descriptors.labels.names_of_classes`."""
        return names_of_classes(labels, len(labels) if self.classes is None else self.classes, self.background)


@dataclass(frozen=True)
class Difference:
    """The model ``after`` of one run compared with the model ``before`` of another, on the ``images`` of both.

    ``before_right`` and ``after_right`` count right first answers. ``changed`` counts first answers that are not the
    same, right or wrong. ``points`` is the difference of top-1 in points (of 100), with its 95 % score interval
    (T. Tango, 1998). ``lost`` are all images that only ``before`` names right, ``gained`` those that only ``after``
    does, in the order of the first file.
    """

    before: str
    after: str
    images: int
    before_right: int
    after_right: int
    changed: int
    points: float
    interval: tuple[float, float]
    test: PairedTest
    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]
    by_class: tuple[ClassFlips, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for :func:`json.dump`."""
        return asdict(self)


def read_answers(path: Path) -> RunAnswers:
    """Read a predictions file or a baseline.

    Raises :class:`EvaluationError` where it is missing or neither of them, or was edited or damaged.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(len(HEADER_START))
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror or error}") from error
    if start != HEADER_START:
        try:
            baseline = read_baseline(path)
        except EvaluationError as error:
            error.hint = "give a file that a run wrote: its predictions, or a baseline"
            raise
        images = {name: (one.accepted, one.predicted) for name, one in baseline.images.items()}
        return RunAnswers(
            path,
            baseline.model,
            baseline.profile,
            baseline.labels,
            baseline.preprocessing,
            images,
            baseline.made_by,
            baseline.classes,
            baseline.background,
        )
    file = read_predictions(path)
    if file is None or not file.predictions.names:
        raise EvaluationError(f"{path}: holds no answers yet")
    found = file.predictions
    firsts = np.stack([answers.first for answers in found.answers], axis=1).tolist()
    return RunAnswers(
        path,
        file.setup.model,
        file.setup.profile,
        tuple(model.label for model in file.setup.models),
        tuple(model.preprocessing for model in file.setup.models),
        {name: (accepted, tuple(row)) for name, accepted, row in zip(found.names, found.accepted, firsts, strict=True)},
        makers_of_runs(file.setup, file.told_runs),
        file.setup.classes,
        file.setup.dataset.label_offset,
    )


def differences(
    before: RunAnswers, after: RunAnswers, models: tuple[str, str] | None = None
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Compare two runs: (a difference for each pair of models, remarks for people).

    ``models`` names one model of each run; without it, those of the same name are compared, or the only ones. Raises
    :class:`UsageError` where there is no such model, and :class:`EvaluationError` where the runs have no image in
    common, or the right classes of an image differ.
    """
    pairs = _pairs(before, after, models)
    common = [name for name in before.answers if name in after.answers]
    if not common:
        raise EvaluationError(f"{before.path} and {after.path} have no image in common")
    other = next((name for name in common if before.answers[name][0] != after.answers[name][0]), None)
    if other is not None:
        raise EvaluationError(
            f"{other}: {before.path} takes {classes_text(before.answers[other][0])} for right, {after.path} "
            f"{classes_text(after.answers[other][0])}: the labels of the runs differ"
        )
    found = tuple(_difference(before, after, one, two, common) for one, two in pairs)
    return found, tuple(_remarks(before, after, pairs, len(common)))


def _pairs(before: RunAnswers, after: RunAnswers, models: tuple[str, str] | None) -> list[tuple[str, str]]:
    if models is not None:
        for run, label in zip((before, after), models, strict=True):
            if label not in run.labels:
                raise UsageError(
                    f"{run.path}: has no model {label!r}, but {', '.join(run.labels)}",
                    hint=f"`models={before.labels[0]},{after.labels[0]}`",
                )
        return [models]
    same = [(label, label) for label in before.labels if label in after.labels]
    if same:
        return same
    if len(before.labels) == len(after.labels) == 1:
        return [(before.labels[0], after.labels[0])]
    raise UsageError(
        f"no model is in both: {before.path} has {', '.join(before.labels)}, {after.path} {', '.join(after.labels)}",
        hint=f"`models={before.labels[0]},{after.labels[0]}`",
    )


def _difference(before: RunAnswers, after: RunAnswers, one: str, two: str, names: Sequence[str]) -> Difference:
    first, second = before.labels.index(one), after.labels.index(two)
    accepted = [before.answers[name][0] for name in names]
    then = np.array([before.answers[name][1][first] for name in names])
    now = np.array([after.answers[name][1][second] for name in names])
    pairs = pair_answers(names, accepted, then, now)
    test = mcnemar(pairs.right_now, pairs.right_then)
    lost, gained = pairs.flips()
    low, high = difference_interval(test.gained, test.lost, len(names))
    return Difference(
        before=one,
        after=two,
        images=len(names),
        before_right=int(pairs.right_then.sum()),
        after_right=int(pairs.right_now.sum()),
        changed=int((then != now).sum()),
        points=round(100 * (test.gained - test.lost) / len(names), 4),
        interval=(round(100 * low, 4), round(100 * high, 4)),
        test=test,
        lost=lost,
        gained=gained,
        by_class=flips_by_class(
            first_labels(accepted), pairs.right_now & ~pairs.right_then, pairs.right_then & ~pairs.right_now
        ),
    )


def _remarks(before: RunAnswers, after: RunAnswers, pairs: Sequence[tuple[str, str]], common: int) -> list[str]:
    found = []
    for run in (before, after):
        if len(run.answers) > common:
            found.append(f"{len(run.answers) - common} images are in {run.path} only, and left out")
    if before.model != after.model:
        found.append(f"these are two models: {before.model} and {after.model}")
    if unlike_made := unlike(before.made_by, after.made_by):
        found.append(f"{before.path} and {after.path} were not made alike: {unlike_made}")
    for one, two in pairs:
        steps = before.steps[before.labels.index(one)], after.steps[after.labels.index(two)]
        if steps[0] != steps[1]:
            found.append(f"{one}: images were prepared by {', '.join(steps[0])}; {two}: by {', '.join(steps[1])}")
    alone = [label for label in (*before.labels, *after.labels) if not any(label in pair for pair in pairs)]
    if alone:
        found.append(f"not compared: {listed(dict.fromkeys(alone))}")
    return found
