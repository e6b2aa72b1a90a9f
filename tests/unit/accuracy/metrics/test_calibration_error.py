"""The expected calibration error."""

from __future__ import annotations

import numpy as np
import pytest

from mixnet_tools.accuracy.metrics.calibration_error import calibration_error


def test_calibration_by_hand() -> None:
    found = calibration_error(np.array([0.95, 0.97, 0.99, 0.30, 1 / 15]), np.array([True, True, False, True, False]))
    # Bins of 1/15: (14/15, 1] holds three, (4/15, 5/15] one, (0, 1/15] one.
    assert [one.images for one in found.bins] == [1, 1, 3]
    expected = (3 * abs(0.97 - 2 / 3) + 1 * abs(0.30 - 1) + 1 * abs(1 / 15 - 0)) / 5
    assert found.ece == pytest.approx(expected, abs=1e-6)
    assert found.bins[2].confidence == 0.97
    assert found.bins[2].accuracy == pytest.approx(2 / 3, abs=1e-6)


def test_scores_that_mean_what_they_say_have_no_calibration_error() -> None:
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.2, 1.0, 200_000)
    assert calibration_error(scores, rng.uniform(size=200_000) < scores).ece < 0.01
