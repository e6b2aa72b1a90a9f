"""Searches for settings that keep the accuracy: variants are tried in order, until the first one is good enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.values import Comparison

Attempt = Callable[[QuantizationSettings], tuple[float, Comparison | None]]
"""Quantizes with these settings. Returns the seconds that took, and the comparison with the float model."""


@dataclass(frozen=True)
class Trial:
    """One variant: its settings, the seconds that quantizing took, and its comparison with the float model.

    ``comparison`` is None where nothing was measured. ``kept`` says whether top-1 stayed within the allowed drop, None
    where no drop was given.
    """

    settings: QuantizationSettings
    seconds: float
    comparison: Comparison | None
    kept: bool | None


@dataclass(frozen=True)
class SearchResult:
    """All trials in their order, and the index of the one to take: the first one that was kept, or else the best."""

    trials: tuple[Trial, ...]
    chosen: int


def keeps(comparison: Comparison, max_drop: float) -> bool:
    """Whether top-1 lies at most ``max_drop`` points below the other model's. It is counted, not estimated."""
    return comparison.lost - comparison.gained <= max_drop * comparison.images / 100 + 1e-9


def search(variants: Iterable[QuantizationSettings], attempt: Attempt, max_drop: float | None) -> SearchResult:
    """Attempt each of ``variants`` until one keeps top-1 within ``max_drop`` points.

    Without ``max_drop``, only the first is attempted. Where none is kept, the best one has the most right top-1
    answers; of equal ones it has more right top-5 answers, and of these it is the earliest.
    """
    trials: list[Trial] = []
    for settings in variants:
        seconds, comparison = attempt(settings)
        kept = keeps(comparison, max_drop) if comparison and max_drop is not None else None
        trials.append(Trial(settings, seconds, comparison, kept))
        if kept or max_drop is None:
            return SearchResult(tuple(trials), len(trials) - 1)
    return SearchResult(tuple(trials), _best(trials))


def _best(trials: list[Trial]) -> int:
    def rank(index: int) -> tuple[int, int, int]:
        found = trials[index].comparison
        return (found.top1, found.top5, -index) if found else (-1, -1, -index)

    return max(range(len(trials)), key=rank)
