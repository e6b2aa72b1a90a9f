"""One channel from three: the ways in which Open Model Zoo's steps and readers make grey images.

There are three, and they differ by one level here and there:

* The steps ``bgr_to_gray`` and ``rgb_to_gray`` are ``cv2.cvtColor``. On 8-bit images it computes with weights of 15
  bits. That is done here without OpenCV, to the same bits. Floats need OpenCV itself: how it rounds there depends on
  the processor.
* ``cv2.imread`` with the flag ``gray`` leaves the conversion to the decoder of the format. A JPEG file has grey in it
  (its luma), libpng's weights are cut off and not rounded, and OpenCV's own decoders compute with weights of 14 bits.
  Colour files with 16 bits a channel are the exception: they are read as 8 bits first, and may be one level off.
* Pillow's mode L, for a Pillow reader that keeps what a file has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from mixnet_tools.accuracy.preprocessing.resize import require_opencv

Library = Literal["opencv", "pillow"]
"""The library whose reader gives grey images."""

_BAND = 1 << 20
"""Pixels that are converted at once: whole images would take several times their memory."""


@dataclass(frozen=True)
class _Weights:
    """Integer weights of red, green and blue, whose sum is 2 to the power ``bits``, and what rounds the sum."""

    red: int
    green: int
    blue: int
    bits: int
    rounding: int


_CVT_COLOR = _Weights(9798, 19235, 3735, 15, 1 << 14)
_LIBPNG = _Weights(9797, 19234, 3737, 15, 0)
_OWN_DECODERS = _Weights(4899, 9617, 1868, 14, 1 << 13)
_BY_FORMAT = {"PNG": _LIBPNG, "WEBP": _CVT_COLOR, "GIF": _CVT_COLOR}
"""OpenCV's weights by Pillow's name of a format. All others have those of its own decoders."""


def convert_grey(pixels: npt.NDArray[Any], *, blue_first: bool) -> npt.NDArray[Any]:
    """``cv2.cvtColor`` of ``pixels`` [height, width, 3], uint8 or float32, to [height, width, 1] of the same type.

    ``blue_first`` is ``COLOR_BGR2GRAY``, else it is ``COLOR_RGB2GRAY``. Raises :class:`MissingDependency` where pixels
    are floats and OpenCV is not installed.
    """
    if pixels.dtype == np.uint8:
        return _weighted(pixels[..., ::-1] if blue_first else pixels, _CVT_COLOR)[..., None]
    cv2 = require_opencv()
    flag = cv2.COLOR_BGR2GRAY if blue_first else cv2.COLOR_RGB2GRAY
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels, dtype=np.float32), flag))[..., None]


def read_as_grey(rgb: Image.Image, library: Library, kind: str | None) -> Image.Image:
    """The 8-bit RGB image of a file in the format ``kind`` (Pillow's name) as ``library`` reads it: mode L.

    For JPEG files in grey or colour, OpenCV's answer is the file's own luma, and this is no substitute for it.
    """
    if library == "pillow":
        return rgb.convert("L")
    return Image.fromarray(_weighted(np.asarray(rgb), _BY_FORMAT.get(kind or "", _OWN_DECODERS)))


def _weighted(rgb: npt.NDArray[np.uint8], weights: _Weights) -> npt.NDArray[np.uint8]:
    grey = np.empty(rgb.shape[:2], np.uint8)
    rows = max(1, _BAND // max(1, rgb.shape[1]))
    for top in range(0, len(rgb), rows):
        band = rgb[top : top + rows].astype(np.int32)
        total = band[..., 0] * weights.red + band[..., 1] * weights.green + band[..., 2] * weights.blue
        grey[top : top + rows] = (total + weights.rounding) >> weights.bits
    return grey
