"""Read the bytes of one image: a file or a part of one, on disk or behind a URL."""

from __future__ import annotations

import io
import stat
from collections.abc import Sequence
from pathlib import Path

from mixnet_tools.accuracy.datasets.forms.parquet import read_cell
from mixnet_tools.accuracy.datasets.image import Cell, LabelledImage
from mixnet_tools.accuracy.datasets.remote import read, size_of
from mixnet_tools.errors import DatasetError
from mixnet_tools.files.location import Location

MAX_BYTES = 256 << 20
"""The largest file of an image that is decoded."""

REMOTE_READERS = 4
"""Threads for each processor where images are read from behind a URL: most of them wait for the network."""


def open_image(image: LabelledImage) -> Path | io.BytesIO:
    """The path of the file that ``image`` is, or its bytes in memory. Safe to call from several threads.

    Raises :class:`DatasetError` where it cannot be read, and where it is no regular file: opening a pipe can wait
    forever.
    """
    if isinstance(image.part, Cell):
        data = read_cell(image.location, image.part)
        return in_memory(data, image.where)
    if image.part is not None:
        _require_size(image.where, image.part.size)
    if image.location.is_remote:
        return in_memory(read(image.location, image.part), image.where)
    path = image.location.path
    if image.part is None:
        return local_file(path, image.where)
    try:
        with path.open("rb") as stream:
            stream.seek(image.part.offset)
            data = stream.read(image.part.size)
    except OSError as error:
        raise DatasetError(f"{image.where}: cannot be read: {error.strerror or error}") from error
    if len(data) != image.part.size:
        raise DatasetError(f"{image.where}: the file ends before the image does")
    return io.BytesIO(data)


def in_memory(data: bytes, where: str) -> io.BytesIO:
    """``data``, the bytes of the image ``where``. Raises :class:`DatasetError` where they are too many."""
    _require_size(where, len(data))
    return io.BytesIO(data)


def local_file(path: Path, where: str) -> Path:
    """``path``, the file of the image ``where``.

    Raises :class:`DatasetError` where it does not exist, is too large, or is no regular file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DatasetError(f"{where}: cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise DatasetError(f"{where}: no regular file")
    _require_size(where, found.st_size)
    return path


def _require_size(where: str, size: int) -> None:
    if size > MAX_BYTES:
        raise DatasetError(f"{where}: has {size:,} bytes, and at most {MAX_BYTES:,} are read")


def readers(images: Sequence[LabelledImage], processors: int) -> int:
    """The number of threads that are to decode ``images``, on so many ``processors``."""
    return processors * REMOTE_READERS if images and images[0].location.is_remote else processors


def sample_size(location: Location) -> int | None:
    """The size of the file at ``location`` in bytes; None where a server does not say it, or it is no regular file.

    Raises :class:`DatasetError` where the file is missing or cannot be read.
    """
    if location.is_remote:
        return size_of(location)
    path = location.path
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            with path.open("rb") as stream:
                stream.read(1)
            return found.st_size
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    return None
