"""Known orders of classes in which labels may count by mistake: which of them would make the answers right?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mixnet_tools.accuracy.metrics.topk import Integers
from mixnet_tools.descriptors.imagenet import imagenet_classes

_NONE = -2
"""No class, and no background class either."""

LEAST_IMAGES = 10
LEAST_GAIN = 0.2
"""The share of all images that another order must add to the right answers, and at least double them."""


@dataclass(frozen=True)
class LabelOrder:
    """An order of classes: labels count as ``name`` says.

    ``classes`` [labels] has the model's class, from 0, of each label; negative: none.
    """

    name: str
    classes: Integers


@dataclass(frozen=True)
class LikelyOrder:
    """An order with which ``correct`` of the answers would be right."""

    order: LabelOrder
    correct: int


def known_orders(classes: int, names: Sequence[str] = ()) -> Iterator[LabelOrder]:
    """The orders in which labels of a model with so many ``classes`` (no background) are met, apart from its own.

    ``names`` are the names of the classes by label, where they are known. Of 1,000 classes, ImageNet's are known.
    """
    count = np.arange(classes, dtype=np.int64)
    yield LabelOrder("from 1 (`first_label=1`)", np.append(_NONE, count[:-1]))
    yield LabelOrder("one too low", np.append(count[1:], _NONE))
    by_text = np.array(sorted(range(classes), key=str), dtype=np.int64)
    yield from _both("the order of numbers sorted as text (0, 1, 10, 100, ...)", by_text)
    if len(names) == classes:
        yield from _both("the alphabetical order of the classes' names", _sorted(names))
        folded = _sorted([name.casefold() for name in names])
        yield from _both("the alphabetical order of the classes' names in lower case", folded)
    imagenet = imagenet_classes()
    if classes == len(imagenet):
        numbers = np.argsort([one.devkit_number for one in imagenet]).astype(np.int64)
        yield from _both("the order of ImageNet's devkit", numbers)
        yield LabelOrder("from 1 in the order of ImageNet's devkit", np.append(_NONE, numbers[:-1]))
        yield from _both("the alphabetical order of ImageNet's words", _sorted([one.words[0] for one in imagenet]))


def likely_order(
    first: Integers, labels: Integers, classes: int, offset: int, names: Sequence[str] = ()
) -> LikelyOrder | None:
    """The known order with which the answers ``first`` [N] to images with ``labels`` [N] would be right, if any.

    Both count as the model does, its background class included (``offset`` classes before the first label); ``classes``
    counts all. None where no order at least doubles the right answers and adds :data:`LEAST_GAIN` of all.
    """
    own = labels - offset
    if len(own) < LEAST_IMAGES or own.min() < 0:
        return None
    now = int((first == labels).sum())
    best: LikelyOrder | None = None
    for order in known_orders(classes - offset, names):
        correct = int((first - offset == order.classes[own]).sum())
        if best is None or correct > best.correct:
            best = LikelyOrder(order, correct)
    if best is None or best.correct < 2 * now or best.correct - now < LEAST_GAIN * len(own):
        return None
    return best


def _sorted(names: Sequence[str]) -> Integers:
    return np.array(sorted(range(len(names)), key=lambda label: names[label]), dtype=np.int64)


def _both(name: str, classes: Integers) -> Iterator[LabelOrder]:
    yield LabelOrder(f"in {name}", classes)
    yield LabelOrder(f"as they do, and the model's answers in {name}", np.argsort(classes).astype(np.int64))
