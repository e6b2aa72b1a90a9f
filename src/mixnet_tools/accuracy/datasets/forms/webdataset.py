"""WebDataset: tars in which the members that share a name up to its first dot are one sample: ``7.jpg``, ``7.cls``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.accuracy.datasets.image import IMAGE_SUFFIXES, LabelledImage
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

if TYPE_CHECKING:
    from mixnet_tools.accuracy.datasets.forms.tar import Member

_LABEL_SUFFIX = ".cls"


@dataclass
class _Sample:
    image: Member | None = None
    label: int | None = None


def is_label(name: str) -> bool:
    """Whether a member of this name holds the label of a sample."""
    return name.lower().endswith(_LABEL_SUFFIX)


def images(tars: Mapping[Location, Sequence[Member]], first_label: int) -> tuple[LabelledImage, ...]:
    """The samples in the members of ``tars``, in order. ``first_label`` is the number of the first class.

    Raises :class:`DatasetError` where a sample lacks its image or its label, or has two.
    """
    found: list[LabelledImage] = []
    for tar, members in tars.items():
        prefix = f"{tar.stem}/" if len(tars) > 1 else ""
        for key, sample in _samples(tar, members).items():
            if sample.image is None and sample.label is None:
                continue  # a README, or other annotations
            if sample.image is None or sample.label is None:
                lacking = "image" if sample.image is None else f"label ({key}{_LABEL_SUFFIX})"
                raise DatasetError(f"{tar}: the sample {key!r} has no {lacking}")
            label = sample.label - first_label
            if label < 0:
                raise DatasetError(f"{tar}: {key}{_LABEL_SUFFIX}: label {sample.label} is below {first_label}")
            found.append(LabelledImage(prefix + sample.image.name, tar, label, sample.image.span))
    return tuple(found)


def _samples(tar: Location, members: Sequence[Member]) -> dict[str, _Sample]:
    samples: dict[str, _Sample] = {}
    for member, key, suffix in _keyed(members):
        sample = samples.setdefault(key, _Sample())
        if suffix == _LABEL_SUFFIX:
            if sample.label is not None:  # a.cls and a.CLS
                raise DatasetError(f"{tar}: the sample {key!r} has two labels: {member.name} is the second")
            sample.label = _label(tar, member)
        elif suffix in IMAGE_SUFFIXES:
            if sample.image is not None:
                both = f"{sample.image.name} and {member.name}"
                raise DatasetError(f"{tar}: two images are called {key!r}: {both}")
            sample.image = member
    return samples


def _keyed(members: Sequence[Member]) -> Iterator[tuple[Member, str, str]]:
    for member in members:
        folder, slash, bare = member.name.rpartition("/")
        stem, _, suffix = bare.partition(".")
        if stem:
            yield member, folder + slash + stem, f".{suffix.lower()}"


def _label(tar: Location, member: Member) -> int:
    text = member.text.decode("ascii", "replace").strip()
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DatasetError(f"{tar}: {member.name}: expected a label of 0 or more, got {text!r}")
    return int(text)
