"""The bytes of one image: a file of its own, or a part of one."""

from __future__ import annotations

import io
import stat
from pathlib import Path

from mixnet_tools.accuracy.images import Cell, LabelledImage
from mixnet_tools.accuracy.parquet import read_cell
from mixnet_tools.errors import DatasetError


def open_image(image: LabelledImage) -> Path | io.BytesIO:
    """The file that ``image`` is, or the bytes of the part. Safe to call from several threads.

    Raises :class:`DatasetError` where it cannot be read, and where it is no regular file: a pipe without a writer would
    be waited for without end.
    """
    if isinstance(image.part, Cell):
        return io.BytesIO(read_cell(image.path, image.part))
    try:
        if image.part is None:
            if not stat.S_ISREG(image.path.stat().st_mode):
                raise DatasetError(f"{image.where}: no regular file")
            return image.path
        with image.path.open("rb") as stream:
            stream.seek(image.part.offset)
            data = stream.read(image.part.size)
    except OSError as error:
        raise DatasetError(f"{image.where}: cannot be read: {error.strerror or error}") from error
    if len(data) != image.part.size:
        raise DatasetError(f"{image.where}: the file ends before the image does")
    return io.BytesIO(data)
