"""Counting right answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixnet_tools.accuracy.metrics import Z95, Accuracy, agreement, is_near_chance, predictions, ranks, top_k


def test_ranks_by_hand() -> None:
    logits = np.array([[3, 1, 2, 0], [0, 1, 2, 3], [5, 5, 5, 5], [-1, -2, -3, -4]], dtype=np.float32)
    assert ranks(logits, np.array([2, 0, 2, 3])).tolist() == [1, 3, 2, 3]
    assert predictions(logits).tolist() == [0, 3, 0, 0]


@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=7, max_size=7), min_size=1, max_size=6),
    st.lists(st.integers(0, 6), min_size=6, max_size=6),
)
def test_ranks_are_positions_in_a_stable_sort(rows: list[list[int]], labels: list[int]) -> None:
    logits = np.array(rows, dtype=np.float32)
    classes = np.array(labels[: len(rows)])
    order = [sorted(range(7), key=lambda index, row=row: (-row[index], index)) for row in rows]  # type: ignore[misc]
    rank = ranks(logits, classes)
    assert rank.tolist() == [one.index(label) for one, label in zip(order, classes, strict=True)]
    assert ((rank == 0) == (predictions(logits) == classes)).all()


def test_a_dead_model_is_no_better_than_chance() -> None:
    labels = np.repeat(np.arange(10), 3)
    rank = ranks(np.zeros((30, 10), dtype=np.float32), labels)
    assert top_k(rank, 1) == Accuracy(3, 30)
    assert top_k(rank, 5) == Accuracy(15, 30)


def test_with_five_classes_or_fewer_every_answer_is_in_the_top_five() -> None:
    assert top_k(ranks(np.zeros((2, 3), dtype=np.float32), np.array([2, 1])), 5) == Accuracy(2, 2)


def test_agreement() -> None:
    assert agreement(np.array([1, 2, 3]), np.array([1, 0, 3])) == Accuracy(2, 3)


def test_shares() -> None:
    assert (Accuracy(39_150, 50_000).fraction, Accuracy(39_150, 50_000).percent) == (0.783, 78.3)


@given(st.integers(1, 2000), st.data())
def test_the_interval_solves_the_score_equation(total: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, total))
    share = correct / total
    low, high = Accuracy(correct, total).interval95
    assert 0.0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1.0
    for limit in (low, high):
        # By definition of the score interval the observed share is Z95 standard deviations from each limit.
        assert math.isclose((share - limit) ** 2, Z95**2 * limit * (1 - limit) / total, rel_tol=1e-6, abs_tol=1e-9)


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
