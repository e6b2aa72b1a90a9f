"""Writes copies of pictures with the answers of models under them."""

from __future__ import annotations

import io
import re
from pathlib import Path, PurePosixPath

from PIL import Image, ImageDraw, ImageFont

from mixnet_tools.accuracy.classification.images import ImageToClassify
from mixnet_tools.accuracy.classification.values import ClassifiedImage, KeptRegion
from mixnet_tools.accuracy.preprocessing.decode import decode
from mixnet_tools.errors import OutputError
from mixnet_tools.files import atomic
from mixnet_tools.files.shown import shown

LARGEST = 1600
"""The longer side of a copy in pixels, at most."""

LEAST_WIDTH = 320
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
"""What no file may be called with on one of the systems."""

_PAPER, _INK, _BAR, _FAINT = (255, 255, 255), (25, 25, 30), (70, 120, 200), (110, 110, 120)


class AnnotatedCopies:
    """Copies in ``folder``: ``photo.jpg`` becomes ``photo-classified.jpg``. A second ``photo.jpg`` gets a number.

    What preprocessing cuts away is darkened. Raises :class:`OutputError` where the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made: {error.strerror or error}", hint="`output`") from error
        self._folder = folder
        self._taken: set[str] = set()
        self.count = 0

    def write(self, source: ImageToClassify, answered: ClassifiedImage) -> Path:
        """Write the copy of ``source``, which was ``answered``; returns its path.

        Raises :class:`OutputError` where it cannot be written, and :class:`DatasetError` where the picture is gone.
        """
        kept = answered.kept
        picture = decode(source.open(), orient=kept is None or kept.turned, name=source.name).image
        page = annotated(picture, answered)
        path = self._folder / self._free_name(PurePosixPath(source.name).stem)
        data = io.BytesIO()
        page.save(data, "JPEG", quality=90)
        atomic.write_bytes(path, data.getvalue())
        self.count += 1
        return path

    def _free_name(self, stem: str) -> str:
        stem = _FORBIDDEN.sub("_", shown(stem))[:100] or "image"
        number, name = 1, f"{stem}-classified.jpg"
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}-classified.jpg"
        self._taken.add(name.casefold())
        return name


def annotated(picture: Image.Image, answered: ClassifiedImage) -> Image.Image:
    """``picture`` (RGB) in a size to look at, with the kept region and, below, a line for each answer."""
    scale = min(1.0, LARGEST / max(picture.size))
    scale = max(scale, min(8.0, LEAST_WIDTH / picture.width)) if scale == 1.0 else scale
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    above = picture.resize(size, Image.Resampling.LANCZOS)
    if answered.kept is not None:
        above = _darkened(above, answered.kept, size[0] / picture.width, size[1] / picture.height)
    letters = max(14, min(28, size[0] // 26))
    font = ImageFont.load_default(letters)
    lines = _lines(answered)
    line = round(letters * 1.6)
    width = max(size[0], LEAST_WIDTH)
    page = Image.new("RGB", (width, size[1] + line * len(lines) + letters), _PAPER)
    page.paste(above, ((width - size[0]) // 2, 0))
    draw = ImageDraw.Draw(page)
    for number, (text, score) in enumerate(lines):
        top = size[1] + letters // 2 + number * line
        if score is None:
            draw.text((letters // 2, top), text, _FAINT, font)
            continue
        draw.rectangle((0, top + line - 5, max(1, round(width * score)), top + line - 3), _BAR)
        percent = f"{100 * score:.1f} %"
        room = width - letters - font.getlength(percent) - letters
        draw.text((letters // 2, top), _fitting(text, font, room), _INK, font)
        draw.text((width - letters // 2 - font.getlength(percent), top), percent, _INK, font)
    return page


def _lines(answered: ClassifiedImage) -> list[tuple[str, float | None]]:
    lines: list[tuple[str, float | None]] = []
    for answer in answered.answers:
        if len(answered.answers) > 1:
            lines.append((answer.model, None))
        lines += [(found.text, found.score) for found in answer.classes]
    return lines


def _darkened(picture: Image.Image, kept: KeptRegion, across: float, down: float) -> Image.Image:
    box = round(kept.left * across), round(kept.top * down), round(kept.right * across), round(kept.bottom * down)
    dark = picture.point(lambda value: value // 3)
    dark.paste(picture.crop(box), box[:2])
    return dark


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}...") > room:
        text = text[:-1]
    return f"{text}..."
