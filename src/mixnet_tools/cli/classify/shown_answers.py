"""Prints what models say of images: as text with bars for people, as JSON, or as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Protocol

from mixnet_tools.accuracy.classification.values import Classification, ClassifiedImage, ModelAnswer
from mixnet_tools.cli.common.output import print_json, print_table, print_text
from mixnet_tools.cli.common.tables import Cell, Column
from mixnet_tools.cli.common.terminal import columns_of, terminal_of

SCHEMA = 1
_SCORE = 7
"""Characters of a score: ``100.0 %``."""

_LEAST_NAME, _LEAST_BAR, _MOST_BAR = 12, 6, 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Printer(Protocol):
    """Prints images as they come, and what is known at the end."""

    def __init__(self, begun: Classification) -> None:
        """``begun`` has no images yet."""

    def image(self, image: ClassifiedImage) -> None:
        """An image with its answers, or its problem."""

    def end(self, classification: Classification) -> None:
        """All of them."""


class TextPrinter:
    """A block for each image: a line for each class, with the score of each model, and a bar for the first one's."""

    def __init__(self, begun: Classification) -> None:
        self._short = [label.removeprefix("openvino ") for label, _ in begun.models]
        self._begun: Classification | None = begun

    def image(self, image: ClassifiedImage) -> None:
        """See :class:`Printer`."""
        if image.problem is not None:
            return
        if self._begun is not None:
            print_text(_head(self._begun))
            self._begun = None
        notes = f", {', '.join(image.notes)}" if image.notes else ""
        print()
        print_text(f"{image.name} ({image.width} x {image.height}{notes})", style="bold")
        width = terminal_of(sys.stdout).width
        side_by_side = _LEAST_NAME + len(self._short) * (2 + max(_SCORE, *map(len, self._short)))
        if len(self._short) == 1 or width is None or side_by_side <= width:
            _print_block(image.answers, self._short if len(self._short) > 1 else [""], width)
        else:
            for short, answer in zip(self._short, image.answers, strict=True):
                _print_block([answer], [short], width)
        if not image.agreed:
            pairs = zip(self._short, image.answers, strict=True)
            firsts = ", ".join(f"{short} {answer.classes[0].text}" for short, answer in pairs)
            print_text(f"the models disagree: {firsts}", style="bad")

    def end(self, classification: Classification) -> None:
        """See :class:`Printer`."""


class JsonPrinter:
    """One JSON document, at the end."""

    def __init__(self, begun: Classification) -> None:
        pass

    def image(self, image: ClassifiedImage) -> None:
        """See :class:`Printer`."""

    def end(self, classification: Classification) -> None:
        """See :class:`Printer`."""
        print_json({"schema": SCHEMA, **to_json(classification)})


class CsvPrinter:
    """A header, and a row for each image, model and class."""

    def __init__(self, begun: Classification) -> None:
        self._rows = csv.writer(sys.stdout, lineterminator="\n")
        self._rows.writerow(("image", "model", "rank", "class", "label", "score"))

    def image(self, image: ClassifiedImage) -> None:
        """See :class:`Printer`."""
        for answer in image.answers:
            for rank, found in enumerate(answer.classes, start=1):
                self._rows.writerow(
                    (image.name, answer.model, rank, found.index, found.name or "", f"{found.score:.6f}")
                )

    def end(self, classification: Classification) -> None:
        """See :class:`Printer`."""


PRINTERS: dict[str, type[Printer]] = {"text": TextPrinter, "json": JsonPrinter, "csv": CsvPrinter}


def to_json(classification: Classification) -> dict[str, object]:
    """``classification`` as plain data."""
    return {
        "model": classification.model,
        "profile": classification.profile,
        "preprocessing": list(classification.preprocessing),
        "models": [{"model": label, "inference_precision": computed} for label, computed in classification.models],
        "notes": list(classification.notes),
        "images": [_image_to_json(image) for image in classification.images],
    }


def _image_to_json(image: ClassifiedImage) -> dict[str, object]:
    if image.problem is not None:
        return {"image": image.name, "problem": image.problem}
    kept = image.kept
    return {
        "image": image.name,
        "width": image.width,
        "height": image.height,
        "kept": None if kept is None else [kept.left, kept.top, kept.right, kept.bottom],
        "notes": list(image.notes),
        "answers": [
            {
                "model": answer.model,
                "classes": [
                    {"class": found.index, "label": found.name, "score": found.score} for found in answer.classes
                ],
            }
            for answer in image.answers
        ],
    }


def _head(begun: Classification) -> str:
    models = ", ".join(f"{label} in {computed}" for label, computed in begun.models)
    return f"{begun.model}: {models}; profile {begun.profile}: {', '.join(begun.preprocessing)}"


def _rows(answers: Sequence[ModelAnswer]) -> list[tuple[str, list[float | None]]]:
    """(class, its score by each model): the classes of the first of ``answers``, then what the others add."""
    scores = [{found.index: found.score for found in answer.classes} for answer in answers]
    texts = {found.index: found.text for answer in answers for found in answer.classes}
    return [(text, [one.get(index) for one in scores]) for index, text in texts.items()]


def _print_block(answers: Sequence[ModelAnswer], heads: Sequence[str], width: int | None) -> None:
    rows = _rows(answers)
    column = max([_SCORE, *map(len, heads)])
    longest = max(columns_of(text) for text, _ in rows)
    room = _MOST_BAR if width is None else width - longest - len(heads) * (2 + column) - 2
    bar = min(_MOST_BAR, room) if room >= _LEAST_BAR else 0
    columns = [Column("", breaks=True), *(Column(head, right=True) for head in heads), *([Column("")] if bar else [])]
    cells: list[list[Cell]] = []
    for text, scores in rows:
        row: list[Cell] = [text, *("" if score is None else f"{100 * score:.1f} %" for score in scores)]
        cells.append([*row, _bar(scores[0] or 0.0, bar)] if bar else row)
    print_table(columns, cells)


def _bar(score: float, width: int) -> str:
    """A bar of ``width`` characters for 1.0, in eighths of a character; in # where the output has no blocks."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        _EIGHTHS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#" * round(score * width)
    whole, part = divmod(round(score * width * 8), 8)
    return ("█" * whole + _EIGHTHS[part]).rstrip()
