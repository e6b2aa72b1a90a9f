"""Measures how many images a second each model of an evaluation takes, one model after the other, round by round.

The evaluation itself cannot tell: its models run side by side, and images are decoded meanwhile.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from mixnet_tools.accuracy.launchers.base import Array, Runner
from mixnet_tools.inference.throughput import run_in_turn

ROUNDS = 15
SECONDS = 0.1
"""Length of one run. The measurement takes ``ROUNDS * SECONDS`` for each model."""

_BATCH = 8
_IN_FLIGHT = 3
"""How many batches a model holds at once, so that it never waits for the next one."""


@dataclass(frozen=True)
class Speed:
    """Images a second: the median of ``rounds`` short runs in turn with other models, and their quartiles."""

    images_per_second: float
    low: float
    high: float
    rounds: int


def measure_speed(runners: Sequence[Runner], rounds: int = ROUNDS, seconds: float = SECONDS) -> tuple[Speed, ...]:
    """Measure ``runners``, which are idle, on images that are in memory already. Decoding takes no part.

    Raises :class:`EvaluationError` where a model fails.
    """
    rates = run_in_turn([_Timed(runner) for runner in runners], rounds, seconds)
    return tuple(_speed(one) for one in rates)


def _speed(rates: Sequence[float]) -> Speed:
    low, middle, high = statistics.quantiles(rates, n=4) if len(rates) > 1 else (rates[0],) * 3
    return Speed(round(middle, 2), round(low, 2), round(high, 2), len(rates))


class _Timed:
    """A launcher that can be timed: see :class:`mixnet_tools.inference.throughput.Runnable`."""

    def __init__(self, runner: Runner) -> None:
        self._runner, size = runner, (_BATCH, runner.info.height, runner.info.width, 3)
        self._images = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)

    def rate(self, count: int) -> float:
        """Run about ``count`` images, in whole batches."""
        batches, waiting = max(1, round(count / _BATCH)), deque[Callable[[], Array]]()
        started = perf_counter()
        for _ in range(batches):
            waiting.append(self._runner.start(self._images))
            if len(waiting) >= _IN_FLIGHT:
                waiting.popleft()()
        for answer in waiting:
            answer()
        return batches * _BATCH / (perf_counter() - started)
