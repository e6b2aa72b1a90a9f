"""Writes the answers of a run to a baseline file, and compares the answers of later runs with it, image by image.

A baseline is a small JSON file, made to be committed. It has a line for each image, with the right classes and each
model's first answer; digests and versions; and no paths. The comparison is paired: it does not depend on how hard the
images are, so a subset shows a drop that its share of right answers would hide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mixnet_tools.accuracy.gate.paired_answers import Flip, classes_text, pair_answers
from mixnet_tools.accuracy.launchers.base import without_precision
from mixnet_tools.accuracy.metrics.mcnemar import PairedTest, mcnemar
from mixnet_tools.accuracy.metrics.topk import Integers
from mixnet_tools.accuracy.predictions.provenance import Makers, makers_of_runs, unlike
from mixnet_tools.accuracy.predictions.values import ModelSetup, Predictions, Run, Setup
from mixnet_tools.errors import EvaluationError, OutputError
from mixnet_tools.files import atomic, bounded, strict_json

SCHEMA = 2
WITHOUT_DIGEST = 1
"""The schema of earlier versions, whose files have no digest of their own contents."""

_KIND = "mixnet_tools baseline"
_MAX_BYTES = 256 << 20
"""The largest baseline that is read. One of ImageNet's 50,000 images has 4 MB."""

ALPHA = 0.01
"""A model fails where a model that is no worse would have so uneven flips with at most this probability."""

SHOWN = 100
"""How many flipped images of each kind a judgement holds."""

NAMED = 10
"""How many of them Markdown and JUnit name."""


@dataclass(frozen=True)
class BaselineImage:
    """The right classes of an image, and the first answer of each of the baseline's models."""

    accepted: tuple[int, ...]
    predicted: tuple[int, ...]


@dataclass(frozen=True)
class Baseline:
    """A baseline that was read. ``labels`` name its models, in the order of :attr:`BaselineImage.predicted`.

    ``has_digest`` is False for files of earlier versions, in which an edit goes unnoticed. ``made_by`` tells of the
    software and processors of its runs. The model tells ``classes`` apart, of which the first ``background`` ones are
    of no image (None, 0: an earlier version did not say).
    """

    path: Path
    model: str
    profile: str
    labels: tuple[str, ...]
    preprocessing: tuple[tuple[str, ...], ...]
    images: Mapping[str, BaselineImage]
    has_digest: bool = True
    made_by: tuple[Makers, ...] = ()
    classes: int | None = None
    background: int = 0


@dataclass(frozen=True)
class BaselineJudgement:
    """One model, by its ``label``, compared with its baseline.

    ``lost`` and ``gained`` are the first :data:`SHOWN` flips of each kind.
    """

    label: str
    launcher: str
    precision: str | None
    test: PairedTest
    alpha: float
    passed: bool
    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]

    def flips(self) -> list[str]:
        """Name the first :data:`NAMED` images of each kind, a line for each."""
        kinds = (("lost", self.lost), ("gained", self.gained))
        return [
            f"{kind}: {one.name}: class {one.right}, was {one.baseline}, is {one.now}"
            for kind, flips in kinds
            for one in flips[:NAMED]
        ]

    def summary(self) -> str:
        """Describe the comparison in one line, for people."""
        return (
            f"{self.label}: {self.test.lost} of {self.test.images} images lost and {self.test.gained} gained since the "
            f"baseline (p = {self.test.p_drop:.2g} if it were no worse)"
        )


