"""The first answers of two models to the same images, side by side: which are right, and which images flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.metrics.topk import Integers


@dataclass(frozen=True)
class Flip:
    """An image that one run answered right and the other wrong: classes of the model, counted from 0."""

    name: str
    right: int
    baseline: int
    now: int


@dataclass(frozen=True)
class PairedAnswers:
    """The first answers of two models to the same N images: their ``names``, the classes that are right (``accepted``),
    the answers [N] of the earlier one (``then``) and the later one (``now``), and which of them are right.
    """

    names: Sequence[str]
    accepted: Sequence[Sequence[int]]
    then: Integers
    now: Integers
    right_then: npt.NDArray[np.bool_]
    right_now: npt.NDArray[np.bool_]

    def flips(self, most: int | None = None) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
        """(images that only the earlier one names right, those that only the later one does), ``most`` of each."""
        lost, gained = (
            tuple(
                Flip(self.names[row], self.accepted[row][0], int(self.then[row]), int(self.now[row]))
                for row in np.flatnonzero(mask)[:most].tolist()
            )
            for mask in (self.right_then & ~self.right_now, self.right_now & ~self.right_then)
        )
        return lost, gained


def pair_answers(
    names: Sequence[str], accepted: Sequence[Sequence[int]], then: Integers, now: Integers
) -> PairedAnswers:
    """Pair the answers of two models; see :class:`PairedAnswers`."""
    right_then, right_now = (
        np.array([int(one) in classes for one, classes in zip(answers, accepted, strict=True)])
        for answers in (then, now)
    )
    return PairedAnswers(names, accepted, then, now, right_then, right_now)


def classes_text(labels: Sequence[int]) -> str:
    """``labels`` for messages: ``class 3``, or ``classes 3, 7``."""
    return f"class{'es' if len(labels) > 1 else ''} {', '.join(map(str, labels))}"
