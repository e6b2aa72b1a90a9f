"""Top-k accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.accuracy.metrics.topk import Accuracy, agreement, is_near_chance, ranks, top_classes, top_k


def rank_of(logits: npt.NDArray[np.float32], labels: Sequence[int]) -> list[int]:
    classes, _ = top_classes(logits)
    return [int(place) for place in ranks(classes, [[label] for label in labels])]


def test_ranks_by_hand() -> None:
    logits = np.array([[3, 1, 2, 0], [0, 1, 2, 3], [5, 5, 5, 5], [-1, -2, -3, -4]], dtype=np.float32)
    assert rank_of(logits, [2, 0, 2, 3]) == [1, 3, 2, 3]
    assert top_classes(logits)[0][:, 0].tolist() == [0, 3, 0, 0]


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=7, max_size=7), min_size=1, max_size=6),
    st.lists(st.integers(0, 6), min_size=6, max_size=6),
)
def test_ranks_are_positions_in_a_stable_sort(rows: list[list[int]], labels: list[int]) -> None:
    logits = np.array(rows, dtype=np.float32)
    order = [sorted(range(7), key=lambda index, row=row: (-row[index], index)) for row in rows]  # type: ignore[misc]
    expected = [min(5, one.index(label)) for one, label in zip(order, labels, strict=False)]
    assert rank_of(logits, labels[: len(rows)]) == expected


def test_scores_are_the_softmax_or_the_models_own_probabilities() -> None:
    logits = np.array([[1.0, -2.0, 0.5, 7.0, 3.0, 2.0]], dtype=np.float32)
    powers = [math.exp(value) for value in (7.0, 3.0, 2.0, 1.0, 0.5)]
    total = sum(math.exp(float(value)) for value in logits[0])
    assert top_classes(logits)[1][0].tolist() == [round(power / total, 6) for power in powers]
    shares = np.array([[0.25, 0.5, 0.125, 0.0, 0.0625, 0.0625]], dtype=np.float32)
    assert top_classes(shares)[1][0].tolist() == [0.5, 0.25, 0.125, 0.0625, 0.0625]


def test_of_several_right_classes_the_best_placed_counts() -> None:
    classes, _ = top_classes(np.array([[9, 8, 7, 6, 5, 4]] * 3, dtype=np.float32))
    assert ranks(classes, [[5, 3], [5], [2, 1]]).tolist() == [3, 5, 1]


def test_a_dead_model_is_no_better_than_chance() -> None:
    places = np.array(rank_of(np.zeros((30, 10), dtype=np.float32), [label for label in range(10) for _ in range(3)]))
    assert top_k(places, 1) == Accuracy(3, 30)
    assert top_k(places, 5) == Accuracy(15, 30)


def test_with_five_classes_or_fewer_every_answer_is_in_the_top_five() -> None:
    assert top_k(np.array(rank_of(np.zeros((2, 3), dtype=np.float32), [2, 1])), 5) == Accuracy(2, 2)


def test_agreement() -> None:
    assert agreement(np.array([1, 2, 3]), np.array([1, 0, 3])) == Accuracy(2, 3)


def test_shares() -> None:
    assert (Accuracy(39_150, 50_000).fraction, Accuracy(39_150, 50_000).percent) == (0.783, 78.3)


@pytest.mark.parametrize(
    ("correct", "total", "classes", "near"),
    [
        (1, 1000, 1000, True),
        (0, 10, 1000, True),
        (0, 9, 1000, False),  # too few to tell
        (7, 1000, 1000, False),
        (39, 50, 1000, False),
        (12, 100, 10, True),
        (30, 100, 10, False),
    ],
)
def test_near_chance(correct: int, total: int, classes: int, near: bool) -> None:
    assert is_near_chance(Accuracy(correct, total), classes) is near
