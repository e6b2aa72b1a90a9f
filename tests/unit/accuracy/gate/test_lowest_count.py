"""The least count that passes, against exact tails computed with whole numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from mixnet_tools.accuracy.gate.lowest_count import ALPHA, lowest_count

FULL = 50_000


def exact_tail(count: int, images: int, right: int, population: int) -> Fraction:
    """P(X <= count), X right answers among ``images`` drawn without replacement: by counting, in whole numbers."""
    ways = sum(
        math.comb(right, k) * math.comb(population - right, images - k) for k in range(count + 1) if images - k >= 0
    )
    return Fraction(ways, math.comb(population, images))


@pytest.mark.parametrize(("images", "population", "share"), [(10, 40, 0.9), (50, 500, 0.8751), (199, 200, 0.75)])
def test_a_subset_must_reach_the_exact_hypergeometric_tail(images: int, population: int, share: float) -> None:
    right = math.ceil(share * population)
    needed = lowest_count(share, images, "subset", population)
    assert exact_tail(needed, images, right, population) >= ALPHA
    assert needed == 0 or exact_tail(needed - 1, images, right, population) < ALPHA


@pytest.mark.parametrize(("images", "share"), [(1, 0.9), (20, 0.95), (300, 0.781), (100, 0.0), (100, 1.0)])
def test_other_images_must_reach_the_exact_binomial_tail(images: int, share: float) -> None:
    exact = Fraction(share)

    def tail(count: int) -> Fraction:
        return sum(
            (math.comb(images, k) * exact**k * (1 - exact) ** (images - k) for k in range(count + 1)), Fraction(0)
        )

    needed = lowest_count(share, images, "other images", None)
    assert tail(needed) >= ALPHA
    assert needed == 0 or tail(needed - 1) < ALPHA


def test_a_subset_of_all_but_nothing_left_out_is_the_full_set() -> None:
    assert lowest_count(0.781, FULL, "subset", FULL) == lowest_count(0.781, FULL, "full set", FULL) == 39_050


def test_more_images_allow_less_chance_and_a_part_of_the_set_less_than_other_images() -> None:
    shares = [lowest_count(0.781, images, "other images", None) / images for images in (100, 1000, 10_000, 50_000)]
    assert shares == sorted(shares)
    assert lowest_count(0.781, 40_000, "subset", FULL) > lowest_count(0.781, 40_000, "other images", None)
