"""Read the figures in the specification table of a model's card (README.md beside model.yml)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CARD_FILE = "README.md"


@dataclass(frozen=True)
class CardFigures:
    """The figures of a card: multiply-adds of one inference in 10^9 (its GFLOPs), and parameters in 10^6."""

    gflops: float | None
    mparams: float | None


def read_card(directory: Path) -> CardFigures | None:
    """The figures in the card of the model in ``directory``, or None where it has no card."""
    try:
        text = (directory / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return CardFigures(_figure(text, "GFLOPs"), _figure(text, "MParams"))


def _figure(text: str, name: str) -> float | None:
    """The number in the table row called ``name``.

    >>> _figure("| Metric | Value |\\n| GFLOPs | 0.565 |", "GFLOPs")
    0.565
    """
    match = re.search(rf"^\|\s*{name}\s*\|\s*([0-9.]+)\s*\|", text, re.MULTILINE | re.IGNORECASE)
    return float(match[1]) if match else None
