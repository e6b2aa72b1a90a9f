"""McNemar's exact test: is one model better than another, judged on the same images?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PairedTest:
    """Two models on the same ``images``.

    On ``gained`` images only this model is right, on ``lost`` images only the other. Were the two equally good, flips
    at least as uneven would have the probability ``p_two_sided``, and flips at least as uneven to the disadvantage of
    this model the probability ``p_drop``.
    """

    images: int
    gained: int
    lost: int
    p_two_sided: float
    p_drop: float


def mcnemar(this: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> PairedTest:
    """Compare the right answers of two models, [N] each, by McNemar's test (Psychometrika 12, 1947).

    Probabilities are exact: sums over the binomial distribution.

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
    """``ways`` / 2**``flips``, where both are too large for a float."""
    shift = max(0, ways.bit_length() - 64)
    return math.ldexp(ways >> shift, shift - flips)
