"""Classes, confusions, calibration and paired tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mixnet_tools.accuracy.metrics.statistics import (
    CONFUSIONS,
    ClassCount,
    Confusion,
    calibration,
    confusions,
    first_labels,
    mcnemar,
    per_class,
)

LABELS = np.array([0, 0, 2, 2, 2, 5])
PREDICTED = np.array([0, 2, 2, 5, 5, 0])
RIGHT = LABELS == PREDICTED


def test_classes_and_confusions_by_hand() -> None:
    assert per_class(LABELS, RIGHT) == (ClassCount(0, 1, 2), ClassCount(2, 1, 3), ClassCount(5, 0, 1))
    assert confusions(LABELS, PREDICTED, RIGHT) == (Confusion(2, 5, 2), Confusion(0, 2, 1), Confusion(5, 0, 1))
    assert per_class(np.array([], dtype=np.int64), np.array([], dtype=bool)) == ()
    assert first_labels([[3], [7, 1]]).tolist() == [3, 7]


def test_only_the_most_frequent_confusions_are_listed() -> None:
    labels = np.repeat(np.arange(30), np.arange(1, 31))
    found = confusions(labels, labels + 1, np.zeros(len(labels), dtype=bool))
    assert len(found) == CONFUSIONS
    assert found[0] == Confusion(29, 30, 30)
    assert found[-1] == Confusion(10, 11, 11)


def test_calibration_by_hand() -> None:
    found = calibration(np.array([0.95, 0.97, 0.99, 0.30, 1 / 15]), np.array([True, True, False, True, False]))
    # Bins of 1/15: (14/15, 1] holds three, (4/15, 5/15] one, (0, 1/15] one.
    assert [one.images for one in found.bins] == [1, 1, 3]
    expected = (3 * abs(0.97 - 2 / 3) + 1 * abs(0.30 - 1) + 1 * abs(1 / 15 - 0)) / 5
    assert found.ece == pytest.approx(expected, abs=1e-6)
    assert found.bins[2].confidence == 0.97
    assert found.bins[2].accuracy == pytest.approx(2 / 3, abs=1e-6)


def test_scores_that_mean_what_they_say_have_no_calibration_error() -> None:
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.2, 1.0, 200_000)
    assert calibration(scores, rng.uniform(size=200_000) < scores).ece < 0.01


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_scipys_exact_binomial_test(gained: int, lost: int) -> None:
    this = np.array([True] * gained + [False] * lost + [True, False])
    other = np.array([False] * gained + [True] * lost + [True, False])
    found = mcnemar(this, other)
    assert (found.images, found.gained, found.lost) == (gained + lost + 2, gained, lost)
    if gained + lost:
        assert found.p_two_sided == pytest.approx(binomtest(gained, gained + lost).pvalue, rel=1e-9)
        assert found.p_drop == pytest.approx(binomtest(lost, gained + lost, alternative="greater").pvalue, rel=1e-9)
    else:
        assert (found.p_two_sided, found.p_drop) == (1.0, 1.0)


def test_mcnemar_with_thousands_of_flips() -> None:
    this = np.array([True] * 2500 + [False] * 2600)
    found = mcnemar(this, ~this)
    assert found.p_drop == pytest.approx(binomtest(2600, 5100, alternative="greater").pvalue, rel=1e-6)
