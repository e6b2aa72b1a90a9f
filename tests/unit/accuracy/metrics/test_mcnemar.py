"""McNemar's exact test, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mixnet_tools.accuracy.metrics.mcnemar import mcnemar


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
