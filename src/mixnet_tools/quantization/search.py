"""A bounded search: settings are tried in order until one keeps the accuracy. What a trial does is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.values import Comparison


@dataclass(frozen=True)
class Trial:
    """One variant: how it was quantized, how long that took, and how it compares with the float model.

    ``comparison`` is None where nothing was measured; ``kept`` whether top-1 stayed within the allowed drop.
    """

    settings: QuantizationSettings
    seconds: float
    comparison: Comparison | None
    kept: bool | None


@dataclass(frozen=True)
class Found:
    """All trials in their order, and the index of the one to take: the first that was kept, else the best."""

    trials: tuple[Trial, ...]
    chosen: int


def keeps(comparison: Comparison, max_drop: float) -> bool:
    """Whether top-1 lies at most ``max_drop`` points below the other model's (counted, not estimated)."""
    return comparison.lost - comparison.gained <= max_drop * comparison.images / 100 + 1e-9


def search(
    variants: Iterable[QuantizationSettings],
    attempt: Callable[[QuantizationSettings], tuple[float, Comparison]],
    max_drop: float,
) -> Found:
    """Call ``attempt``, which returns (seconds of quantizing, the comparison), for each variant until one is kept.

    The best of those that were not is the one with the most right top-1 answers; of equal ones the one with more top-5
    answers, and then the earlier.
    """
    trials: list[Trial] = []
    for settings in variants:
        seconds, comparison = attempt(settings)
        trials.append(Trial(settings, seconds, comparison, keeps(comparison, max_drop)))
        if trials[-1].kept:
            break
    return Found(tuple(trials), len(trials) - 1 if trials[-1].kept else _best(trials))


def _best(trials: list[Trial]) -> int:
    def rank(index: int) -> tuple[int, int, int]:
        found = trials[index].comparison
        return (found.top1, found.top5, -index) if found else (-1, -1, -index)

    return max(range(len(trials)), key=rank)
