"""Merges the predictions files of all shards into the evaluation that one run over all images would have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mixnet_tools.accuracy.datasets.account import OTHER_SHARD, use_images_again
from mixnet_tools.accuracy.datasets.dataset import fingerprint
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.predictions.jsonl import PredictionsFile, read_predictions, same_setup, without_digests
from mixnet_tools.accuracy.predictions.provenance import unlike_precisions
from mixnet_tools.accuracy.predictions.values import ModelSetup, PredictionsBuilder, Run, Setup
from mixnet_tools.accuracy.reports.summarize import summarize
from mixnet_tools.errors import EvaluationError


def merge(paths: Sequence[Path], run: Run | None = None) -> Evaluation:
    """Merge the predictions files ``paths``, in any order. A single file that is of no shard is taken as it is.

    The report has the runs that wrote the files and, last, the ``run`` that merges them.

    Raises :class:`EvaluationError` where one is no predictions file or is unfinished, where two are of different
    evaluations, or where a shard is missing or given twice.
    """
    files = [_read(path) for path in paths]
    first = files[0]
    for other in files[1:]:
        difference = same_setup(first.setup, other.setup, in_any_precision=True)
        if difference:
            raise EvaluationError(f"{first.path} and {other.path} are not of one evaluation: {difference}")
    ordered = _in_order(files)
    planned = sum(file.setup.dataset.evaluated for file in ordered)
    accounts = use_images_again(first.setup.dataset.accounts, OTHER_SHARD)
    dataset = replace(first.setup.dataset, evaluated=planned, accounts=accounts)
    setups = [file.setup for file in ordered]
    setup = replace(first.setup, dataset=dataset, models=_models(setups), shard=None)
    if planned != setup.dataset.chosen:
        raise EvaluationError(f"the shards hold {planned} images, but {setup.dataset.chosen} are in the whole")
    builder = PredictionsBuilder(planned, len(setup.models))
    seen: dict[str, Path] = {}
    for file in ordered:
        again = next((name for name in file.order if name in seen), None)
        if again is not None:
            raise EvaluationError(f"{seen[again]} and {file.path} both hold {again}")
        seen.update(dict.fromkeys(file.order, file.path))
        builder.extend(file.predictions)
    _check_order(setup, ordered)
    found = builder.predictions()
    timing = Timing(0.0, len(found.names), 0.0, 0.0, 0.0, 0.0, None)
    notes = (*unlike_precisions(setups), *(without_digests(file) for file in ordered if file.seal is None))
    runs = (*(one for file in ordered for one in file.told_runs), *((run,) if run else ()))
    return Evaluation(setup, found, summarize(setup, found, timing, notes, runs))


def _models(setups: Sequence[Setup]) -> tuple[ModelSetup, ...]:
    """The models of all shards, each with the precisions that it was computed in."""
    merged = []
    for models in zip(*(setup.models for setup in setups), strict=True):
        told = dict.fromkeys(model.inference_precision for model in models if model.inference_precision)
        merged.append(replace(models[0], inference_precision=" and ".join(told) or None))
    return tuple(merged)


def _check_order(setup: Setup, files: Sequence[PredictionsFile]) -> None:
    """Check by the fingerprint of names and labels that the images stand in the data set's order.

    They do not where a run on a cluster was killed before it put its file in order.
    """
    named = [pair for file in files for pair in zip(file.order, file.accepted, strict=True)]
    if not all(accepted for _, accepted in named):
        return  # files of earlier versions have no labels of bad images
    offset = setup.dataset.label_offset
    found = fingerprint((name, [label - offset for label in accepted]) for name, accepted in named)
    if found != setup.dataset.chosen_fingerprint:
        raise EvaluationError(
            f"{', '.join(str(file.path) for file in files)}: the images do not stand in the data set's order",
            hint="resume the runs that wrote them: they measure nothing anew, and put the images in order",
        )


def _read(path: Path) -> PredictionsFile:
    file = read_predictions(path)
    if file is None:
        raise EvaluationError(f"{path}: holds nothing yet")
    planned = file.setup.dataset.evaluated
    if file.images < planned:
        raise EvaluationError(
            f"{path}: holds {file.images} of {planned} images: its run was interrupted",
            hint="resume that run first",
        )
    return file


def _in_order(files: Sequence[PredictionsFile]) -> list[PredictionsFile]:
    shards = [file.setup.shard for file in files]
    if len(files) == 1 and shards[0] is None:
        return list(files)
    numbered: dict[int, PredictionsFile] = {}
    for file, shard in zip(files, shards, strict=True):
        if shard is None:
            raise EvaluationError(f"{file.path}: is no shard", hint="each run needs its `shard`")
        if shard.number in numbered:
            raise EvaluationError(f"{file.path} and {numbered[shard.number].path} are the same shard, {shard.number}")
        numbered[shard.number] = file
    counts = {shard.count for shard in shards if shard}
    if len(counts) != 1:
        raise EvaluationError(
            f"these are parts of different wholes: {', '.join(f'.../{one}' for one in sorted(counts))}"
        )
    missing = [number for number in range(1, counts.pop() + 1) if number not in numbered]
    if missing:
        raise EvaluationError(f"shard {', '.join(map(str, missing))} is missing")
    return [numbered[number] for number in sorted(numbered)]
