"""Which classes a model is weak at: those with fewer right answers than chance explains."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mixnet_tools.accuracy.metrics.binomial import binomial
from mixnet_tools.accuracy.metrics.per_class import ClassCount

FALSE_SHARE = 0.05
"""The expected share of classes on the list that stand there by chance, at most."""


def weak_classes(counts: Sequence[ClassCount]) -> tuple[ClassCount, ...]:
    """The weak ones of a model's classes, the weakest first.

    Were all classes equally hard, the right answers of each would be binomial with the share of all. A class is weak
    where so few would be too rare for chance: by the tail of that distribution, and the procedure of Benjamini and
    Hochberg (JRSS B 57, 1995), which bounds the share of false names on the list by :data:`FALSE_SHARE`. With few
    images of each class, or equally hard classes, the list is empty.

    >>> [one.label for one in weak_classes([ClassCount(0, 49, 50), ClassCount(1, 48, 50), ClassCount(2, 20, 50)])]
    [2]
    >>> weak_classes([ClassCount(0, 2, 2), ClassCount(1, 1, 2)])
    ()
    """
    total = sum(one.total for one in counts)
    right = sum(one.correct for one in counts)
    if not 0 < right < total:
        return ()
    share = right / total
    rarest = sorted((_tail(one.correct, one.total, share), one.correct / one.total, one.label, one) for one in counts)
    found = 0
    for rank, (probability, *_) in enumerate(rarest, 1):
        if probability <= FALSE_SHARE * rank / len(counts):
            found = rank
    return tuple(one for *_, one in sorted(rarest[:found], key=lambda entry: entry[1:3]))


def _tail(correct: int, total: int, share: float) -> float:
    """How likely at most ``correct`` of ``total`` answers are right, where each is with probability ``share``."""
    return min(1.0, math.fsum(binomial(count, total, share) for count in range(correct + 1)))
