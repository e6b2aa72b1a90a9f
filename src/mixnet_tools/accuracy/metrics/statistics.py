"""Statistics beyond a share of right answers: classes, confusions, calibration, two models on the same images. Pure.

Wilson's interval of a share is :class:`mixnet_tools.accuracy.metrics.topk.Accuracy`'s.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.metrics.topk import Floats, Integers

BINS = 15
CONFUSIONS = 20
"""How many confused pairs a report lists."""


@dataclass(frozen=True)
class ClassCount:
    """Of ``total`` images of class ``label``, ``correct`` were named right."""

    label: int
    correct: int
    total: int


@dataclass(frozen=True)
class Confusion:
    """``count`` images of class ``label`` were taken for ``predicted``."""

    label: int
    predicted: int
    count: int


@dataclass(frozen=True)
class Bin:
    """Images whose top-1 score lies in (``low``, ``high``]: their mean score, and the share of right answers."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """``ece``: how far scores and shares of right answers lie apart, on average over images (0 to 1)."""

    ece: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class PairedTest:
    """Two models on the same ``images``: ``gained`` are right only with this one, ``lost`` only with the other.

    ``p_two_sided`` and ``p_drop`` are McNemar's exact probabilities of flips at least as uneven, if neither model were
    better; ``p_drop`` counts only flips against this model.
    """

    images: int
    gained: int
    lost: int
    p_two_sided: float
    p_drop: float


def per_class(labels: Integers, right: npt.NDArray[np.bool_]) -> tuple[ClassCount, ...]:
    """Right answers by class, for the classes that occur in ``labels`` [N], sorted by class."""
    if not len(labels):
        return ()
    totals = np.bincount(labels)
    corrects = np.bincount(labels[right], minlength=len(totals))
    return tuple(ClassCount(int(label), int(corrects[label]), int(totals[label])) for label in np.flatnonzero(totals))


def confusions(labels: Integers, predicted: Integers, right: npt.NDArray[np.bool_]) -> tuple[Confusion, ...]:
    """The :data:`CONFUSIONS` most frequent wrong answers; of equal ones those of the lower class first."""
    pairs = Counter(zip(labels[~right].tolist(), predicted[~right].tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(label, other, count) for (label, other), count in ordered[:CONFUSIONS])


def calibration(confidence: Floats, right: npt.NDArray[np.bool_]) -> Calibration:
    """Expected calibration error over :data:`BINS` equal bins of the top-1 score (Guo et al., ICML 2017, arXiv
    1706.04599, equation 3). Empty bins are left out.

    >>> calibration(np.array([0.9, 0.9, 0.5]), np.array([True, False, True])).ece
    0.433333
    """
    index = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins, error = [], 0.0
    for number in range(BINS):
        inside = index == number
        images = int(inside.sum())
        if images:
            mean, share = math.fsum(confidence[inside]) / images, int(right[inside].sum()) / images
            error += images / len(confidence) * abs(mean - share)
            bins.append(Bin(number / BINS, (number + 1) / BINS, images, round(mean, 6), round(share, 6)))
    return Calibration(round(error, 6), tuple(bins))


def mcnemar(this: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> PairedTest:
    """McNemar's test (Psychometrika 12, 1947), exact by binomial probabilities, of two models' right answers, [N] each.

    >>> mcnemar(np.array([True, True, False]), np.array([True, False, True]))
    PairedTest(images=3, gained=1, lost=1, p_two_sided=1.0, p_drop=0.75)
    """
    gained, lost = int((this & ~other).sum()), int((other & ~this).sum())
    p_two_sided = min(1.0, 2 * _upper_tail(max(gained, lost), gained + lost))
    return PairedTest(len(this), gained, lost, p_two_sided, _upper_tail(lost, gained + lost))


def _upper_tail(count: int, flips: int) -> float:
    """P(X >= count) of ``flips`` throws of a fair coin, by exact counting."""
    ways, term = 0, math.comb(flips, count)
    for k in range(count, flips + 1):
        ways += term
        term = term * (flips - k) // (k + 1)
    return ways / (1 << flips) if flips < 1000 else float(_big_ratio(ways, flips))


def _big_ratio(ways: int, flips: int) -> float:
    shift = max(0, ways.bit_length() - 64)
    return math.ldexp(ways >> shift, shift - flips)


def first_labels(accepted: Sequence[Sequence[int]]) -> Integers:
    """The first right class of each image: its class, where images are counted by class."""
    return np.array([classes[0] for classes in accepted], dtype=np.int64)
