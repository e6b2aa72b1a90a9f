"""95 % intervals: Wilson's of a share of right answers, Tango's of the difference of two shares of the same images."""

from __future__ import annotations

import math
from collections.abc import Callable

Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of the share ``correct`` / ``total`` (E. B. Wilson, JASA 22, 1927).

    It holds the shares that other images of the same kind could have given. Both limits are 0 to 1; ``total`` is at
    least 1.

    >>> [round(limit, 4) for limit in wilson_interval(8, 10)]
    [0.4902, 0.9433]
    """
    share, square = correct / total, Z95 * Z95
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z95 / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_interval(gained: int, lost: int, images: int) -> tuple[float, float]:
    """The 95 % score interval of the difference of two shares on the same images (T. Tango, Statistics in Medicine 17,
    1998, 891-908).

    Of ``images``, ``gained`` were right only with the one model, ``lost`` only with the other. Both limits are -1 to 1.

    >>> [round(limit, 4) for limit in difference_interval(0, 0, 600)]
    [-0.0064, 0.0064]
    """

    def score(difference: float) -> float:
        distance = gained - lost - images * difference
        b = -gained - lost + (2 * images - gained + lost) * difference
        c = -lost * difference * (1 - difference)
        share = (math.sqrt(max(0.0, b * b - 8 * images * c)) - b) / (4 * images)
        variance = images * (2 * share + difference * (1 - difference))
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)

    middle = (gained - lost) / images
    return _root(score, -1.0, middle, Z95), _root(score, middle, 1.0, -Z95)


def _root(score: Callable[[float], float], low: float, high: float, wanted: float) -> float:
    """Where the falling function ``score`` has the value ``wanted`` between ``low`` and ``high``."""
    for _ in range(60):
        middle = (low + high) / 2
        if score(middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
