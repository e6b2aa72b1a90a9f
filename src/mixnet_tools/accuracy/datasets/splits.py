"""The splits of a data set (training, validation, test), by words in the names of folders and files.

A mixture of splits is never taken for one data set: the validation split is taken, or the one that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from mixnet_tools.accuracy.datasets.tree import Tree
from mixnet_tools.errors import DatasetError

_WORDS = {
    "train": ("train", "training", "trainset"),
    "validation": ("val", "valid", "validation", "valset"),
    "dev": ("dev", "devset"),
    "eval": ("eval", "evaluation", "evalset"),
    "test": ("test", "testing", "testset"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_PREFERRED = ("validation", "dev", "eval", "test")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def words(name: str) -> list[str]:
    """The words of ``name`` in lower case, and its numbers. Those that name a split are the split's own name.

    >>> words("imagenet1k-train-0000.tar"), words("ILSVRC2012_img_val"), words("trainer")
    (['imagenet', '1', 'k', 'train', '0000', 'tar'], ['ilsvrc', '2012', 'img', 'validation'], ['trainer'])
    """
    return [_SPLIT_OF.get(word, word) for word in map(str.lower, _WORD.findall(name))]


def split_of(name: str) -> str | None:
    """The split that ``name`` names, several with ``+`` between them, or None.

    >>> split_of("validation-00000-of-00014.parquet"), split_of("train+val"), split_of("bus")
    ('validation', 'train+validation', None)
    """
    found = set(words(name))
    return "+".join(split for split in _WORDS if split in found) or None


def split_of_path(name: str) -> str | None:
    """The split that the last part of ``name`` names which names one."""
    return next((split for part in reversed(name.split("/")) if (split := split_of(part))), None)


@cache
def plain_split(path: str) -> str | None:
    """The split of the innermost folder in ``path`` that is called by a split's name alone (``val``, ``test2``)."""
    parts = reversed(path.split("/"))
    return next((split for part in parts if (split := split_of(part)) and not _without_split(part)), None)


def is_of_split(name: str, wanted: str) -> bool:
    """Whether ``name`` has the words of the split ``wanted``."""
    asked = set(words(wanted))
    return bool(asked) and asked <= set(words(name))


@dataclass(frozen=True)
class Chosen:
    """The ``names`` of one ``split``, of all that were there. ``split`` is None where none of them names one.

    ``splits`` are all that were there. ``asked`` says that the caller asked for this one.
    """

    names: tuple[str, ...] = ()
    split: str | None = None
    splits: tuple[str, ...] = ()
    asked: bool = False

    @property
    def remark(self) -> str | None:
        """What people should know of the choice."""
        others = [split for split in self.splits if split != self.split]
        if self.split is None or (self.split == "validation" and (self.asked or not others)):
            return None
        text = f"the split {self.split} was taken"
        if not self.asked:
            text += f" (`split` takes another: {', '.join(others)})" if others else " (there is no other)"
        return f"{text}: models have seen these images, which flatters the figures" if self.split == "train" else text


def choose(names: Sequence[str], wanted: str | None, source: object) -> Chosen:
    """Choose among ``names``, of folders or files in ``source``, those of the split ``wanted``.

    None asks for the validation split: where there is none, for what people call so too (dev, eval), or for the only
    split. Raises :class:`DatasetError` where there is no such split, or where it is not clear which split is meant.
    """
    by_split: dict[str | None, list[str]] = {}
    for name in names:
        by_split.setdefault(split_of_path(name), []).append(name)
    splits = tuple(sorted(split for split in by_split if split))
    if wanted is not None:
        return Chosen(*_wanted(by_split, wanted, source, splits), splits, asked=True)
    if not splits:
        return Chosen(tuple(names))
    without = by_split.get(None, [])
    preferred = next((split for split in _PREFERRED if split in by_split), None)
    if preferred is None and len(splits) == 1:
        preferred = splits[0]
    if preferred is None or (without and preferred != "validation"):
        first = ", ".join(by_split[splits[0]][:1] + (without or by_split[splits[-1]])[:1])
        raise DatasetError(
            f"{source}: a mixture of splits, none of which is called validation: {first}",
            hint="say which one is meant: `split`, or give its own folder or file as `source`",
        )
    return Chosen(tuple(by_split[preferred]), preferred, splits)


