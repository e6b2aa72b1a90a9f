"""Classes are called weak where chance is no explanation."""

from __future__ import annotations

import numpy as np
import pytest

from mixnet_tools.accuracy.metrics.per_class import ClassCount
from mixnet_tools.accuracy.metrics.weak_classes import FALSE_SHARE, weak_classes


def counts(*rights: int, of: int = 50) -> list[ClassCount]:
    return [ClassCount(label, right, of) for label, right in enumerate(rights)]


@pytest.mark.parametrize("found", [(), (50, 50, 50), (0, 0), (49, 50, 48, 50), (40, 41, 39, 40)])
def test_no_class_is_weak_where_all_are_alike(found: tuple[int, ...]) -> None:
    assert weak_classes(counts(*found)) == ()


def test_the_weakest_comes_first() -> None:
    found = weak_classes(counts(50, 20, 49, 12, 50, 50, 48, 50))
    assert [one.label for one in found] == [3, 1]


def test_few_images_prove_nothing() -> None:
    assert weak_classes(counts(2, 2, 1, 2, 2, of=2)) == ()
    assert [one.label for one in weak_classes(counts(200, 200, 100, 200, 200, of=200))] == [2]


def test_classes_of_equal_strength_are_rarely_called_weak() -> None:
    """Lists that are not empty are false where all classes are equally hard: at most in the share that is promised."""
    rng = np.random.default_rng(7)
    false = sum(bool(weak_classes(counts(*rng.binomial(50, 0.78, 100).tolist()))) for _ in range(300))
    assert false <= 300 * FALSE_SHARE * 1.6  # three standard deviations of chance


def test_classes_that_are_weak_are_found() -> None:
    rng = np.random.default_rng(8)
    rights = [*rng.binomial(50, 0.8, 90).tolist(), *rng.binomial(50, 0.4, 10).tolist()]
    found = {one.label for one in weak_classes(counts(*rights))}
    assert len(found & set(range(90, 100))) >= 9
    assert len(found - set(range(90, 100))) <= 2
