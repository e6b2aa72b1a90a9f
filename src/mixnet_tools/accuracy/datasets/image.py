"""One labelled image of a data set: its name, its label, and where its bytes are.

An image is a file, or a part of one: a member of a tar, a record, a row of a table. It is read from there each time it
is needed (:mod:`.image_bytes`). Nothing is unpacked or copied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mixnet_tools.files.location import Location

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".jif"})
IMAGE_SUFFIXES = JPEG_SUFFIXES | {
    ".png",
    ".bmp",
    ".dib",
    ".webp",
    ".tif",
    ".tiff",
    ".gif",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
}
"""What counts as an image by its name, in folders and tars. An annotation file may name any file."""

UNREADABLE_SUFFIXES = frozenset(
    {
        *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".jpf", ".jxr", ".wdp", ".hdp", ".qoi", ".flif"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".psd", ".tga", ".pcx", ".exr", ".hdr"),
        *(".eps", ".svg", ".ras", ".xbm", ".xpm", ".dcm"),
    }
)
"""Images of formats that are not decoded."""

_HIDDEN = frozenset(
    {
        *("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"),
        *("Thumbs.db", "thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini"),
    }
)
"""What operating systems leave in folders and archives; names that begin with a dot are hidden too."""


_NUMBER = re.compile(r"(?:^|[_/])val_(\d{8})(?=[._])")


def validation_number(name: str) -> int | None:
    """The number, from 1, in the name of one of ImageNet's validation images.

    >>> validation_number("n01440764/ILSVRC2012_val_00000293.JPEG"), validation_number("cat.jpg")
    (293, None)
    """
    match = _NUMBER.search(name)
    return int(match[1]) if match else None


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name (without folders) is no part of a data set."""
    return name.startswith(".") or name in _HIDDEN


def suffix_of(name: str) -> str:
    """The suffix of a name, with its dot and in lower case; nothing where it has none."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and "/" not in suffix and stem and not stem.endswith("/") else ""


def is_image(name: str) -> bool:
    """Whether a file of this name is an image that is not hidden."""
    return suffix_of(name) in IMAGE_SUFFIXES and not is_hidden(name.rpartition("/")[2])


def looks_like_image(name: str) -> bool:
    """Whether a file of this name is an image, of a format that is decoded or of another."""
    return is_image(name) or suffix_of(name) in UNREADABLE_SUFFIXES


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
