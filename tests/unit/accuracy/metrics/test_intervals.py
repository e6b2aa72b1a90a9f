"""95 % intervals of a share, and of a difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.accuracy.metrics.intervals import Z95, difference_interval, wilson_interval
from mixnet_tools.accuracy.metrics.topk import Accuracy


@given(st.integers(1, 2000), st.data())
def test_wilsons_interval_solves_the_score_equation(total: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, total))
    share = correct / total
    low, high = wilson_interval(correct, total)
    assert (low, high) == Accuracy(correct, total).interval95
    assert 0.0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1.0
    for limit in (low, high):
        # By definition of the score interval the observed share is Z95 standard deviations from each limit.
        assert math.isclose((share - limit) ** 2, Z95**2 * limit * (1 - limit) / total, rel_tol=1e-6, abs_tol=1e-9)


@pytest.mark.parametrize(("gained", "lost", "images"), [(5, 7, 600), (0, 12, 600), (12, 0, 50), (3, 40, 200)])
def test_the_interval_of_a_difference_is_antisymmetric_and_holds_the_difference(
    gained: int, lost: int, images: int
) -> None:
    low, high = difference_interval(gained, lost, images)
    assert -1 <= low < (gained - lost) / images < high <= 1
    assert difference_interval(lost, gained, images) == pytest.approx((-high, -low))


@pytest.mark.parametrize("images", [10, 600, 50_000])
def test_without_flips_the_interval_has_a_closed_form(images: int) -> None:
    square = 1.959963984540054**2
    low, high = difference_interval(0, 0, images)
    assert high == pytest.approx(square / (images + square))
    assert low == pytest.approx(-high)


def test_nineteen_of_twenty_intervals_hold_the_true_difference() -> None:
    rng = np.random.default_rng(1)
    images, gained, lost = 300, 0.03, 0.05
    draws = rng.multinomial(images, [gained, lost, 1 - gained - lost], 2000)
    inside = [low <= gained - lost <= high for low, high in (difference_interval(b, c, images) for b, c, _ in draws)]
    assert math.isclose(float(np.mean(inside)), 0.95, abs_tol=0.015)
