"""Decode an image file to 8-bit RGB or grey, as OpenCV's ``imread`` does, also where it is palette, 16-bit or CMYK.

The names of what is unusual about an image come with its pixels, so that a report can count unusual images.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from mixnet_tools.accuracy.preprocessing.grey import Library, read_as_grey
from mixnet_tools.errors import DatasetError

GREY = "grey"
"""The note on an image without colours."""

_UNUSUAL_MODES = {
    "1": GREY,
    "L": GREY,
    "LA": GREY,
    "P": "palette",
    "PA": "palette",
    "RGBA": "transparency",
    "CMYK": "CMYK",
    "I": "16-bit",
    "F": "floating point",
}
_JPEG_SUFFIXES = (".jpg", ".jpeg")

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
"""What is read, as Pillow calls it. It knows more, some of which start other programs (EPS: Ghostscript)."""

MAX_PIXELS = 1 << 27
"""The most pixels of an image. Cameras of phones make 108 million, and the largest image of ImageNet has 61 million."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by the orientation in its EXIF data (CIPA DC-008)."""

_LARGE = 1 << 24
"""From so many pixels on, images are decoded one at a time, whatever the number of threads."""

_BAND = 1 << 20
"""Pixels that are converted at once where it takes several arrays."""

_one_large_image = threading.Lock()


@dataclass(frozen=True)
class Decoded:
    """An 8-bit ``image``, RGB or L, and what is unusual about its file (``CMYK``, ``grey``, ``PNG named .JPEG``).

    ``orientation`` is what its EXIF data says, 1 to 8: from 5 on, turning the image swaps width and height.
    """

    image: Image.Image
    image_notes: tuple[str, ...]
    orientation: int = 1


def decode(
    source: Path | io.BytesIO,
    *,
    orient: bool = True,
    name: str | None = None,
    fast_dct: bool = False,
    grey_reader: Library | None = None,
    colours: Library = "opencv",
) -> Decoded:
    """The image at ``source``, called ``name`` in messages (default: its path), as 8-bit RGB.

    As in OpenCV's imread, grey levels are repeated, transparency is dropped, the upper 8 of 16 bits are kept, and CMYK
    is converted; with ``colours`` as Pillow does that, whose levels differ by one. With ``grey_reader`` the image has
    mode L, and the grey levels that this library reads (:mod:`.grey`). ``orient`` turns the image as its EXIF data
    asks. JPEG files are decoded with libjpeg's exact inverse DCT; with ``fast_dct`` with its fast one, which TensorFlow
    takes unless told otherwise: up to 15 levels apart.

    Raises :class:`DatasetError` that names the file where it is missing, broken, or no image.
    """
    where = name or str(source)
    try:
        with Image.open(source, formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise ValueError(f"it has {pixels:,} pixels, and at most {MAX_PIXELS:,} are read")
            with _one_large_image if pixels >= _LARGE else contextlib.nullcontext():
                jpeg = image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")
                luma = jpeg and grey_reader == "opencv"
                image_notes = _image_notes(image, where)
                found = _jpeg(source, fast_dct, luma) if jpeg and image.format == "JPEG" else None
                if found is None:
                    if luma:
                        image.draft("L", image.size)
                    image.load()
                # Before the conversion, which may drop the EXIF data.
                orientation = _orientation(image, needed=orient)
                if found is None:
                    found = image.copy() if luma and image.mode == "L" else _to_rgb(image, colours)
                if grey_reader and found.mode != "L":
                    found = read_as_grey(found, grey_reader, image.format)
                turned = found.transpose(_TURNS[orientation]) if orient and orientation in _TURNS else found
                return Decoded(turned, image_notes, orientation)
    except Exception as error:  # on broken files, decoders raise errors of any kind
        raise DatasetError(f"{where}: cannot be decoded as an image: {_reason(error)}") from error


def _jpeg(source: Path | io.BytesIO, fast_dct: bool, luma: bool) -> Image.Image | None:
    """The pixels of a JPEG file by libjpeg-turbo without Pillow, which takes half as long again for the same pixels.

    RGB, or with ``luma`` the grey levels that such a file has in it.

    None where it warns of anything: Pillow then decides what can be read.
    """
    import simplejpeg

    data = source.read_bytes() if isinstance(source, Path) else source.getvalue()
    try:
        kind = "GRAY" if luma else "RGB"
        pixels = simplejpeg.decode_jpeg(data, kind, fastdct=fast_dct, fastupsample=False)
        return Image.fromarray(pixels[..., 0] if luma else pixels)
    except ValueError:
        return None


def silence_pillow() -> None:
    """Do without Pillow's warnings: on odd metadata, which change no pixel, and on sizes, which have a budget."""
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def _image_notes(image: Image.Image, name: str) -> tuple[str, ...]:
    found = []
    mode = image.mode.partition(";")[0]
    if mode in _UNUSUAL_MODES:
        found.append(_UNUSUAL_MODES[mode])
    suffix = PurePosixPath(name).suffix
    if suffix.lower() in _JPEG_SUFFIXES and image.format not in ("JPEG", "MPO"):
        found.append(f"{image.format} named {suffix}")
    return tuple(found)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no known format (of {', '.join(FORMATS)})"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more pixels than the {MAX_PIXELS:,} that are read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _orientation(image: Image.Image, *, needed: bool) -> int:
    """What the EXIF data says; 1 where it is broken and not ``needed``."""
    try:
        found: int = image.getexif().get(0x0112, 1)  # the tag's number in EXIF
    except Exception:
        if needed:
            raise
        return 1
    return found if found in range(2, 9) else 1


def _to_rgb(image: Image.Image, colours: Library) -> Image.Image:
    if image.mode == "RGB":
        return image.copy() if image.readonly else image
    if image.mode.startswith("I"):  # I;16, I;16B, ...; some Pillow versions open 16-bit files as 32-bit "I"
        return _in_bands(image, _upper_byte)
    if image.mode == "CMYK" and colours == "opencv":
        return _in_bands(image, _cmyk_to_rgb)
    if image.mode == "F":
        raise ValueError("floating-point images have no defined range")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # without this step, Pillow warns about a transparent palette entry
    return image.convert("RGB")


def _in_bands(image: Image.Image, convert: Callable[[npt.NDArray[Any]], npt.NDArray[np.uint8]]) -> Image.Image:
    """The RGB image of ``image``, some rows at a time: ``convert`` needs several times as much memory as they have."""
    result = Image.new("RGB", image.size)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        result.paste(Image.fromarray(convert(np.asarray(band))).convert("RGB"), (0, top))
    return result


def _upper_byte(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError("its values do not fit into 16 bits")
    return (values >> 8).astype(np.uint8)


def _cmyk_to_rgb(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Convert by OpenCV's rule: ``k - (c * k >> 8)`` with k = 255 - black. Pillow's rule differs by one level."""
    inks = values.astype(np.int32)
    light = 255 - inks[..., 3:]
    return (light - (inks[..., :3] * light >> 8)).astype(np.uint8)
