"""WebDataset: tars in which the members that share a name up to its first dot are one sample: ``7.jpg``, ``7.cls``.

Some writers keep dots in the names of samples (``val_0.01.jpg``, ``val_0.01.cls``). Where the first dot leaves images
or labels alone, and the last one pairs them all, the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.datasets.account import HIDDEN, OTHER_SPLIT, settle
from mixnet_tools.accuracy.datasets.forms.base import ClassNames, FoundImages, Wanted
from mixnet_tools.accuracy.datasets.image import IMAGE_SUFFIXES, LabelledImage, is_hidden, looks_like_image
from mixnet_tools.accuracy.datasets.labels.annotations import label_numbers
from mixnet_tools.accuracy.datasets.labels.name_lists import PLAIN_LISTS, find_name_list
from mixnet_tools.accuracy.datasets.splits import Chosen, choose, split_folders
from mixnet_tools.accuracy.datasets.tree import tree_of
from mixnet_tools.descriptors.imagenet import WORDNET_ID
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

if TYPE_CHECKING:
    from mixnet_tools.accuracy.datasets.forms.tar import Member

_LABEL_SUFFIX = ".cls"
OTHER_FIELD = "another field of a sample"


@dataclass
class _Sample:
    image: Member | None = None
    label: int | str | None = None
    others: list[str] = field(default_factory=list)


def is_label(name: str) -> bool:
    """Whether a member of this name holds the label of a sample."""
    return name.lower().endswith(_LABEL_SUFFIX) and not is_hidden(name.rpartition("/")[2])


def hidden(members: Sequence[Member]) -> list[tuple[str, str]]:
    """The hidden members, each with the reason why it is left out."""
    return [(one.name, HIDDEN) for one in members if any(map(is_hidden, one.name.split("/")))]


def read(source: Location, tars: Mapping[Location, Sequence[Member]], wanted: Wanted) -> FoundImages:
    """The samples in the members of ``tars``, in order. Of members in folders of splits, those of one are taken.

    Raises :class:`DatasetError` where a sample lacks its image or its label, or has two.
    """
    first_label = wanted.first_label or 0
    folders, chosen = _split(source, tars, wanted)
    images: list[LabelledImage] = []
    given: dict[str, int | str] = {}
    labels: set[str] = set()
    fields: set[str] = set()
    names: list[str] = []
    left: list[tuple[str, str]] = []
    for tar, every in tars.items():
        prefix = f"{tar.stem}/" if len(tars) > 1 else ""
        known = {one.name: OTHER_SPLIT for one in every if folders and not one.name.startswith(folders)}
        known |= dict(hidden(every))
        left += [(prefix + name, reason) for name, reason in known.items()]
        members = [one for one in every if one.name not in known]
        names += [prefix + one.name for one in members]
        for key, sample in _samples(tar, members, wanted).items():
            if sample.image is None or sample.label is None:
                lacking = "image" if sample.image is None else f"label ({key}{_LABEL_SUFFIX})"
                raise DatasetError(
                    f"{tar}: the sample {key!r} has no {lacking}",
                    hint="name its members in the file of `exclude`, one a line, where it is not meant",
                )
            label = sample.label if isinstance(sample.label, str) else sample.label - first_label
            if not isinstance(label, str) and label < 0:
                raise DatasetError(f"{tar}: {key}{_LABEL_SUFFIX}: label {sample.label} is below {first_label}")
            images.append(LabelledImage(prefix + sample.image.name, tar, 0, sample.image.span))
            given[str(len(images))] = label
            fields |= {prefix + name for name in sample.others}
        labels |= {prefix + one.name for one in members if is_label(one.name)}
    account = settle(
        "members",
        str(source),
        names,
        used={image.name for image in images},
        labels=labels,
        rule=lambda name: OTHER_FIELD if name in fields else None,
        known=left,
        exclusions=wanted.exclusions,
    )
    numbers, texts = label_numbers(given)
    listed = None if texts else find_name_list(next(iter(tars)), PLAIN_LISTS[1:])
    class_names = ClassNames(texts, "labels") if texts else None
    return FoundImages(
        "webdataset",
        tuple(replace(image, label=label) for image, label in zip(images, numbers.values(), strict=True)),
        class_names=ClassNames(listed.names, "list", listed.file) if listed else class_names,
        accounts=(account,),
        split=chosen.split,
        remarks=(chosen.remark,) if chosen.remark else (),
    )


def _split(
    source: Location, tars: Mapping[Location, Sequence[Member]], wanted: Wanted
) -> tuple[tuple[str, ...], Chosen]:
    """The folders of members that are of the split to take (``()``: all), and how it was chosen."""
    tree = tree_of(member.name for members in tars.values() for member in members)
    _, splits = split_folders(tree, wanted.is_class, source)
    if not splits:
        return (), Chosen()
    chosen = choose(splits, wanted.split, source)
    return tuple(f"{name}/" for name in chosen.names), chosen


def _samples(tar: Location, members: Sequence[Member], wanted: Wanted) -> dict[str, _Sample]:
    """The samples with an image or a label, by their keys."""
    by_first, by_last = (_grouped(_keyed(members, last=last), wanted) for last in (False, True))
    pick = by_last if _alone(by_first) and not _alone(by_last) else by_first
    return {key: sample for key, sample in _checked(tar, pick).items() if sample.image or sample.label is not None}


def _alone(samples: Mapping[str, list[tuple[Member, str]]]) -> bool:
    """Whether an image or a label has no partner in ``samples``."""
    for group in samples.values():
        suffixes = {suffix for _, suffix in group}
        image, label = bool(suffixes & IMAGE_SUFFIXES), _LABEL_SUFFIX in suffixes
        dotted = any(suffix.endswith(_LABEL_SUFFIX) and suffix != _LABEL_SUFFIX for suffix in suffixes)
        if image != label or dotted or (not image and any(looks_like_image(f"x{suffix}") for suffix in suffixes)):
            return True
    return False


def _grouped(keyed: Iterator[tuple[Member, str, str]], wanted: Wanted) -> dict[str, list[tuple[Member, str]]]:
    groups: dict[str, list[tuple[Member, str]]] = {}
    for member, key, suffix in keyed:
        if wanted.exclusions is None or not wanted.exclusions.names(member.name):
            groups.setdefault(key, []).append((member, suffix))
    return groups


def _checked(tar: Location, groups: Mapping[str, list[tuple[Member, str]]]) -> dict[str, _Sample]:
    samples: dict[str, _Sample] = {}
    for key, group in groups.items():
        sample = samples.setdefault(key, _Sample())
        for member, suffix in group:
            if suffix == _LABEL_SUFFIX:
                if sample.label is not None:  # a.cls and a.CLS
                    raise DatasetError(f"{tar}: the sample {key!r} has two labels: {member.name} is the second")
                sample.label = _label(tar, member)
            elif suffix in IMAGE_SUFFIXES:
                if sample.image is not None:
                    both = f"{sample.image.name} and {member.name}"
                    raise DatasetError(f"{tar}: two images are called {key!r}: {both}")
                sample.image = member
            else:
                sample.others.append(member.name)
        if sample.image is None:
            sample.others.clear()
    return samples


def _keyed(members: Sequence[Member], *, last: bool) -> Iterator[tuple[Member, str, str]]:
    """(member, key of its sample, what follows the key in lower case). The key ends at the first or last dot."""
    for member in members:
        folder, slash, bare = member.name.rpartition("/")
        stem, _, suffix = bare.rpartition(".") if last else bare.partition(".")
        if stem:
            yield member, folder + slash + stem, f".{suffix.lower()}"


def _label(tar: Location, member: Member) -> int | str:
    text = member.text.decode("ascii", "replace").strip()
    if WORDNET_ID.fullmatch(text):
        return text
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DatasetError(f"{tar}: {member.name}: expected a label of 0 or more, got {text!r}")
    return int(text)
