"""Counting right answers. Pure: arrays in, numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Accuracy:
    """``correct`` answers out of ``total`` (at least 1)."""

    correct: int
    total: int

    @property
    def fraction(self) -> float:
        """Share of correct answers, 0 to 1."""
        return self.correct / self.total

    @property
    def percent(self) -> float:
        """Share of correct answers, 0 to 100."""
        return 100.0 * self.correct / self.total

    @property
    def interval95(self) -> tuple[float, float]:
        """Wilson's 95 % score interval of the fraction (E. B. Wilson, JASA 22, 1927): what other images of the same
        kind could have given.

        >>> [round(limit, 4) for limit in Accuracy(8, 10).interval95]
        [0.4902, 0.9433]
        """
        share, count, square = self.fraction, self.total, Z95 * Z95
        middle = (share + square / (2 * count)) / (1 + square / count)
        half = Z95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
        return max(0.0, middle - half), min(1.0, middle + half)


def predictions(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Index of the largest logit of each row of ``logits`` [N, classes]; of equal ones, the first. Shape [N]."""
    return np.asarray(np.argmax(logits, axis=1), dtype=np.int64)


def ranks(logits: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many classes stand before the right one, for each row: 0 is a top-1 answer, 0 to 4 a top-5 answer.

    ``logits`` is [N, classes] without NaN, ``classes`` [N] the right class of each row. Equal logits stand in the
    order of their classes, so that rank 0 is exactly what :func:`predictions` says.

    >>> scores = np.array([[0.1, 0.7, 0.7]], dtype=np.float32)
    >>> [int(ranks(scores, np.array([label]))[0]) for label in range(3)]
    [2, 0, 1]
    """
    own = np.take_along_axis(logits, classes[:, None], axis=1)
    earlier = np.arange(logits.shape[1])[None, :] < classes[:, None]
    before = (logits > own) | ((logits == own) & earlier)
    return np.asarray(before.sum(axis=1), dtype=np.int64)


def top_k(rank: npt.NDArray[np.int64], k: int) -> Accuracy:
    """Top-``k`` accuracy from :func:`ranks`."""
    return Accuracy(int((rank < k).sum()), len(rank))


def agreement(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> Accuracy:
    """On how many images two models give the same :func:`predictions`."""
    return Accuracy(int((one == other).sum()), len(one))


def is_near_chance(top1: Accuracy, classes: int) -> bool:
    """Whether guessing would do as well: within three standard deviations of 1/``classes``, or below.

    Fewer than 10 images cannot tell.
    """
    chance = 1.0 / classes
    return top1.total >= 10 and top1.fraction <= chance + 3 * math.sqrt(chance * (1 - chance) / top1.total)
