"""Top-k accuracy: the best classes of an answer, the place of the right one among them, shares of right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.metrics.intervals import wilson_interval

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


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
        """See :func:`mixnet_tools.accuracy.metrics.intervals.wilson_interval`."""
        return wilson_interval(self.correct, self.total)


TOP = 5
"""How many answers of each image are kept."""


def top_classes(logits: npt.NDArray[np.float32], top: int = TOP) -> tuple[Integers, Floats]:
    """The ``top`` best classes of each row of ``logits`` [N, classes] (finite), and their probabilities: both [N, top].

    Equal logits stand in the order of their classes. Probabilities are the softmax of the row, or the row itself where
    it holds probabilities already, rounded to six digits, as they are written to files: a row's answer depends on no
    other row. A model with fewer classes leaves -1 and 0.

    >>> classes, scores = top_classes(np.array([[0.0, 3.0, 3.0]], dtype=np.float32))
    >>> classes.tolist(), scores.tolist()
    ([[1, 2, 0, -1, -1]], [[0.487856, 0.487856, 0.024289, 0.0, 0.0]])
    """
    best = np.argsort(-logits, axis=1, kind="stable")[:, :top]
    scores = np.round(np.take_along_axis(_probabilities(logits), best, axis=1), 6)
    missing = top - best.shape[1]
    if missing > 0:
        best = np.pad(best, ((0, 0), (0, missing)), constant_values=-1)
        scores = np.pad(scores, ((0, 0), (0, missing)))
    return best.astype(np.int64), scores


def ranks(top: Integers, accepted: Sequence[Sequence[int]]) -> Integers:
    """At which place of ``top`` [N, 5] the first right class stands: 0 is a top-1 answer, 5 means in none.

    ``accepted`` holds the right classes of each row.

    >>> ranks(np.array([[7, 3, 1, 0, 2], [7, 3, 1, 0, 2]]), [[3], [2, 1]]).tolist()
    [1, 2]
    """
    if all(len(classes) == 1 for classes in accepted):
        hits = top == np.array([classes[0] for classes in accepted], dtype=np.int64).reshape(-1, 1)
    else:
        hits = np.array([np.isin(row, classes) for row, classes in zip(top, accepted, strict=True)])
    hits = hits.reshape(-1, TOP)
    return np.asarray(np.where(hits.any(axis=1), hits.argmax(axis=1), TOP), dtype=np.int64)


def top_k(rank: Integers, k: int) -> Accuracy:
    """Top-``k`` accuracy from :func:`ranks`, ``k`` at most 5."""
    return Accuracy(int((rank < k).sum()), len(rank))


def agreement(one: Integers, other: Integers) -> Accuracy:
    """On how many images two models give the same first answer; both [N]."""
    return Accuracy(int((one == other).sum()), len(one))


def is_near_chance(top1: Accuracy, classes: int) -> bool:
    """Whether guessing would do as well: within three standard deviations of 1/``classes``, or below.

    Fewer than 10 images cannot tell.
    """
    chance = 1.0 / classes
    return top1.total >= 10 and top1.fraction <= chance + 3 * math.sqrt(chance * (1 - chance) / top1.total)


def _probabilities(logits: npt.NDArray[np.float32]) -> Floats:
    rows = logits.astype(np.float64)
    own = (rows >= 0).all(axis=1, keepdims=True) & (np.abs(rows.sum(axis=1, keepdims=True) - 1) < 1e-3)
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(np.where(own, rows, powers / powers.sum(axis=1, keepdims=True)))
