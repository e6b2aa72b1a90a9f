"""What models answered, image by image: the value that every figure of a report is computed from.

Answers are kept as they are written to files (five classes, scores rounded to six digits), so that a run that was
interrupted and resumed, or measured in shards and merged, has exactly the figures of one run. The file is
:mod:`.records`' subject, the figures are :mod:`.summary`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixnet_tools.accuracy.launchers.base import Digest, label_of
from mixnet_tools.accuracy.metrics.topk import TOP, Floats, Integers, ranks

DatasetForm = Literal["annotations", "class_folders", "imagenet_tar", "tfrecord", "parquet", "webdataset"]


@dataclass(frozen=True)
class DatasetSummary:
    """The images that were evaluated.

    ``source`` and ``annotations`` are paths as they were given; ``name`` is what accuracy-check.yml calls the data
    set; ``total`` counts the data set's images, ``evaluated`` those measured; ``label_offset`` was added to each label.
    ``reference_images`` is the size of the set on which the references were measured, None where it is not known.
    ``excluded`` counts images that were left out on request, ``labels`` says whose labels count, and ``fingerprint``
    is the SHA-256 of all names and labels in order. ``chosen`` counts the images of which a shard is a part, and
    ``chosen_fingerprint`` is theirs.
    """

    name: str
    source: str
    form: DatasetForm
    annotations: str | None
    total: int
    evaluated: int
    label_offset: int
    reference_images: int | None
    excluded: int = 0
    labels: Literal["own", "ReaL"] = "own"
    fingerprint: str = ""
    chosen: int = 0
    chosen_fingerprint: str = ""


@dataclass(frozen=True)
class Versions:
    """Software that had a part in the figures; None where a package was not used."""

    mixnet_tools: str
    openvino: str | None
    tensorflow: str | None
    pillow: str
    numpy: str
    python: str
    onnxruntime: str | None = None
    opencv: str | None = None


@dataclass(frozen=True)
class ModelSetup:
    """One model that is measured: see :class:`mixnet_tools.accuracy.reports.accuracy_report.ModelResult`."""

    launcher: str
    precision: str | None
    device: str
    preprocessing: tuple[str, ...]
    reference_top1: float | None
    reference_top5: float | None
    digests: tuple[Digest, ...]
    among_devices: bool = False

    @property
    def label(self) -> str:
        """See :func:`mixnet_tools.accuracy.launchers.base.label_of`."""
        return label_of(self.launcher, self.precision, self.device if self.among_devices else None)


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``count``, counted from 1."""

    number: int
    count: int


@dataclass(frozen=True)
class Setup:
    """Everything that is known of an evaluation before its first image. ``dataset.evaluated`` counts planned images."""

    model: str
    profile: str
    classes: int
    dataset: DatasetSummary
    models: tuple[ModelSetup, ...]
    versions: Versions
    shard: Shard | None = None


@dataclass(frozen=True)
class BadImage:
    """An image that could not be measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Answers:
    """One model's answers: ``classes`` [N, 5], best first (-1: none), and their probabilities ``scores`` [N, 5]."""

    classes: Integers
    scores: Floats

    @property
    def first(self) -> Integers:
        """The top-1 class of each image, [N]."""
        return self.classes[:, 0]


@dataclass(frozen=True)
class Predictions:
    """All answers to N images, in the data set's order (while they come in: in the order in which they come).

    ``accepted`` are the model's classes that count as right for each image; ``answers`` has one entry per model, in the
    order of :attr:`Setup.models`. ``bad`` images are in none of these. ``odd`` maps what was odd about images to names.
    """

    names: tuple[str, ...]
    accepted: tuple[tuple[int, ...], ...]
    answers: tuple[Answers, ...]
    bad: tuple[BadImage, ...] = ()
    odd: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def ranks(self, tested: int) -> Integers:
        """See :func:`mixnet_tools.accuracy.metrics.topk.ranks`; for the model at index ``tested``."""
        return ranks(self.answers[tested].classes, self.accepted)

    def in_order(self, names: Sequence[str]) -> Predictions:
        """The same, in the order of ``names``, which has every image."""
        place = {name: index for index, name in enumerate(names)}
        rows = sorted(range(len(self.names)), key=lambda row: place[self.names[row]])
        if rows != list(range(len(rows))):
            chosen = np.array(rows, dtype=np.int64)
            answers = tuple(Answers(one.classes[chosen], one.scores[chosen]) for one in self.answers)
        else:
            answers = self.answers
        return Predictions(
            names=tuple(self.names[row] for row in rows),
            accepted=tuple(self.accepted[row] for row in rows),
            answers=answers,
            bad=tuple(sorted(self.bad, key=lambda one: place[one.name])),
            odd=tuple((kind, tuple(sorted(found, key=place.__getitem__))) for kind, found in self.odd),
        )


class PredictionsBuilder:
    """Answers as they come in, in arrays of a size that is known beforehand."""

    def __init__(self, images: int, models: int) -> None:
        self._names: list[str] = []
        self._accepted: list[tuple[int, ...]] = []
        self._bad: list[BadImage] = []
        self._odd: dict[str, list[str]] = {}
        self._classes = [np.full((images, TOP), -1, dtype=np.int64) for _ in range(models)]
        self._scores = [np.zeros((images, TOP)) for _ in range(models)]

    def __len__(self) -> int:
        return len(self._names) + len(self._bad)

    @property
    def bad(self) -> Sequence[BadImage]:
        """The bad images so far."""
        return self._bad

    def add(self, name: str, accepted: tuple[int, ...], answers: Sequence[Answers], row: int) -> None:
        """The next image; its answers stand in row ``row`` of each of ``answers``."""
        place = len(self._names)
        self._names.append(name)
        self._accepted.append(accepted)
        for tested, answer in enumerate(answers):
            self._classes[tested][place] = answer.classes[row]
            self._scores[tested][place] = answer.scores[row]

    def add_bad(self, image: BadImage) -> None:
        """The next image is one that could not be measured."""
        self._bad.append(image)

    def add_notes(self, name: str, image_notes: Sequence[str]) -> None:
        """What was odd about an image."""
        for image_note in image_notes:
            self._odd.setdefault(image_note, []).append(name)

    def extend(self, earlier: Predictions) -> None:
        """The images of an earlier run, or of another shard, come next."""
        for row, name in enumerate(earlier.names):
            self.add(name, earlier.accepted[row], earlier.answers, row)
        self._bad.extend(earlier.bad)
        for kind, names in earlier.odd:
            self._odd.setdefault(kind, []).extend(names)

    def predictions(self) -> Predictions:
        """All of it so far."""
        count = len(self._names)
        pairs = zip(self._classes, self._scores, strict=True)
        answers = tuple(Answers(classes[:count], scores[:count]) for classes, scores in pairs)
        odd = tuple((kind, tuple(names)) for kind, names in sorted(self._odd.items()))
        return Predictions(tuple(self._names), tuple(self._accepted), answers, tuple(self._bad), odd)
