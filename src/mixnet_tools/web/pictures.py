"""Pictures as the page shows them: what a browser cannot show as the models saw it, the server makes into a JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from mixnet_tools.accuracy.classification.images import ImageToClassify
from mixnet_tools.accuracy.classification.values import ClassifiedImage
from mixnet_tools.accuracy.preprocessing.decode import FORMATS, decode
from mixnet_tools.errors import MixnetToolsError

PREVIEW, THUMBNAIL = 1024, 192
"""The longer side of a picture that the server makes, in pixels."""

_SHOWN_BY_BROWSERS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_SHOWN_OTHERWISE = {"CMYK", "transparency"}
"""Notes on pictures of which browsers make other colours than the models get."""


@dataclass(frozen=True)
class Sample:
    """A picture that came with the model: its bytes, their media type, and a small JPEG of it."""

    name: str
    data: bytes
    media_type: str
    thumbnail: bytes


def preview(data: bytes, *, turned: bool, side: int = PREVIEW) -> bytes:
    """A JPEG of the image in ``data``, as models see it; ``turned`` as its EXIF data asks, ``side`` pixels at most.

    Raises :class:`DatasetError` where it cannot be decoded.
    """
    image = decode(io.BytesIO(data), orient=turned, name="the picture").image
    image.thumbnail((side, side))
    made = io.BytesIO()
    image.save(made, "JPEG", quality=88)
    return made.getvalue()


def needs_preview(data: bytes, image: ClassifiedImage) -> bool:
    """Whether a browser shows the file in ``data`` otherwise than the models saw it, or not at all."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        kind, moves = opened.format, getattr(opened, "is_animated", False)
    is_jpeg = kind in ("JPEG", "MPO")
    return (
        kind not in _SHOWN_BY_BROWSERS
        or (moves and not is_jpeg)  # models see the first frame
        or not _SHOWN_OTHERWISE.isdisjoint(image.notes)
        or (image.orientation != 1 and not is_jpeg)  # not every browser turns other formats
    )


def read_samples(images: tuple[ImageToClassify, ...], most: int) -> tuple[Sample, ...]:
    """The pictures that came with a model, in memory. Those that cannot be read, or have more bytes, are left out."""
    found = []
    for image in images:
        try:
            source = image.open()
            data = source.getvalue() if isinstance(source, io.BytesIO) else source.read_bytes()
            thumbnail = preview(data, turned=False, side=THUMBNAIL)
        except (MixnetToolsError, OSError):
            continue
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            media_type = _SHOWN_BY_BROWSERS.get(opened.format or "", "application/octet-stream")
        if len(data) <= most:
            found.append(Sample(image.name, data, media_type, thumbnail))
    return tuple(found)
