"""One labelled image of a data set: its name, its label, and where its bytes are.

An image is a file, or a part of one: a member of a tar, a record, a row of a table. It is read from there each time it
is needed (:mod:`.image_bytes`). Nothing is unpacked or copied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from mixnet_tools.files.location import Location

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
"""What counts as an image by its name, in folders and tars. An annotation file may name any file."""


def is_image(name: str) -> bool:
    """Whether a file of this name is an image that is not hidden."""
    path = PurePosixPath(name)
    return not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES


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
    """An image, by its ``name`` (POSIX, unique in its data set), with its ``label`` (from 0).

    ``location`` is the file that holds it, and ``part`` the part of that file (None: all of it). ``accepted`` are the
    labels that count as right where there may be several, as with ReaL labels (None: only ``label``).
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
        """The name without folders. It is the same in every form of a data set."""
        return self.name.rpartition("/")[2]


def with_unique_names(images: tuple[LabelledImage, ...]) -> tuple[LabelledImage, ...]:
    """``images`` with unique names: the second ``a.jpg`` becomes ``a.jpg#2``. Tables may call all images alike."""
    counts: dict[str, int] = {}
    unique = []
    for image in images:
        counts[image.name] = count = counts.get(image.name, 0) + 1
        unique.append(image if count == 1 else replace(image, name=f"{image.name}#{count}"))
    return tuple(unique)
