"""Scale arrays [height, width, channels] as OpenCV and TensorFlow do.

``tf.image.resize`` (TensorFlow 2) without antialias: the centre of output pixel i lies at ``(i + 0.5) * scale - 0.5``
of the input. Bilinear weights clamp at the border. Bicubic weights are Keys' kernel with a = -0.5 (R. G. Keys, IEEE
ASSP 29, 1981): taps beyond the border are left out, and the others are scaled to sum 1.

``tf.compat.v1.image.resize_bilinear`` and ``resize_bicubic`` as TensorFlow 1 calls them: the centre lies at
``i * scale``, Keys' a is -0.75, and taps beyond the border are the border's pixels.

NumPy computes both here, so that no image needs TensorFlow.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mixnet_tools.errors import MissingDependency

Floats = npt.NDArray[np.float32]

PILLOW_INTERPOLATIONS = {
    "NEAREST": Image.Resampling.NEAREST,
    "LINEAR": Image.Resampling.BILINEAR,
    "BILINEAR": Image.Resampling.BILINEAR,
    "CUBIC": Image.Resampling.BICUBIC,
    "BICUBIC": Image.Resampling.BICUBIC,
    "BOX": Image.Resampling.BOX,
    "HAMMING": Image.Resampling.HAMMING,
    "LANCZOS": Image.Resampling.LANCZOS,
    "ANTIALIAS": Image.Resampling.LANCZOS,
}
OPENCV_INTERPOLATIONS = {
    "NEAREST": "INTER_NEAREST",
    "LINEAR": "INTER_LINEAR",
    "BILINEAR": "INTER_LINEAR",
    "CUBIC": "INTER_CUBIC",
    "BICUBIC": "INTER_CUBIC",
    "AREA": "INTER_AREA",
    "LANCZOS4": "INTER_LANCZOS4",
}
TENSORFLOW_INTERPOLATIONS = ("BILINEAR", "BICUBIC")
_KEYS, _KEYS_LEGACY = -0.5, -0.75


def require_opencv() -> ModuleType:
    """The ``cv2`` module, on one thread. Raises :class:`MissingDependency` where it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise MissingDependency(
            f"this model's preprocessing needs OpenCV, which is not installed ({error})",
            hint="pip install 'mixnet-tools[opencv]'",
        ) from error
    cv2.setNumThreads(1)  # images are prepared in several threads already
    module: ModuleType = cv2  # typed here: mypy knows no type of it where OpenCV is not installed
    return module


def opencv_resize(pixels: npt.NDArray[Any], width: int, height: int, interpolation: str) -> npt.NDArray[Any]:
    """``cv2.resize`` of uint8 or float pixels [height, width, channels], to the same type. For ``interpolation`` see
    :data:`OPENCV_INTERPOLATIONS`.
    """
    cv2 = require_opencv()
    flag = getattr(cv2, OPENCV_INTERPOLATIONS[interpolation])
    scaled = np.asarray(cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=flag))
    return scaled.reshape(height, width, -1)  # OpenCV leaves out the axis of a single channel


def tensorflow_resize(pixels: npt.NDArray[Any], width: int, height: int, interpolation: str) -> Floats:
    """``tf.image.resize(pixels, [height, width], method)`` as float32. Bicubic values may leave 0..255 a little."""
    weights = _bicubic if interpolation == "BICUBIC" else _bilinear
    rows, row_weights = weights(pixels.shape[0], height)
    columns, column_weights = weights(pixels.shape[1], width)
    return _scaled(pixels, rows, row_weights, columns, column_weights)


def legacy_resize(pixels: npt.NDArray[Any], width: int, height: int, interpolation: str) -> Floats:
    """``tf.compat.v1.image.resize_<interpolation>(pixels, [height, width])`` as float32, without half-pixel centres."""
    return _scaled(
        pixels, *_legacy(pixels.shape[0], height, interpolation), *_legacy(pixels.shape[1], width, interpolation)
    )


def _scaled(
    pixels: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    row_weights: Floats,
    columns: npt.NDArray[np.int64],
    column_weights: Floats,
) -> Floats:
    """``pixels`` weighted by rows, then by columns. Indices and weights are [new size, taps]."""
    # One tap after the other: all taps at once would take four times the memory of the image.
    wide: Floats = np.zeros((len(rows), pixels.shape[1], pixels.shape[2]), dtype=np.float32)
    for tap in range(rows.shape[1]):
        wide += pixels[rows[:, tap]] * row_weights[:, tap, None, None]
    scaled: Floats = np.zeros((len(rows), len(columns), pixels.shape[2]), dtype=np.float32)
    for tap in range(columns.shape[1]):
        scaled += wide[:, columns[:, tap]] * column_weights[None, :, tap, None]
    return scaled


def _legacy(size: int, new_size: int, interpolation: str) -> tuple[npt.NDArray[np.int64], Floats]:
    """(indices, weights) of TensorFlow 1, [new_size, 2 or 4]."""
    centres = np.arange(new_size, dtype=np.float32) * (np.float32(size) / np.float32(new_size))
    first = np.floor(centres)
    share = centres - first
    if interpolation == "BILINEAR":
        offsets, weights = np.arange(2), np.stack([1 - share, share], axis=1)
    else:
        # TensorFlow has a table of the kernel with 1024 steps a pixel.
        distance = np.abs(np.rint(share * 1024)[:, None] / 1024 - np.arange(-1, 3)[None, :])
        offsets, weights = np.arange(-1, 3), _keys(distance, _KEYS_LEGACY)
    taps = np.clip(first.astype(np.int64)[:, None] + offsets, 0, size - 1)
    return taps, weights.astype(np.float32)


def _keys(distance: npt.NDArray[Any], a: float) -> npt.NDArray[Any]:
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.asarray(np.where(distance <= 1, near, far))


def _centres(size: int, new_size: int) -> npt.NDArray[np.float64]:
    # In float32, as TensorFlow's kernels compute.
    half, scale = np.float32(0.5), np.float32(size) / np.float32(new_size)
    return np.asarray((np.arange(new_size, dtype=np.float32) + half) * scale - half, dtype=np.float64)


def _bilinear(size: int, new_size: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """(indices, weights), both [new_size, 2]."""
    centres = _centres(size, new_size)
    first = np.floor(centres)
    taps = np.stack([np.maximum(first, 0), np.minimum(first + 1, size - 1)], axis=1).astype(np.int64)
    share = (centres - first).astype(np.float32)
    return np.clip(taps, 0, size - 1), np.stack([1 - share, share], axis=1)


def _bicubic(size: int, new_size: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """(indices, weights), both [new_size, 4]."""
    centres = _centres(size, new_size)
    first = np.floor(centres)
    # TensorFlow has a table of the kernel with 1024 steps a pixel.
    centres = first + np.rint((centres - first) * 1024) / 1024
    taps = first.astype(np.int64)[:, None] + np.arange(-1, 3)[None, :]
    distance = np.abs(centres[:, None] - taps)
    weights = _keys(distance, _KEYS)
    weights[(taps < 0) | (taps >= size)] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(taps, 0, size - 1), weights.astype(np.float32)
