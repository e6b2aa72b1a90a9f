"""Searches for settings that keep the accuracy: variants are tried in order, until the first one is good enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mixnet_tools.quantization.float_layers import LayerCounts
from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.quantization.throughput import Throughput
from mixnet_tools.values import Comparison

USUAL_DROP = 1.0
"""Points of top-1 that a trial may lose where nobody gave a limit, before another is tried: mixnet-check's for INT8."""

Attempt = Callable[[QuantizationSettings], tuple[float, Comparison | None]]
"""Quantizes with these settings. Returns the seconds that took, and the comparison with the float model."""


@dataclass(frozen=True)
class Trial:
    """One variant: its settings, the seconds that quantizing took, and its comparison with the float model.

    ``comparison`` is None where nothing was measured. ``kept`` says whether top-1 stayed within the allowed drop, None
    where no drop was given. ``in_float`` counts the layers whose weights stayed floats. ``throughput`` is its speed
    beside the first float IR's, empty where speed was not measured.
    """

    settings: QuantizationSettings
    seconds: float
    comparison: Comparison | None
    kept: bool | None
    in_float: int = 0
    throughput: tuple[Throughput, ...] = ()


@dataclass(frozen=True)
class SearchResult:
    """All trials in their order, and the index of the one to take: the first one that was kept, or else the best."""

    trials: tuple[Trial, ...]
    chosen: int

    def described(self, layers: Sequence[LayerCounts], speeds: Sequence[tuple[Throughput, ...]]) -> SearchResult:
        """This result, where each trial has its layers in float and its speed."""
        trials = (
            replace(trial, in_float=len(counts.in_float), throughput=speed)
            for trial, counts, speed in zip(self.trials, layers, speeds, strict=True)
        )
        return replace(self, trials=tuple(trials))

    def good_enough(self, max_drop: float | None) -> bool:
        """Whether the trial to take keeps top-1 within ``max_drop`` points, or nothing was measured."""
        return _good_enough(self.trials[self.chosen], max_drop)

    def explain(self, max_drop: float | None) -> str:
        """Explain in a few words, for people, what accuracy says for the trial to take."""
        chosen = self.trials[self.chosen]
        if chosen.comparison is None:
            return "accuracy was not measured"
        points = _points(max_drop)
        within = f"within {points:g} point{'' if points == 1 else 's'} of the float model's top-1"
        if self.good_enough(max_drop):
            return f"trial {self.chosen + 1} is {within}"
        if len(self.trials) == 1:
            return f"it is not {within}, and the settings allow no other trial"
        return f"none is {within}, and trial {self.chosen + 1} has the most right answers"


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
        trial = judged(settings, attempt(settings), max_drop)
        trials.append(trial)
        if trial.kept or max_drop is None:
            return SearchResult(tuple(trials), len(trials) - 1)
    return SearchResult(tuple(trials), _best(trials))


def judged(settings: QuantizationSettings, attempted: tuple[float, Comparison | None], max_drop: float | None) -> Trial:
    """Judge what an :data:`Attempt` of ``settings`` returned, where ``max_drop`` is given."""
    seconds, comparison = attempted
    kept = keeps(comparison, max_drop) if comparison and max_drop is not None else None
    return Trial(settings, seconds, comparison, kept)


def weigh(found: SearchResult, other: Trial, *, faster: bool, max_drop: float | None) -> SearchResult:
    """Add ``other`` to the trials of ``found``, and take it where it is better than the one that was taken.

    If both are good enough (see :meth:`SearchResult.good_enough`), it is better where it is ``faster``. If one is, that
    one is better. If none is, the one with the most right answers is the best.
    """
    trials, last = (*found.trials, other), len(found.trials)
    if not _good_enough(other, max_drop):
        chosen = found.chosen if found.good_enough(max_drop) else _best(trials)
    else:
        chosen = last if faster or not found.good_enough(max_drop) else found.chosen
    return SearchResult(trials, chosen)


def _points(max_drop: float | None) -> float:
    return USUAL_DROP if max_drop is None else max_drop


def _good_enough(trial: Trial, max_drop: float | None) -> bool:
    return trial.comparison is None or keeps(trial.comparison, _points(max_drop))


def _best(trials: Sequence[Trial]) -> int:
    def rank(index: int) -> tuple[int, int, int]:
        found = trials[index].comparison
        return (found.top1, found.top5, -index) if found else (-1, -1, -index)

    return max(range(len(trials)), key=rank)
