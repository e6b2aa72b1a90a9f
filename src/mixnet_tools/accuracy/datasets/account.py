"""Accounts for every file of a data set: which are used, and which are left out by which rule.

What looks like an image or a label and is not used is an error, unless a rule says why. So no image is missed in
silence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mixnet_tools.accuracy.datasets.exclusions import Exclusions
from mixnet_tools.accuracy.datasets.image import is_image, looks_like_image, suffix_of
from mixnet_tools.errors import DatasetError

Unit = Literal["files", "members", "records", "rows"]

HIDDEN = "hidden"
OTHER_SPLIT = "other split"
NOT_AN_IMAGE = "not an image"
NO_LABEL = "no label"
EXCLUDED = "excluded"
NOT_IN_SUBSET = "not in the subset"
OTHER_SHARD = "another shard"
LOOP = "link to a folder above it"
BROKEN_LINK = "broken link"
UNDECODABLE = "cannot be decoded"

NAMED = 5
"""How many of the files that are left out for one reason are named."""


@dataclass(frozen=True)
class LeftOut:
    """``count`` files that are left out for one ``reason``; ``names`` are the first of them."""

    reason: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class FileAccount:
    """Every file of a folder, every member of tars, every record or row (``unit``): ``seen`` in all.

    ``used`` of them are images of the data set, or files that hold these. ``labels`` were read for their labels. All
    others are ``left_out``. A folder that is not looked into counts as one file; its name ends with ``/``.
    """

    unit: Unit
    seen: int
    used: int
    labels: int = 0
    left_out: tuple[LeftOut, ...] = ()

    def leave_out(self, reason: str, names: Sequence[str]) -> FileAccount:
        """The account where ``names``, which were used, are left out."""
        if not names:
            return self
        before = next((one for one in self.left_out if one.reason == reason), LeftOut(reason, 0, ()))
        others = tuple(one for one in self.left_out if one.reason != reason)
        now = LeftOut(reason, before.count + len(names), (*before.names, *names)[:NAMED])
        return replace(self, used=self.used - len(names), left_out=(*others, now))

    def use_again(self, reason: str) -> FileAccount:
        """The account where what was left out for ``reason`` is used after all."""
        count = sum(one.count for one in self.left_out if one.reason == reason)
        others = tuple(one for one in self.left_out if one.reason != reason)
        return replace(self, used=self.used + count, left_out=others)

    def text(self) -> str:
        """The account in one line.

        >>> FileAccount("files", 9, 6, 1, (LeftOut("hidden", 2, (".a", ".b")),)).text()
        '9 files seen: 6 used, 1 read for labels, 2 left out (2 hidden: .a, .b)'
        """
        parts = [f"{self.used:,} used"]
        if self.labels:
            parts.append(f"{self.labels:,} read for labels")
        count = sum(one.count for one in self.left_out)
        reasons = "; ".join(
            f"{one.count:,} {one.reason}: {', '.join(one.names)}{', ...' if one.count > len(one.names) else ''}"
            for one in self.left_out
        )
        parts.append(f"{count:,} left out ({reasons})" if count else "none left out")
        return f"{self.seen:,} {self.unit} seen: {', '.join(parts)}"


Accounts = tuple[FileAccount, ...]
"""Files first; then, where these hold many images each, what is in them. The last one counts the images."""


def leave_images_out(accounts: Accounts, reason: str, names: Sequence[str]) -> Accounts:
    """``accounts`` where the images ``names`` are left out."""
    return (*accounts[:-1], accounts[-1].leave_out(reason, names)) if accounts else accounts


def use_images_again(accounts: Accounts, reason: str) -> Accounts:
    """``accounts`` where images that were left out for ``reason`` are used."""
    return (*accounts[:-1], accounts[-1].use_again(reason)) if accounts else accounts


def settle(
    unit: Unit,
    where: str,
    names: Iterable[str],
    *,
    used: Collection[str],
    labels: Collection[str] = (),
    rule: Callable[[str], str | None] = lambda name: None,
    known: Iterable[tuple[str, str]] = (),
    exclusions: Exclusions | None = None,
    looks_like_label: Callable[[str], bool] = lambda name: False,
    hint: str = "",
) -> FileAccount:
    """Account for all ``names``, which lie in ``where``.

    ``used`` and ``labels`` are those that were read. Each other name is left out: for the reason that ``rule`` gives
    it; because ``exclusions`` names it; or because it is called like no image and no label. ``known`` are further names
    with their reasons. ``hint`` says what else can be done about a name that no rule leaves out.

    Raises :class:`DatasetError` that names what looks like an image or a label, and is left out by no rule; and links
    to nothing that may be images or folders of images.
    """
    left: dict[str, list[str]] = {}
    count_used = count_labels = 0
    problems: list[str] = []
    for name in names:
        if name in used:
            count_used += 1
        elif name in labels:
            count_labels += 1
        elif (reason := rule(name)) is not None:
            left.setdefault(reason, []).append(name)
        elif exclusions is not None and exclusions.names(name):
            left.setdefault(EXCLUDED, []).append(name)
        elif looks_like_image(name) or looks_like_label(name):
            problems.append(name)
        else:
            left.setdefault(NOT_AN_IMAGE, []).append(name)
    broken = []
    for name, reason in known:
        split = rule(name)
        if reason == BROKEN_LINK and split is None and exclusions is not None and exclusions.names(name):
            split = EXCLUDED
        if reason == BROKEN_LINK and split is None and (looks_like_image(name) or not suffix_of(name)):
            broken.append(name)
        left.setdefault(split or reason, []).append(name)
    if broken:
        raise DatasetError(f"{where}: links to what is not there: {_first(broken)}", hint=_HINT)
    if problems:
        raise DatasetError(_unused(where, problems, looks_like_label), hint=hint or _HINT)
    left_out = tuple(LeftOut(reason, len(those), tuple(those[:NAMED])) for reason, those in left.items())
    seen = count_used + count_labels + sum(one.count for one in left_out)
    return FileAccount(unit, seen, count_used, count_labels, left_out)


_HINT = "name them in the file of `exclude`, one a line, where they are not meant"


def _unused(where: str, names: Sequence[str], looks_like_label: Callable[[str], bool]) -> str:
    shown = _first(names)
    if looks_like_label(names[0]):
        return f"{where}: labels that belong to no image: {shown}"
    if is_image(names[0]):
        return f"{where}: images that would not be used: {shown}"
    suffix = suffix_of(names[0])
    return f"{where}: images that cannot be read: {shown}: {suffix} is none of the formats that are decoded"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
