"""Computes the figures of an accuracy report from the answers. The same answers give the same report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mixnet_tools.accuracy.datasets.account import UNDECODABLE, leave_images_out
from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.metrics.calibration_error import calibration_error
from mixnet_tools.accuracy.metrics.label_orders import likely_order
from mixnet_tools.accuracy.metrics.mcnemar import mcnemar
from mixnet_tools.accuracy.metrics.per_class import confusions, first_labels, per_class
from mixnet_tools.accuracy.metrics.topk import agreement, is_near_chance, top_k
from mixnet_tools.accuracy.predictions.provenance import unlike_runs
from mixnet_tools.accuracy.predictions.values import Predictions, Run, Setup
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport, ImageNote, ModelResult
from mixnet_tools.errors import DatasetError

ORIGINALS = ("tf", "onnx")
"""Launchers that run the original. IRs are compared with the first of them that ran."""

EXAMPLES = 5
"""How many bad images, and unusual images of one kind, are named."""

DIFFERING = 50
"""How many images are named to which an IR gives another first answer than the original."""


def summarize(
    setup: Setup,
    predictions: Predictions,
    timing: Timing,
    notes: tuple[str, ...] = (),
    runs: tuple[Run, ...] = (),
    class_names: Sequence[str] = (),
) -> AccuracyReport:
    """Compute the report on ``predictions``; ``notes`` are further remarks for it, and ``runs`` measured the images.

    ``class_names`` are the names of the model's classes by label, where they are known.

    Raises :class:`DatasetError` where no image was measured.
    """
    if not predictions.names:
        raise DatasetError(f"{setup.dataset.source}: none of the images could be measured")
    results = tuple(_result(setup, predictions, index) for index in range(len(setup.models)))
    doubts = _doubts(setup, predictions, results, class_names)
    accounts = leave_images_out(setup.dataset.accounts, UNDECODABLE, [one.name for one in predictions.bad])
    return AccuracyReport(
        model=setup.model,
        profile=setup.profile,
        classes=setup.classes,
        dataset=replace(setup.dataset, evaluated=len(predictions.names), accounts=accounts),
        results=results,
        versions=setup.versions,
        seconds=timing.seconds,
        notes=(*setup.dataset.remarks, *unlike_runs(runs), *notes, *_notes(setup, predictions), *doubts),
        bad_images=predictions.bad,
        odd_images=tuple(ImageNote(kind, len(names), names[:EXAMPLES]) for kind, names in predictions.image_notes),
        timing=timing,
        runs=runs,
    )


def original_index(setup: Setup) -> int | None:
    """The index of the original, with which IRs are compared; None where only IRs ran."""
    return next((index for index, tested in enumerate(setup.models) if tested.launcher in ORIGINALS), None)


def _result(setup: Setup, predictions: Predictions, index: int) -> ModelResult:
    tested, answers, rank = setup.models[index], predictions.answers[index], predictions.ranks(index)
    right, labels = rank == 0, first_labels(predictions.accepted)
    original = original_index(setup)
    same = paired = None
    differing: tuple[str, ...] = ()
    if original is not None and original != index:
        same = agreement(answers.first, predictions.answers[original].first)
        unlike = np.flatnonzero(answers.first != predictions.answers[original].first)
        differing = tuple(predictions.names[row] for row in unlike[:DIFFERING])
        paired = mcnemar(right, predictions.ranks(original) == 0)
    in_f32 = _same_in_f32(setup, index)
    return ModelResult(
        launcher=tested.launcher,
        precision=tested.precision,
        device=tested.device,
        preprocessing=tested.preprocessing,
        top1=top_k(rank, 1),
        top5=top_k(rank, 5),
        reference_top1=tested.reference_top1,
        reference_top5=tested.reference_top5,
        agreement=same,
        digests=tested.digests,
        among_devices=tested.among_devices,
        integrity=tested.integrity,
        inference_precision=tested.inference_precision,
        agreement_f32=None if in_f32 is None else agreement(answers.first, predictions.answers[in_f32].first),
        against_original=paired,
        differing=differing,
        calibration=calibration_error(answers.scores[:, 0], right),
        per_class=per_class(labels, right),
        confusions=confusions(labels, answers.first, right),
    )


def _same_in_f32(setup: Setup, index: int) -> int | None:
    """The index of the model that is number ``index``, computed in f32; None where that is the same, or was not run."""
    tested = setup.models[index]
    if tested.reduced_precision is None:
        return None
    wanted = replace(tested, inference_precision="f32")
    return next((place for place, model in enumerate(setup.models) if model == wanted), None)


def _notes(setup: Setup, predictions: Predictions) -> Iterator[str]:
    if predictions.bad:
        names = ", ".join(one.name for one in predictions.bad[:EXAMPLES])
        more = f" and {len(predictions.bad) - EXAMPLES} more" if len(predictions.bad) > EXAMPLES else ""
        yield f"{len(predictions.bad)} images could not be measured and are in no figure: {names}{more}"
    if setup.dataset.labels == "ReaL":
        yield "ReaL labels: several classes may be right, and the model's references, made with others, do not apply"
    elif all(tested.reference_top1 is None and tested.reference_top5 is None for tested in setup.models):
        yield f"no reference is known for the profile {setup.profile}: there is nothing to judge these figures by"


def _doubts(
    setup: Setup, predictions: Predictions, results: Sequence[ModelResult], names: Sequence[str]
) -> Iterator[str]:
    """Remarks on models whose answers would be right if labels counted in another order, or are as good as guesses."""
    labels, offset = first_labels(predictions.accepted), setup.dataset.label_offset
    for result, answers in zip(results, predictions.answers, strict=True):
        found = likely_order(answers.first, labels, setup.classes, offset, names)
        if found is not None:
            yield (
                f"{result.label}: top-1 would be {100 * found.correct / result.top1.total:.2f} % instead of "
                f"{result.top1.percent:.2f} % if labels counted {found.order.name}: do they?"
            )
        elif is_near_chance(result.top1, setup.classes):
            yield (
                f"{result.label}: top-1 {result.top1.percent:.2f} % is what guessing among {setup.classes} classes "
                "gives: do the labels count classes in the model's order? (ImageNet: sorted WordNet ids from 0, not "
                "the devkit's ids)"
            )
