"""An earlier run's answers, kept to compare later runs with, image by image.

A baseline is a small JSON file with one line per image, made to be committed: what was right and what each model said,
with what it was made from (digests, versions), and without paths. Flips between it and a run are paired, so their test
does not depend on how hard the images are: a subset finds a drop that its share of right answers would hide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mixnet_tools.accuracy.metrics.mcnemar import PairedTest, mcnemar
from mixnet_tools.accuracy.predictions.values import Predictions, Setup
from mixnet_tools.errors import EvaluationError
from mixnet_tools.files import atomic

SCHEMA = 1
_KIND = "mixnet_tools baseline"

ALPHA = 0.01
"""A model fails where flips against it would be so uneven with at most this probability, were it no worse."""

SHOWN = 100
"""How many flipped images of each kind a judgement names."""


@dataclass(frozen=True)
class BaselineImage:
    """What was right, and what each of the baseline's models answered first."""

    accepted: tuple[int, ...]
    predicted: tuple[int, ...]


@dataclass(frozen=True)
class Baseline:
    """A baseline that was read. ``labels`` are its models' names, in the order of :attr:`BaselineImage.predicted`."""

    path: Path
    model: str
    profile: str
    labels: tuple[str, ...]
    preprocessing: tuple[tuple[str, ...], ...]
    images: Mapping[str, BaselineImage]


@dataclass(frozen=True)
class Flip:
    """An image that one run answered right and the other wrong: classes of the model, counted from 0."""

    name: str
    right: int
    baseline: int
    now: int


@dataclass(frozen=True)
class BaselineJudgement:
    """One model against its baseline. ``lost`` and ``gained`` name the first :data:`SHOWN` flips of each kind."""

    launcher: str
    precision: str | None
    test: PairedTest
    alpha: float
    passed: bool
    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]

    @property
    def label(self) -> str:
        """A short name for messages: ``openvino FP16``, ``tf``."""
        return f"{self.launcher} {self.precision}" if self.precision else self.launcher

    def summary(self) -> str:
        """In one line, for people."""
        return (
            f"{self.label}: {self.test.lost} of {self.test.images} images lost and {self.test.gained} gained since the "
            f"baseline (p = {self.test.p_drop:.2g} if it were no worse)"
        )