def write_baseline(path: Path, setup: Setup, predictions: Predictions, runs: Sequence[Run] = ()) -> None:
    """Write the answers ``predictions`` of the evaluation ``setup``, which ``runs`` measured, to ``path``, whole or not
    at all.

    Raises :class:`OutputError` where it cannot be written.
    """
    data = setup.dataset
    header: dict[str, object] = {
        "kind": _KIND,
        "schema": SCHEMA,
        "digest": "",
        "model": setup.model,
        "profile": setup.profile,
        "classes": setup.classes,
        "background": data.label_offset,
        "dataset": {
            "name": data.name,
            "labels": data.labels,
            "total": data.total,
            "evaluated": len(predictions.names),
            "fingerprint": data.fingerprint,
        },
        "versions": {name: version for name, version in asdict(setup.versions).items() if version},
        "made_by": list(makers_of_runs(setup, runs)),
        "runners": [
            {
                "name": tested.label,
                "preprocessing": list(tested.preprocessing),
                "top1_correct": int((predictions.ranks(index) == 0).sum()),
                "digests": {digest.what: digest.sha256 for digest in tested.digests},
            }
            for index, tested in enumerate(setup.models)
        ],
    }
    firsts = np.stack([answers.first for answers in predictions.answers], axis=1).tolist()
    images = {
        name: [list(accepted), row]
        for name, accepted, row in zip(predictions.names, predictions.accepted, firsts, strict=True)
    }
    header["digest"] = _digest({**header, "images": images})
    lines = [f"  {json.dumps(name)}: {json.dumps(answers)}" for name, answers in images.items()]
    text = json.dumps(header, indent=1)[:-2] + ',\n "images": {\n' + ",\n".join(lines) + "\n }\n}\n"
    try:
        atomic.write_text(path, text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_baseline(path: Path) -> Baseline:
    """Read the baseline ``path``.

    Raises :class:`EvaluationError` where it is missing, is no baseline, or was edited or damaged.
    """
    try:
        document = strict_json.loads(bounded.read_bytes(path, _MAX_BYTES))
        if document["kind"] != _KIND or document["schema"] not in (SCHEMA, WITHOUT_DIGEST):
            raise ValueError("another kind or schema of file")
        has_digest = document["schema"] != WITHOUT_DIGEST
        if has_digest and (found := _digest(document)) != document["digest"]:
            raise EvaluationError(
                f"{path}: was edited or damaged since a run wrote it:\n  expected the digest {document['digest']!s:.80}"
                f"\n  got      {found}",
                hint="restore it, or write it anew from a run: `update_baseline`",
            )
        labels = tuple(str(runner["name"]) for runner in document["runners"])
        steps = tuple(tuple(map(str, runner["preprocessing"])) for runner in document["runners"])
        images = {
            str(name): BaselineImage(tuple(map(int, accepted)), tuple(map(int, predicted)))
            for name, (accepted, predicted) in document["images"].items()
        }
        if any(len(image.predicted) != len(labels) or not image.accepted for image in images.values()):
            raise ValueError("an image has another number of answers than there are runners")
        made_by = tuple(
            {str(name): str(value) for name, value in makers.items()}
            for makers in document.get("made_by", [document.get("versions", {})])
        )
        names = str(document["model"]), str(document["profile"])
        told = (int(document["classes"]), int(document["background"])) if "classes" in document else (None, 0)
        return Baseline(path, *names, labels, steps, images, has_digest, made_by, *told)
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read: {error.strerror or error}",
            hint="make the baseline first: `update_baseline`",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise EvaluationError(f"{path}: no baseline: {reason}", hint="make one first: `update_baseline`") from error


def _digest(document: Mapping[str, object]) -> str:
    """The digest of all that a baseline says, but for its digest. Line ends and spaces are no part of it."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return f"sha256:{hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}"


def compare(
    baseline: Baseline, setup: Setup, predictions: Predictions, runs: Sequence[Run] = ()
) -> tuple[tuple[BaselineJudgement, ...], tuple[str, ...]]:
    """Compare the answers of a run with those of ``baseline`` to the same images. ``runs`` measured them.

    Returns (a judgement for each model that both have, remarks for people). An IR that both have computed in one
    precision each is the same model, whichever these are. Other software and processors are remarks.

    Raises :class:`EvaluationError` where the baseline is of another model or profile, where its images were prepared
    otherwise or have other right classes, and where it has none of the models, less than half of the images, or too
    few.
    """
    pairs = (("model", baseline.model, setup.model), ("profile", baseline.profile, setup.profile))
    for what, theirs, ours in pairs:
        if theirs != ours:
            raise EvaluationError(f"{baseline.path}: is the baseline of {what} {theirs!r}, and this run is of {ours!r}")
    rows, known = _matched(baseline, predictions)
    notes = []
    if not baseline.has_digest:
        notes.append(f"{baseline.path}: an earlier version wrote it, without a digest: edits go unnoticed")
    if unlike_made := unlike(baseline.made_by, makers_of_runs(setup, runs)):
        notes.append(f"{baseline.path} was not made as this run was: {unlike_made}")
    if 2 * len(rows) < len(predictions.names):
        raise EvaluationError(
            f"{baseline.path}: knows only {len(rows)} of the {len(predictions.names)} images",
            hint="a drop among the others would not be seen: write it anew (`update_baseline`)",
        )
    if len(rows) < len(predictions.names):
        notes.append(f"{len(predictions.names) - len(rows)} of the images are not in the baseline {baseline.path}")
    if 0.5 ** len(rows) > ALPHA:  # not even all of them lost would be significant
        raise EvaluationError(
            f"{baseline.path}: knows {len(rows)} of the images, too few for any loss to be seen",
            hint="measure more of the baseline's images, or write it anew (`update_baseline`)",
        )
    judgements = []
    places = _places(baseline.labels, setup.models)
    for index, (model, place) in enumerate(zip(setup.models, places, strict=True)):
        if place is None:
            notes.append(f"{model.label} is not in the baseline {baseline.path}, and not judged by it")
            continue
        if baseline.labels[place] != model.label:
            notes.append(f"{model.label} was compared with {baseline.labels[place]} in {baseline.path}")
        if baseline.preprocessing[place] != model.preprocessing:
            raise EvaluationError(
                f"{baseline.path}: {model.label}: its images were prepared otherwise: "
                f"{', '.join(baseline.preprocessing[place])}; and in this run: {', '.join(model.preprocessing)}",
                hint="if that is meant, write it anew (`update_baseline`)",
            )
        then = np.array([image.predicted[place] for image in known])
        judgements.append(_judgement(model, predictions, index, rows, then))
    unmeasured = [label for place, label in enumerate(baseline.labels) if place not in places]
    notes += [f"{label} is in the baseline {baseline.path}, and was not measured" for label in unmeasured]
    if not judgements:
        found = ", ".join(model.label for model in setup.models)
        raise EvaluationError(f"{baseline.path}: knows {', '.join(baseline.labels)}, but measured were {found}")
    return tuple(judgements), tuple(notes)


def _places(labels: Sequence[str], models: Sequence[ModelSetup]) -> list[int | None]:
    """The place among a baseline's ``labels`` of each of ``models``; None where it has none.

    A label says what floats are computed in. Where both have one precision of an IR, it may be another one: what
    OpenVINO chooses depends on the processor.
    """
    found: list[int | None] = []
    for model in models:
        same = [place for place, label in enumerate(labels) if without_precision(label) == model.plain_label]
        alone = len(same) == 1 and sum(one.plain_label == model.plain_label for one in models) == 1
        exact = [place for place in same if labels[place] == model.label]
        found.append(next(iter(same if alone else exact), None))
    return found


def _judgement(
    model: ModelSetup, predictions: Predictions, index: int, rows: Sequence[int], then: Integers
) -> BaselineJudgement:
    """Judge model number ``index`` by its answers to the images ``rows`` and the baseline's (``then``)."""
    accepted = [predictions.accepted[row] for row in rows]
    now = predictions.answers[index].first[rows]
    pairs = pair_answers([predictions.names[row] for row in rows], accepted, then, now)
    test = mcnemar(pairs.right_now, pairs.right_then)
    lost, gained = pairs.flips(SHOWN)
    return BaselineJudgement(
        model.label, model.launcher, model.precision, test, ALPHA, test.p_drop > ALPHA, lost, gained
    )


def _matched(baseline: Baseline, predictions: Predictions) -> tuple[list[int], list[BaselineImage]]:
    """Find the images of the run in the baseline, by their names or by their names without folders.

    Returns (rows of ``predictions``, the baseline's images to them).
    """
    bare: dict[str, BaselineImage | None] = {}
    for name, image in baseline.images.items():
        short = name.rpartition("/")[2]
        bare[short] = None if short in bare else image  # two of one name cannot be told apart
    rows: list[int] = []
    known: list[BaselineImage] = []
    for row, name in enumerate(predictions.names):
        found = baseline.images.get(name) or bare.get(name.rpartition("/")[2])
        if found is None:
            continue
        if set(found.accepted) != set(predictions.accepted[row]):
            raise EvaluationError(
                f"{baseline.path}: {name}: the baseline counts {classes_text(found.accepted)} right, and this run "
                f"{classes_text(predictions.accepted[row])}",
                hint="it was made with other labels: write it anew (`update_baseline`)",
            )
        rows.append(row)
        known.append(found)
    if not rows:
        raise EvaluationError(f"{baseline.path}: knows none of the images of this run", hint="is it another data set?")
    return rows, known
