"""Which known order of classes makes answers right."""

from __future__ import annotations

import numpy as np
import pytest

from mixnet_tools.accuracy.metrics.label_orders import likely_order
from mixnet_tools.descriptors.imagenet import imagenet_classes

CLASSES = imagenet_classes()
RIGHT = np.arange(5, 1000, 20)


def counted(orders: list[int]) -> np.ndarray:
    """Labels of images of the classes :data:`RIGHT`, where class number n of ``orders`` has label n."""
    place = {label: number for number, label in enumerate(orders)}
    return np.array([place[label] for label in RIGHT.tolist()])


DEVKIT = sorted(range(1000), key=lambda label: CLASSES[label].devkit_number)
ALPHABET = sorted(range(1000), key=lambda label: CLASSES[label].words[0])
TEXT = sorted(range(1000), key=str)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (RIGHT + 1, "from 1 (`first_label=1`)"),
        (RIGHT - 1, "one too low"),
        (counted(DEVKIT), "in the order of ImageNet's devkit"),
        (counted(DEVKIT) + 1, "from 1 in the order of ImageNet's devkit"),
        (counted(ALPHABET), "in the alphabetical order of ImageNet's words"),
        (counted(TEXT), "in the order of numbers sorted as text (0, 1, 10, 100, ...)"),
    ],
)
@pytest.mark.parametrize("offset", [0, 1])
def test_an_order_that_makes_answers_right_is_found(labels: np.ndarray, name: str, offset: int) -> None:
    found = likely_order(RIGHT + offset, labels + offset, 1000 + offset, offset)
    assert found is not None
    assert (found.order.name, found.correct) == (name, len(RIGHT))


def test_the_models_own_names_in_alphabetical_order() -> None:
    names = ["red", "green", "blue", "cyan"]
    first = np.array([0, 1, 2, 3] * 5)
    labels = np.array([sorted(names).index(names[label]) for label in first])
    found = likely_order(first, labels, 4, 0, names)
    assert found is not None
    assert found.order.name == "in the alphabetical order of the classes' names"


def test_right_answers_bad_models_and_few_images_give_no_order() -> None:
    assert likely_order(RIGHT, RIGHT, 1000, 0) is None
    assert likely_order(np.random.default_rng(0).permutation(1000), np.arange(1000), 1000, 0) is None
    assert likely_order(RIGHT[:5], RIGHT[:5] + 1, 1000, 0) is None
    mostly = RIGHT.copy()
    mostly[:20] += 1
    assert likely_order(RIGHT, mostly, 1000, 0) is None, "60 % are right as they are"
