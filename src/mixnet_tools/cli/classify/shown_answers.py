"""Prints what models say of images: as text with bars for people, as JSON, or as CSV."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Sequence
from typing import Protocol

from mixnet_tools.accuracy.classification.values import Classification, ClassifiedImage, ModelAnswer
from mixnet_tools.cli.common.output import print_json

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
        width = shutil.get_terminal_size().columns
        self._width = width
        self._begun: Classification | None = begun

    def image(self, image: ClassifiedImage) -> None:
        """See :class:`Printer`."""
        if image.problem is not None:
            return
        if self._begun is not None:
            print("\n".join(_wrapped(_head(self._begun), self._width)))
            self._begun = None
        notes = f", {', '.join(image.notes)}" if image.notes else ""
        print()
        print("\n".join(_wrapped(f"{image.name} ({image.width} x {image.height}{notes})", self._width)))
        side_by_side = 2 + _LEAST_NAME + len(self._short) * (2 + max(_SCORE, *map(len, self._short)))
        if len(self._short) == 1 or side_by_side <= self._width:
            self._block(image.answers, self._short if len(self._short) > 1 else [])
        else:
            for short, answer in zip(self._short, image.answers, strict=True):
                print(f"  {short}:")
                self._block([answer], [])
        if not image.agreed:
            firsts = ", ".join(
                f"{short} {answer.classes[0].text}" for short, answer in zip(self._short, image.answers, strict=True)
            )
            print("\n".join(_wrapped(f"  the models disagree: {firsts}", self._width)))

    def end(self, classification: Classification) -> None:
        """See :class:`Printer`."""

    def _block(self, answers: Sequence[ModelAnswer], heads: Sequence[str]) -> None:
        rows = _rows(answers)
        column = max([_SCORE, *map(len, heads)])
        taken = 2 + len(answers) * (2 + column)
        longest = max(len(text) for text, _ in rows)
        bar = min(_MOST_BAR, self._width - taken - longest - 2)
        if bar < _LEAST_BAR:
            bar = 0
        name = max(1, min(longest, self._width - taken - (bar + 2 if bar else 0)))
        if heads:
            print("  " + " " * name + "".join(f"  {head:>{column}}" for head in heads))
        for text, scores in rows:
            line = f"  {_cut(text, name):<{name}}" + "".join(
                f"  {'' if score is None else f'{100 * score:.1f} %':>{column}}" for score in scores
            )
            print(f"{line}  {_bar(scores[0] or 0.0, bar)}".rstrip() if bar else line)


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


def _bar(score: float, width: int) -> str:
    """A bar of ``width`` characters for 1.0, in eighths of a character; in # where the output has no blocks."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        _EIGHTHS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#" * round(score * width)
    whole, part = divmod(round(score * width * 8), 8)
    return ("█" * whole + _EIGHTHS[part]).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..." if width > 3 else text[:width]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(10, width), subsequent_indent="    ") or [""]
