"""Images for tests, made from formulas: every pixel is known without a file in the repository."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

COLOURS: tuple[tuple[int, int, int], ...] = (
    (230, 20, 20),
    (20, 230, 20),
    (20, 20, 230),
    (230, 230, 20),
    (20, 230, 230),
    (230, 20, 230),
)
"""RGB. Reversing the channels turns 0 into 2 and 3 into 4, and leaves 1 and 5 as they are."""


def pattern(height: int, width: int, seed: int = 0) -> Pixels:
    """Stripes, edges and grain that differ in each channel: uint8 [height, width, 3], RGB. No two sizes are alike."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (rows * 7 + columns * 3 + seed * 11) % 256
    green = (rows * columns + 13 * (rows // 5) + seed) % 256
    blue = np.where((rows // 9 + columns // 6) % 2, 200 + (rows + columns) % 50, (rows * rows + columns) % 90)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def plain(colour: Sequence[int], height: int = 20, width: int = 24) -> Pixels:
    """One colour (RGB) all over: survives any crop, resize and JPEG quality."""
    return np.broadcast_to(np.array(colour, dtype=np.uint8), (height, width, 3)).copy()


def save(path: Path, pixels: Pixels, **options: Any) -> Path:
    """Write ``pixels`` (RGB, or grey [height, width]) in the format of the suffix, and its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def encoded(kind: str, pixels: npt.NDArray[Any], **options: Any) -> bytes:
    """The file of an image, in the format that Pillow calls ``kind``."""
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, kind, **options)
    return made.getvalue()


def turned(orientation: int) -> Image.Exif:
    """EXIF data that ask to turn an image (1 to 8)."""
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def write_flat_set(folder: Path, labels: Sequence[int], names: str = "image_{:04}.png") -> Path:
    """One plain image per label, in that label's colour, and val.txt. Returns ``folder``."""
    lines = []
    for index, label in enumerate(labels):
        name = names.format(index)
        save(folder / name, plain(COLOURS[label]))
        lines.append(f"{name} {label}\n")
    (folder / "val.txt").write_text("".join(lines))
    return folder


def write_class_folders(folder: Path, labels: Sequence[int], names: Sequence[str]) -> Path:
    """The images of :func:`write_flat_set`, sorted into one folder per class. Returns ``folder``."""
    for name in names:
        (folder / name).mkdir(parents=True)
    for index, label in enumerate(labels):
        save(folder / names[label] / f"image_{index:04}.png", plain(COLOURS[label]))
    return folder
