"""Pictures of a data set for the HTML page: the surest mistakes of a model, and the images that flipped."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.datasets.image import LabelledImage
from mixnet_tools.accuracy.datasets.image_bytes import open_image
from mixnet_tools.accuracy.gate.baseline import BaselineJudgement
from mixnet_tools.accuracy.gate.paired_answers import Flip
from mixnet_tools.accuracy.predictions.values import Predictions, Setup
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.errors import DatasetError

MISTAKES = 24
"""How many mistakes are shown: those with the highest scores."""

FLIPS = 12
"""How many images of each model are shown that were lost since the baseline, and how many that were gained."""

THUMBNAIL = 112
"""The longer side of a picture, in pixels."""

Names = Callable[[int], str]
"""Gives the name of a class by its number in the model."""


@dataclass(frozen=True)
class Card:
    """An image with answers to it: ``facts`` are (what, answer, style) of each, and ``picture`` is a data URI."""

    name: str
    picture: str | None
    facts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class FlipsOfModel:
    """The images that flipped with one model: all of them are counted, the first ones are shown."""

    compared: BaselineJudgement
    lost: tuple[Card, ...]
    gained: tuple[Card, ...]


class Pictures:
    """Makes the cards of an evaluation. Without its ``dataset``, they have no pictures."""

    def __init__(self, setup: Setup, predictions: Predictions, dataset: ImageDataset | None, names: Names) -> None:
        self._setup, self._found, self._dataset, self._class_name = setup, predictions, dataset, names
        self._made: dict[str, str | None] = {}

    def mistakes(self, index: int) -> list[Card]:
        """The wrong answers of model number ``index`` with the highest scores."""
        answers, wrong = self._found.answers[index], np.flatnonzero(self._found.ranks(index) != 0)
        surest = wrong[np.argsort(-answers.scores[wrong, 0], kind="stable")][:MISTAKES]
        return [
            Card(
                self._found.names[row],
                self._picture(self._found.names[row]),
                (
                    ("said", f"{self._class_name(int(answers.first[row]))}, {self._score(index, row)}", "bad"),
                    ("is", self._class_name(self._found.accepted[row][0]), ""),
                ),
            )
            for row in surest
        ]

    def flips(self, compared: BaselineJudgement) -> FlipsOfModel | None:
        """The images that flipped with the model of ``compared`` since its baseline. None where none did."""
        if not (compared.lost or compared.gained):
            return None
        index = [model.label for model in self._setup.models].index(compared.label)
        lost, gained = (
            tuple(self._flip(flip, index, styles) for flip in flips[:FLIPS])
            for flips, styles in ((compared.lost, ("good", "bad")), (compared.gained, ("bad", "good")))
        )
        return FlipsOfModel(compared, lost, gained)

    def _flip(self, flip: Flip, index: int, styles: tuple[str, str]) -> Card:
        row = self._rows.get(flip.name)
        score = "" if row is None else f", {self._score(index, row)}"
        facts = (
            ("is", self._class_name(flip.right), ""),
            ("was", self._class_name(flip.baseline), styles[0]),
            ("now", f"{self._class_name(flip.now)}{score}", styles[1]),
        )
        return Card(flip.name, self._picture(flip.name), facts)

    def _score(self, index: int, row: int) -> str:
        return f"{100 * self._found.answers[index].scores[row, 0]:.1f}\u00a0%"

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._found.names)}

    @cached_property
    def _images(self) -> dict[str, LabelledImage]:
        return {image.name: image for image in self._dataset.images} if self._dataset else {}

    def _picture(self, name: str) -> str | None:
        if name not in self._made:
            self._made[name] = _thumbnail(self._images.get(name))
        return self._made[name]


def _thumbnail(image: LabelledImage | None) -> str | None:
    """A small JPEG as a data URI."""
    if image is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = decode(open_image(image), name=image.where).image
    except DatasetError:
        return None
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
