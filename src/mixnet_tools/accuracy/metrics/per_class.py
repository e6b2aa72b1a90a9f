"""Right answers by class, and which classes are confused with which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.metrics.topk import Integers
from mixnet_tools.values import ClassFlips

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


def per_class(labels: Integers, right: npt.NDArray[np.bool_]) -> tuple[ClassCount, ...]:
    """Count right answers by class, for the classes that occur in ``labels`` [N], sorted by class."""
    if not len(labels):
        return ()
    totals = np.bincount(labels)
    corrects = np.bincount(labels[right], minlength=len(totals))
    return tuple(ClassCount(int(label), int(corrects[label]), int(totals[label])) for label in np.flatnonzero(totals))


def confusions(labels: Integers, predicted: Integers, right: npt.NDArray[np.bool_]) -> tuple[Confusion, ...]:
    """List the :data:`CONFUSIONS` most frequent wrong answers; of equally frequent ones, lower classes first.

    All arrays are [N]: the class of each image, the answer to it, and whether that is right.
    """
    pairs = Counter(zip(labels[~right].tolist(), predicted[~right].tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(label, other, count) for (label, other), count in ordered[:CONFUSIONS])


def flips_by_class(
    labels: Integers, gained: npt.NDArray[np.bool_], lost: npt.NDArray[np.bool_]
) -> tuple[ClassFlips, ...]:
    """Count by class the images that only one of two models names right; classes with the most of them first.

    All arrays are [N]. Classes without such an image are left out.
    """
    found = [
        ClassFlips(label, int(here.sum()), int((gained & here).sum()), int((lost & here).sum()))
        for label in np.unique(labels[gained | lost]).tolist()
        for here in [labels == label]
    ]
    return tuple(sorted(found, key=lambda one: (-(one.gained + one.lost), one.label)))


def first_labels(accepted: Sequence[Sequence[int]]) -> Integers:
    """The first right class of each image, [N]: the class under which an image is counted."""
    return np.array([classes[0] for classes in accepted], dtype=np.int64)
