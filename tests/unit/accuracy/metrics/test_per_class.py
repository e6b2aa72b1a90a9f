"""Right answers by class, and confusions."""

from __future__ import annotations

import numpy as np

from mixnet_tools.accuracy.metrics.per_class import (
    CONFUSIONS,
    ClassCount,
    Confusion,
    confusions,
    first_labels,
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
