"""The binomial distribution, for counts of right answers."""

from __future__ import annotations

import math


def binomial(count: int, images: int, share: float) -> float:
    """How likely exactly ``count`` of ``images`` answers are right, where each is with the probability ``share``.

    >>> round(binomial(1, 2, 0.5), 12)
    0.5
    """
    if share <= 0.0 or share >= 1.0:
        return float(count == (images if share >= 1.0 else 0))
    return math.exp(log_choose(images, count) + count * math.log(share) + (images - count) * math.log1p(-share))


def log_choose(total: int, part: int) -> float:
    """The logarithm of the number of ways to choose ``part`` of ``total``."""
    return math.lgamma(total + 1) - math.lgamma(part + 1) - math.lgamma(total - part + 1)
