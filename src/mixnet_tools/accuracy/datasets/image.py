"""One labelled image of a data set: what it is called, what it shows, and where its bytes are.

An image is a file, or a part of one (a member of a tar, a record, a row of a table), and is read from there each time
it is needed (:mod:`.reading`): nothing is unpacked or copied. How the parts are found is :mod:`.dataset`'s subject.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mixnet_tools.files.location import Location


@dataclass(frozen=True)
class Span:
    """Bytes ``offset`` to ``offset + size`` of a file."""

    offset: int
    size: int


@dataclass(frozen=True)
class Cell:
    """Row ``row`` of row group ``group`` of a Parquet file."""

    group: int
    row: int


@dataclass(frozen=True)
class LabelledImage:
    """An image ``name`` (POSIX, unique in its data set), the ``location`` of the file that holds it, its ``label``
    (from 0).

    ``part`` says which part of the file it is, None for all of it. ``accepted`` are the labels that count as right
    where there may be several (ReaL); None means: only ``label``.
    """

    name: str
    location: Location
    label: int
    part: Span | Cell | None = None
    accepted: tuple[int, ...] | None = None

    @property
    def where(self) -> str:
        """The image as messages name it."""
        return str(self.location) if self.part is None else f"{self.location}: {self.name}"

    @property
    def bare_name(self) -> str:
        """The name without folders: the same however a data set is packed."""
        return self.name.rpartition("/")[2]


def with_unique_names(images: tuple[LabelledImage, ...]) -> tuple[LabelledImage, ...]:
    """``images``, where a name that comes again (tables may call all images alike) gets its count: ``a.jpg#2``."""
    counts: dict[str, int] = {}
    unique = []
    for image in images:
        counts[image.name] = count = counts.get(image.name, 0) + 1
        unique.append(image if count == 1 else replace(image, name=f"{image.name}#{count}"))
    return tuple(unique)
