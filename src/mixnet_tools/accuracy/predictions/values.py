"""The answers of models to each image, and what was measured, as values. All figures are computed from them.

Answers are kept as files hold them: the five best classes, scores rounded to six digits. So a run that was interrupted
and resumed, or measured in shards and merged, has exactly the figures of one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixnet_tools.accuracy.datasets.account import Accounts
from mixnet_tools.accuracy.launchers.base import Digest, Labelled
from mixnet_tools.accuracy.metrics.topk import TOP, Floats, Integers, ranks
from mixnet_tools.inference.machine import Machine
from mixnet_tools.ir.digests import Integrity

DatasetForm = Literal["annotations", "class_folders", "imagenet_tar", "tfrecord", "parquet", "webdataset"]


@dataclass(frozen=True)
class DatasetSummary:
    """The images that were evaluated.

    ``name`` is what accuracy-check.yml calls the data set. ``source`` and ``annotations`` are its places, as they were
    given and without secrets. ``total`` counts the data set's images, ``evaluated`` the measured ones.
    ``label_offset`` was added to each label to get the model's class. ``reference_images`` is the size of the set on
    which the references were measured, None where it is not known. ``excluded`` counts images that were left out on
    request. ``labels`` says whose labels count. ``fingerprint`` is the SHA-256 of all names and labels in order, in
    lower-case hex. ``chosen`` counts the images of a subset before a shard was taken from it, and
    ``chosen_fingerprint`` is the fingerprint of these. ``split`` is the split that was taken, None where names say
    none. ``accounts`` tells of every file; the last one counts images. ``remarks`` are for people.
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
    split: str | None = None
    accounts: Accounts = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Versions:
    """The versions of the software that made the figures; None where a package was not used."""

    mixnet_tools: str
    openvino: str | None
    tensorflow: str | None
    pillow: str
    numpy: str
    python: str
    onnxruntime: str | None = None
    opencv: str | None = None


@dataclass(frozen=True)
class ModelSetup(Labelled):
    """One model before it is measured: see :class:`mixnet_tools.accuracy.reports.accuracy_report.ModelResult`."""

    launcher: str
    precision: str | None
    device: str
    preprocessing: tuple[str, ...]
    reference_top1: float | None
    reference_top5: float | None
    digests: tuple[Digest, ...]
    among_devices: bool = False
    integrity: Integrity | None = None
    inference_precision: str | None = None


@dataclass(frozen=True)
class Shard:
    """Part ``number`` (from 1) of the ``count`` parts of the image list."""

    number: int
    count: int


@dataclass(frozen=True)
class Setup:
    """All that is known of an evaluation before its first image. ``dataset.evaluated`` counts the planned images."""

    model: str
    profile: str
    classes: int
    dataset: DatasetSummary
    models: tuple[ModelSetup, ...]
    versions: Versions
    shard: Shard | None = None


@dataclass(frozen=True)
class Run:
    """A run that had a part in the figures.

    ``work`` says which part: it measured images, or it merged what other runs had measured. ``started`` is when it
    began, in UTC (``2026-11-26T02:20:56Z``). ``command`` is its command line without secrets, None where it was called
    from Python. ``machine`` is where it ran; on a cluster, other machines computed, with the same ``versions``. These
    are None where the file of an earlier version does not tell. ``shard`` is the part of the image list that it
    measured, None for all of it.
    """

    work: Literal["measured", "merged"]
    started: str
    command: str | None
    machine: Machine
    versions: Versions | None = None
    shard: Shard | None = None


@dataclass(frozen=True)
class BadImage:
    """An image that could not be measured, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Answers:
    """One model's answers to N images.

    ``classes`` [N, 5] are its five best, best first; -1 where the model has fewer. ``scores`` [N, 5] are their
    probabilities, 0 to 1.
    """

    classes: Integers
    scores: Floats

    @property
    def first(self) -> Integers:
        """The top-1 class of each image, [N]."""
        return self.classes[:, 0]


@dataclass(frozen=True)
class Predictions:
    """All answers to N images, in the data set's order.

    ``names`` are the images. ``accepted`` are the classes that count as right for each, as the model counts them.
    ``answers`` has one entry for each model, in the order of :attr:`Setup.models`. ``bad`` images could not be measured
    and are in none of these. ``image_notes`` says what was unusual about images (CMYK, 16-bit, ...), and the names of
    the images of each kind.
    """

    names: tuple[str, ...]
    accepted: tuple[tuple[int, ...], ...]
    answers: tuple[Answers, ...]
    bad: tuple[BadImage, ...] = ()
    image_notes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def ranks(self, index: int) -> Integers:
        """At which place of its answers model number ``index`` has the first right class, [N]: 0 to 4, and 5 for none.

        See :func:`mixnet_tools.accuracy.metrics.topk.ranks`.
        """
        return ranks(self.answers[index].classes, self.accepted)

    def in_order(self, names: Sequence[str]) -> Predictions:
        """The same answers in the order of ``names``, which are all images, bad ones among them."""
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
            image_notes=tuple((kind, tuple(sorted(found, key=place.__getitem__))) for kind, found in self.image_notes),
        )


class PredictionsBuilder:
    """Puts answers together image by image, in arrays for at most ``images`` images."""

    def __init__(self, images: int, models: int) -> None:
        self._names: list[str] = []
        self._accepted: list[tuple[int, ...]] = []
        self._bad: list[BadImage] = []
        self._image_notes: dict[str, list[str]] = {}
        self._classes = [np.full((images, TOP), -1, dtype=np.int64) for _ in range(models)]
        self._scores = [np.zeros((images, TOP)) for _ in range(models)]

    def __len__(self) -> int:
        return len(self._names) + len(self._bad)

    def add(self, name: str, accepted: tuple[int, ...], answers: Sequence[Answers], row: int) -> None:
        """Add an image. Its answers stand in row ``row`` of each model's ``answers``."""
        place = len(self._names)
        self._names.append(name)
        self._accepted.append(accepted)
        for index, answer in enumerate(answers):
            self._classes[index][place] = answer.classes[row]
            self._scores[index][place] = answer.scores[row]

    def add_bad(self, image: BadImage) -> None:
        """Add an image that could not be measured."""
        self._bad.append(image)

    def add_notes(self, name: str, image_notes: Sequence[str]) -> None:
        """Add what was unusual about the image ``name``."""
        for image_note in image_notes:
            self._image_notes.setdefault(image_note, []).append(name)

    def extend(self, earlier: Predictions) -> None:
        """Add all images of an earlier run, or of another shard."""
        for row, name in enumerate(earlier.names):
            self.add(name, earlier.accepted[row], earlier.answers, row)
        self._bad.extend(earlier.bad)
        for kind, names in earlier.image_notes:
            self._image_notes.setdefault(kind, []).extend(names)

    def predictions(self) -> Predictions:
        """All answers so far."""
        count = len(self._names)
        pairs = zip(self._classes, self._scores, strict=True)
        answers = tuple(Answers(classes[:count], scores[:count]) for classes, scores in pairs)
        notes = tuple((kind, tuple(names)) for kind, names in sorted(self._image_notes.items()))
        return Predictions(tuple(self._names), tuple(self._accepted), answers, tuple(self._bad), notes)
