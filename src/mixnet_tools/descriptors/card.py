"""Read the figures in the specification table of a model's card (README.md beside model.yml)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.errors import DescriptorError
from mixnet_tools.files import bounded

CARD_FILE = "README.md"
MAX_BYTES = 1 << 20
"""The largest card that is read. The largest of Open Model Zoo has 25 kB."""


@dataclass(frozen=True)
class CardFigures:
    """The figures of a card: multiply-adds of one inference in 10^9 (its GFLOPs), and parameters in 10^6."""

    gflops: float | None
    mparams: float | None


def read_card(directory: Path) -> CardFigures | None:
    """The figures in the card of the model in ``directory``, or None where it has no card.

    Raises :class:`DescriptorError` where it cannot be read, or a figure is no number.
    """
    path = directory / CARD_FILE
    try:
        text = bounded.read_bytes(path, MAX_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DescriptorError(f"{path}: the model's card cannot be read: {error.strerror or error}") from error
    try:
        return CardFigures(_figure(text, "GFLOPs"), _figure(text, "MParams"))
    except ValueError as error:
        raise DescriptorError(f"{path}: the model's card: {error}") from error


def _figure(text: str, name: str) -> float | None:
    """The number in the table row called ``name``.

    >>> _figure("| Metric | Value |\\n| GFLOPs | 0.565 |", "GFLOPs")
    0.565
    """
    match = re.search(rf"^\|[ \t]*{name}[ \t]*\|[ \t]*([0-9.]+)[ \t]*\|", text, re.MULTILINE | re.IGNORECASE)
    if match is None:
        return None
    try:
        value = float(match[1])
    except ValueError:
        value = math.inf
    if value == math.inf:
        raise ValueError(f"{name}: expected a number, got {match[1][:40]!r}")
    return value