def write_baseline(path: Path, setup: Setup, predictions: Predictions) -> None:
    """Write the baseline of a finished run to ``path``, whole or not at all."""
    data = setup.dataset
    header = {
        "kind": _KIND,
        "schema": SCHEMA,
        "model": setup.model,
        "profile": setup.profile,
        "dataset": {
            "name": data.name,
            "labels": data.labels,
            "total": data.total,
            "evaluated": len(predictions.names),
            "fingerprint": data.fingerprint,
        },
        "versions": {name: version for name, version in asdict(setup.versions).items() if version},
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
    lines = [
        f"  {json.dumps(name)}: {json.dumps([list(accepted), row])}"
        for name, accepted, row in zip(predictions.names, predictions.accepted, firsts, strict=True)
    ]
    text = json.dumps(header, indent=1)[:-2] + ',\n "images": {\n' + ",\n".join(lines) + "\n }\n}\n"
    atomic.write_text(path, text)


def read_baseline(path: Path) -> Baseline:
    """Read ``path``. Raises :class:`EvaluationError` where it is missing or no baseline."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != _KIND or document["schema"] != SCHEMA:
            raise ValueError("another kind or schema of file")
        labels = tuple(str(runner["name"]) for runner in document["runners"])
        steps = tuple(tuple(map(str, runner["preprocessing"])) for runner in document["runners"])
        images = {
            str(name): BaselineImage(tuple(map(int, accepted)), tuple(map(int, predicted)))
            for name, (accepted, predicted) in document["images"].items()
        }
        if any(len(image.predicted) != len(labels) or not image.accepted for image in images.values()):
            raise ValueError("an image has another number of answers than there are runners")
        return Baseline(path, str(document["model"]), str(document["profile"]), labels, steps, images)
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read: {error.strerror or error}",
            hint="make the baseline first: the same command with --update_baseline",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise EvaluationError(
            f"{path}: no baseline: {reason}", hint="make one with --baseline FILE --update_baseline"
        ) from error


def compare(
    baseline: Baseline, setup: Setup, predictions: Predictions, alpha: float = ALPHA
) -> tuple[tuple[BaselineJudgement, ...], tuple[str, ...]]:
    """(a judgement for each model that the baseline knows, remarks): the run's images against the same ones then.

    Raises :class:`EvaluationError` where the baseline is of another model or profile, prepared its images otherwise,
    knows none of the models or less than half of the images, or counts other classes right.
    """
    pairs = (("model", baseline.model, setup.model), ("profile", baseline.profile, setup.profile))
    for what, theirs, ours in pairs:
        if theirs != ours:
            raise EvaluationError(f"{baseline.path}: is the baseline of {what} {theirs!r}, and this run is of {ours!r}")
    rows, known = _matched(baseline, predictions)
    notes = []
    if 2 * len(rows) < len(predictions.names):
        raise EvaluationError(
            f"{baseline.path}: knows only {len(rows)} of the {len(predictions.names)} images",
            hint="a drop among the others would not be seen: write it anew with --update_baseline",
        )
    if len(rows) < len(predictions.names):
        notes.append(f"{len(predictions.names) - len(rows)} of the images are not in the baseline {baseline.path}")
    if 0.5 ** len(rows) > alpha:  # not even all of them lost would be significant
        raise EvaluationError(
            f"{baseline.path}: knows {len(rows)} of the images, too few for any loss to be seen",
            hint="measure more of the baseline's images, or write it anew with --update_baseline",
        )
    judgements = []
    for index, tested in enumerate(setup.models):
        if tested.label not in baseline.labels:
            notes.append(f"{tested.label} is not in the baseline {baseline.path}, and not judged by it")
            continue
        place = baseline.labels.index(tested.label)
        if baseline.preprocessing[place] != tested.preprocessing:
            raise EvaluationError(
                f"{baseline.path}: {tested.label}: its images were prepared otherwise: "
                f"{', '.join(baseline.preprocessing[place])}; and in this run: {', '.join(tested.preprocessing)}",
                hint="if that is meant, write it anew with --update_baseline",
            )
        then = np.array([image.predicted[place] for image in known])
        accepted = [predictions.accepted[row] for row in rows]
        now = predictions.answers[index].first[rows]
        right_now = np.array([int(one) in classes for one, classes in zip(now, accepted, strict=True)])
        right_then = np.array([int(one) in classes for one, classes in zip(then, accepted, strict=True)])
        test = mcnemar(right_now, right_then)
        flips = [
            Flip(predictions.names[row], accepted[spot][0], int(then[spot]), int(now[spot]))
            for spot, row in enumerate(rows)
        ]
        lost, gained = (
            tuple(flips[spot] for spot in np.flatnonzero(mask)[:SHOWN])
            for mask in (right_then & ~right_now, right_now & ~right_then)
        )
        passed = test.p_drop > alpha
        judgements.append(BaselineJudgement(tested.launcher, tested.precision, test, alpha, passed, lost, gained))
    measured = {tested.label for tested in setup.models}
    unmeasured = [label for label in baseline.labels if label not in measured]
    notes += [f"{label} is in the baseline {baseline.path}, and was not measured" for label in unmeasured]
    if not judgements:
        found = ", ".join(tested.label for tested in setup.models)
        raise EvaluationError(f"{baseline.path}: knows {', '.join(baseline.labels)}, but measured were {found}")
    return tuple(judgements), tuple(notes)


def _matched(baseline: Baseline, predictions: Predictions) -> tuple[list[int], list[BaselineImage]]:
    """(rows of the run's images that the baseline knows, the baseline's images to them)."""
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
                f"{baseline.path}: {name}: the baseline counts {_classes(found.accepted)} right, and this run "
                f"{_classes(predictions.accepted[row])}",
                hint="it was made with other labels: make it again with --update_baseline",
            )
        rows.append(row)
        known.append(found)
    if not rows:
        raise EvaluationError(f"{baseline.path}: knows none of the images of this run", hint="is it another data set?")
    return rows, known


def _classes(labels: Sequence[int]) -> str:
    return f"class{'es' if len(labels) > 1 else ''} {', '.join(map(str, labels))}"
