"""ImageNet's 1,000 classes of ILSVRC2012: their WordNet ids in order, the devkit's numbers, and their words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WORDNET_ID = re.compile(r"n\d{8}(?!\d)")
"""A WordNet id, at the place where it is looked for."""

_FILE = Path(__file__).with_name("imagenet_classes.txt")


@dataclass(frozen=True)
class ImageNetClass:
    """One class: its WordNet id, its number in ILSVRC2012's devkit (1 to 1000), and its words, the usual one first."""

    wordnet_id: str
    devkit_number: int
    words: tuple[str, ...]


@cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """The classes in the order of sorted WordNet ids: models answer in this order.

    >>> imagenet_classes()[0].wordnet_id, imagenet_classes()[0].words
    ('n01440764', ('tench', 'Tinca tinca'))
    """
    rows = (line.split(" ", 2) for line in _FILE.read_text(encoding="utf-8").splitlines())
    return tuple(ImageNetClass(wnid, int(number), tuple(words.split(", "))) for wnid, number, words in rows)
