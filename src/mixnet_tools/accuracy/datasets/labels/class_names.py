"""Labels by name: the classes that a data set names, found among those that the model names.

Names are compared without regard to case, ``_`` and ``-``. A WordNet id is a name of its class where the model's
classes are ImageNet's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mixnet_tools.descriptors.imagenet import WORDNET_ID, imagenet_classes
from mixnet_tools.descriptors.labels import ClassLabel
from mixnet_tools.errors import DatasetError

_SHOWN = 3
"""How many unknown names an error names."""

_IMAGENET_SHARE = 0.9
"""The share of a model's 1,000 names that are ImageNet's, from which on all are taken to be."""


@dataclass(frozen=True)
class ModelClasses:
    """The classes of a model, from label 0, without a background class: each with all its names.

    ``source`` says where the names come from.
    """

    names: tuple[tuple[str, ...], ...]
    source: str

    @classmethod
    def of(cls, labels: Sequence[ClassLabel], source: str, background: int = 0) -> ModelClasses:
        """The classes ``labels``, one after the other, without the first ``background`` ones: no image is of these.

        Where they are ImageNet's, their WordNet ids and other words are names too. A list of ImageNet's classes alone
        has no line for the background.
        """
        known = imagenet_classes()
        rows = [
            tuple(dict.fromkeys((one.text, *one.names, *([one.wordnet_id] if one.wordnet_id else []))))
            for one in labels[0 if len(labels) == len(known) else background :]
        ]
        start = len(rows) - len(known)  # 1 where the background counts as a class
        if start in (0, 1):
            words = [{*map(_plain, one.words), one.wordnet_id} for one in known]
            same = sum(bool(set(map(_plain, row)) & those) for row, those in zip(rows[start:], words, strict=True))
            if same >= _IMAGENET_SHARE * len(known):
                rows[start:] = [
                    (*row, one.wordnet_id, *one.words) for row, one in zip(rows[start:], known, strict=True)
                ]
        return cls(tuple(rows), source)

    @classmethod
    def imagenet(cls, source: str) -> ModelClasses:
        """ImageNet's 1,000 classes in the order of their WordNet ids."""
        return cls(tuple((one.wordnet_id, *one.words) for one in imagenet_classes()), source)

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, name: str) -> frozenset[int]:
        """The labels of the classes that ``name`` may mean: one, none, or several (ImageNet has two cranes).

        A WordNet id in it decides (``n02085620-Chihuahua``); then the whole name; then each of the names that stand in
        it with commas between them; then the name without a number before it (``001.tench``).
        """
        if (found := WORDNET_ID.search(name)) and (labels := self._by_name.get(found[0])):
            return labels
        if labels := self._by_name.get(_plain(name)):
            return labels
        for part in name.split(","):
            if labels := self._by_name.get(_plain(part)):
                return labels
        return self._by_name.get(_plain(re.sub(r"^\d+[\W_]+", "", name)), frozenset())

    def knows(self, name: str) -> bool:
        """Whether ``name`` is that of a class."""
        return bool(self.labels(name))

    def nearest(self, name: str) -> str | None:
        """The name of a class that is most like ``name``, as the model writes it."""
        found = difflib.get_close_matches(_plain(name), self._written, 1, 0.6)
        return self._written[found[0]] if found else None

    @cached_property
    def _by_name(self) -> Mapping[str, frozenset[int]]:
        found: dict[str, set[int]] = {}
        for label, names in enumerate(self.names):
            for name in names:
                found.setdefault(_plain(name), set()).add(label)
        return {name: frozenset(labels) for name, labels in found.items()}

    @cached_property
    def _written(self) -> Mapping[str, str]:
        return {_plain(name): name for names in self.names for name in names}


def match(names: Sequence[str], model: ModelClasses, where: object) -> tuple[int, ...] | None:
    """The model's label of each of the classes ``names``; None where none of them is one of the model's.

    Raises :class:`DatasetError` where some are and some are not, and where a name stands for several classes.
    """
    found = [set(model.labels(name)) for name in names]
    if not any(found):
        return None
    sole = {next(iter(labels)) for labels in found if len(labels) == 1}
    found = [labels - sole if len(labels) > 1 and labels - sole else labels for labels in found]
    unknown = [name for name, labels in zip(names, found, strict=True) if not labels]
    if unknown:
        raise unknown_names(unknown, len(names), model, where)
    several = next(((name, labels) for name, labels in zip(names, found, strict=True) if len(labels) > 1), None)
    if several:
        raise DatasetError(
            f"{where}: {several[0]!r} is the name of several classes: {', '.join(map(str, sorted(several[1])))}",
            hint="name such classes by their WordNet ids, or give the labels as numbers: `annotations`",
        )
    return tuple(next(iter(labels)) for labels in found)


def fits_in_place(names: Sequence[str], model: ModelClasses) -> bool:
    """Whether ``names`` are the model's in its order, other spellings of less than half of them aside."""
    if len(names) != len(model):
        return False
    found = [model.labels(name) for name in names]
    in_place = sum(label in labels for label, labels in enumerate(found))
    return 2 * in_place >= len(names) and all(not labels or label in labels for label, labels in enumerate(found))


def unknown_names(unknown: Sequence[str], total: int, model: ModelClasses, where: object) -> DatasetError:
    """The error for classes of a data set that the model does not know."""
    parts = []
    for name in unknown[:_SHOWN]:
        near = model.nearest(name)
        parts.append(f"{name!r}" + (f" (nearest: {near!r})" if near else ""))
    more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    return DatasetError(
        f"{where}: {len(unknown)} of {total} classes are none of the {len(model)} that the model knows by "
        f"{model.source}: {', '.join(parts)}{more}",
        hint="name them as the model does, or give the labels as numbers: `annotations`",
    )


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", name.replace("'", "").replace("\u2019", "")).casefold().split())