def _wanted(
    by_split: Mapping[str | None, list[str]], wanted: str, source: object, splits: Sequence[str]
) -> tuple[tuple[str, ...], str | None]:
    split = split_of(wanted)
    if split in by_split and split is not None and set(words(wanted)) == {split}:
        return tuple(by_split[split]), split
    hits = [name for group in by_split.values() for name in group if is_of_split(name, wanted)]
    if hits:
        return tuple(hits), wanted
    if not splits and split is not None and split_of_path(str(source)) == split:
        return tuple(by_split.get(None, ())), split
    there = f"there are {', '.join(splits)}" if splits else "no folder or file in it names a split"
    raise DatasetError(f"{source}: has no split {wanted!r}: {there}", hint="`split` takes the name of a split")


def split_folders(tree: Tree, is_class: Callable[[str], bool], source: object) -> tuple[str, tuple[str, ...]]:
    """The folder in ``tree`` below which the data set lies, and the folders of splits below that (none: ``()``).

    Folders that stand alone above all images are passed through. Splits may lie beside each other (``train/``,
    ``val/``), or inside each class (``cat/train/``). ``is_class`` says whether a name is that of a class that the model
    knows; such folders are classes, whatever they are called.

    Raises :class:`DatasetError` where folders of splits and of classes lie beside each other.
    """
    children = _children(tree)
    folder = ""
    while True:
        below = children.get(folder, [])
        found = _splits_among(tree, folder, below, is_class, children, source)
        if found:
            return folder, found
        inside = children.get(below[0], []) if len(below) == 1 else []
        if not inside or {folder, below[0]} & set(tree.image_folders) or is_class(below[0].rpartition("/")[2]):
            break
        folder = below[0]
    nested = tuple(
        split
        for name in below
        for split in _splits_among(tree, name, children.get(name, []), is_class, children, source)
    )
    if len({split_of_path(name) for name in nested}) < 2:
        return folder, ()
    stray = next((name for name in tree.image_folders if not _is_below(name, nested)), None)
    if stray is not None:
        raise DatasetError(
            f"{source}: some classes have folders of splits ({nested[0]}), and some have none ({stray or '.'})",
            hint="give a folder with one split as `source`",
        )
    return folder, nested


def _is_below(name: str, folders: Iterable[str]) -> bool:
    return any(name == folder or name.startswith(f"{folder}/") for folder in folders)


def _children(tree: Tree) -> dict[str, list[str]]:
    """The folders directly in each folder that have images in them, at any depth."""
    found: dict[str, list[str]] = {}
    known = {""}
    for folder in tree.image_folders:
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            if name not in known:
                known.add(name)
                found.setdefault("/".join(parts[: depth - 1]), []).append(name)
    return found


def _splits_among(
    tree: Tree,
    folder: str,
    names: Sequence[str],
    is_class: Callable[[str], bool],
    children: Mapping[str, Sequence[str]],
    source: object,
) -> tuple[str, ...]:
    """Those of the folders ``names``, which lie in ``folder``, that are splits; ``()`` where they are classes."""
    bare = {name: name.rpartition("/")[2] for name in names}
    splits = tuple(name for name in names if split_of(bare[name]))
    if not splits or all(is_class(bare[name]) for name in names):
        return ()
    rest = {name: _without_split(bare[name]) for name in splits}
    for same in set(rest.values()):
        if len({split_of(bare[name]) for name in splits if rest[name] == same}) > 1:
            return splits  # train and val; imagenet_train and imagenet_val
    others = [name for name in names if name not in splits]
    direct = set(tree.image_folders)
    beside = len(tree.subfolders(folder)) > len(splits)
    if not others and folder not in direct and len(splits) == 1:
        # Alone, "val" is a split, with classes in it or without. "bullet_train" beside empty folders is a class.
        return splits if not rest[splits[0]] or children.get(splits[0]) or not beside else ()
    if all(name in direct for name in names) and (others or len({split_of(bare[name]) for name in splits}) == 1):
        return ()  # images lie in all of them: train, bus, car; test_positive, test_negative
    if folder in direct:
        return ()
    raise DatasetError(
        f"{source}: is {splits[0]}/ a split or a class? {(others or splits)[-1]}/ lies beside it",
        hint="give the folder of one split as `source`, or the labels as `annotations`",
    )


def _without_split(name: str) -> tuple[str, ...]:
    return tuple(word for word in words(name) if word not in _WORDS and not word.isdigit())
