"""The least number of right answers that passes, where chance plays a part.

On a part of the reference's images, or on other images, a model fails only where a model exactly at *reference minus
tolerance* would give so few right answers with a probability below :data:`ALPHA`. For a part of the reference's images
that is a tail of the hypergeometric distribution, for other images of the binomial; both are summed exactly. A fixed
subset gives the same answers in each run, so a false alarm would never go away: hence the small ALPHA. A subset shows
what is broken; a small loss shows on all images only.
"""

from __future__ import annotations

import math
from typing import Literal

from mixnet_tools.accuracy.metrics.binomial import binomial, log_choose

ALPHA = 1e-4
"""The largest probability of a false alarm, for each figure, where chance plays a part."""

Basis = Literal["full set", "subset", "other images"]
"""What the measured images are to the reference."""


def lowest_count(share: float, images: int, basis: Basis, population: int | None) -> int:
    """The least number of right answers to ``images`` images that a model of the accuracy ``share``, 0 to 1, may give.

    With ``basis`` "subset", the images are a part of the ``population`` images of the reference.

    >>> lowest_count(0.781, 50_000, "full set", 50_000)
    39050
    >>> lowest_count(0.781, 500, "other images", None)
    355
    """
    share = max(0.0, share)
    if basis == "full set":
        return _least(share, images)
    right = _least(share, population) if basis == "subset" and population else 0
    below = 0.0
    for count in range(images + 1):
        if basis == "subset" and population:
            below += _hypergeometric(count, images, right, population)
        else:
            below += binomial(count, images, share)
        if below >= ALPHA:
            return count
    return images


def _least(share: float, images: int) -> int:
    """The smallest whole number that is at least ``share`` of ``images``."""
    return math.ceil(share * images - 1e-6)  # 0.783 - 0.002 is not quite 0.781 in binary


def _hypergeometric(count: int, images: int, right: int, population: int) -> float:
    if count > right or images - count > population - right:
        return 0.0
    ways = log_choose(right, count) + log_choose(population - right, images - count)
    return math.exp(ways - log_choose(population, images))
