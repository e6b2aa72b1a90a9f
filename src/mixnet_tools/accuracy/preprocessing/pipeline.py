"""Crop, scale and normalize a decoded image to the array that a model takes.

Open Model Zoo reads images as BGR and lets each launcher's steps swap the channels. Cropping and scaling treat each
channel by itself. So an image stays RGB here, and a swap only changes the channel order of the finished array.
Launchers whose steps differ only in swaps share all the work. A grey image has one channel, and no order.

The formulas are those of OMZ's accuracy_checker (preprocessor/crop.py, resize.py, normalization.py, release 2024), and
the results are bit-exact with it. See :mod:`.steps` for what the steps are, :mod:`.profiles` for those of profiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mixnet_tools.accuracy.preprocessing.aspect_ratio import RULES, strided
from mixnet_tools.accuracy.preprocessing.grey import convert_grey
from mixnet_tools.accuracy.preprocessing.plan import ChannelOrder, Operations
from mixnet_tools.accuracy.preprocessing.resize import (
    PILLOW_INTERPOLATIONS,
    legacy_resize,
    opencv_resize,
    tensorflow_resize,
)
from mixnet_tools.accuracy.preprocessing.steps import (
    Crop,
    GreyConversion,
    LegacyResize,
    Normalization,
    Resize,
    SquareCrop,
    describe,
    needs_8_bits,
)
from mixnet_tools.errors import EvaluationError

Pixels = npt.NDArray[Any]
"""[height, width, channels]: uint8 in 0..255, or float32 where steps normalize, scale as TensorFlow does, or make grey
images as accuracy_check does."""


def apply(image: Image.Image, operations: Operations) -> Pixels:
    """``image`` (8-bit RGB, or L as read grey) after all steps: [height, width, channels], RGB, see :data:`Pixels`.

    Raises :class:`EvaluationError` where a step cannot be applied to an image of this size.
    """
    pixels = _pixels(image)
    scaled_by_opencv = False
    for step in operations.steps:
        height, width = pixels.shape[:2]
        if isinstance(step, Normalization):
            pixels = (pixels - np.asarray(step.mean or (0.0,))) / np.asarray(step.std or (1.0,))
        elif isinstance(step, GreyConversion):
            colours = _unrounded(pixels, scaled_by_opencv)
            colours = colours[..., ::-1] if step.reverse else colours
            pixels = convert_grey(colours, blue_first=step.weights == "bgr_to_gray")
            pixels = pixels.astype(np.float32) if step.cast_to_float else pixels
        elif isinstance(step, LegacyResize):
            pixels = legacy_resize(pixels, step.size, step.size, step.interpolation)
        elif isinstance(step, Resize):
            floats = scaled_by_opencv and step.library == "opencv"
            pixels = _resized(_unrounded(pixels, floats), step, *_target_size(step, width, height))
            scaled_by_opencv = step.library == "opencv"
        elif isinstance(step, SquareCrop):
            pixels = _cut(pixels, _square_box(step, width, height))
        else:
            size = _enlarged_size(step, width, height)
            if size != (width, height):
                pixels = opencv_resize(_unrounded(pixels, scaled_by_opencv), *size, "LINEAR")
            box = _crop_box(step, *size)
            if step.fill is not None:
                pixels = _framed(pixels, box, step.fill)
            else:
                pixels = _pixels(_image(pixels).crop(box)) if needs_8_bits(step) else _cut(pixels, box)
    return np.array(pixels) if pixels.dtype == np.uint8 else pixels.astype(np.float32)


def kept_box(operations: Operations, width: int, height: int) -> tuple[float, float, float, float]:
    """What the steps keep of an image of ``width`` x ``height`` pixels: (left, top, right, bottom) in its pixels.

    Bounds are fractions of a pixel where an image is scaled before it is cropped. Raises :class:`EvaluationError` where
    a step cannot be applied to an image of this size.
    """
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    for step in operations.steps:
        if isinstance(step, (Normalization, GreyConversion)):
            continue
        if isinstance(step, Resize):
            width, height = _target_size(step, width, height)
            continue
        if isinstance(step, LegacyResize):
            width = height = step.size
            continue
        if isinstance(step, SquareCrop):
            box = _square_box(step, width, height)
        else:
            width, height = _enlarged_size(step, width, height)
            box = _crop_box(step, width, height)
        across, down = (right - left) / width, (bottom - top) / height
        right, bottom = left + across * min(box[2], width), top + down * min(box[3], height)
        left, top = left + across * max(box[0], 0), top + down * max(box[1], 0)
        width, height = box[2] - box[0], box[3] - box[1]
    return left, top, right, bottom


def ordered(batch: Pixels, order: ChannelOrder) -> Pixels:
    """The batch [N, height, width, channels], RGB, with its channels in ``order`` and contiguous in memory."""
    return np.ascontiguousarray(batch[..., ::-1]) if order == "BGR" else batch


def _unrounded(pixels: Pixels, scaled_by_opencv: bool) -> Pixels:
    """accuracy_check makes floats of what OpenCV's resize gives: what OpenCV does next rounds nothing."""
    return pixels.astype(np.float32) if scaled_by_opencv and pixels.dtype == np.uint8 else pixels


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _cut(pixels: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    left, top, right, bottom = box
    return pixels[top:bottom, left:right]


def _framed(pixels: Pixels, box: tuple[int, int, int, int], fill: Sequence[int]) -> Pixels:
    """What is in ``box``, which may be larger than the image: the rest has the colour ``fill``."""
    left, top, right, bottom = box
    height, width, channels = pixels.shape
    framed = np.empty((bottom - top, right - left, channels), np.uint8)
    framed[:] = fill if channels == 3 else fill[0]
    inside = _cut(pixels, (max(left, 0), max(top, 0), min(right, width), min(bottom, height)))
    framed[max(-top, 0) :, max(-left, 0) :][: inside.shape[0], : inside.shape[1]] = inside
    return framed


def _resized(pixels: Pixels, step: Resize, width: int, height: int) -> Pixels:
    if step.library == "pillow":
        return _pixels(_image(pixels).resize((width, height), PILLOW_INTERPOLATIONS[step.method]))
    if step.library == "tf":
        return tensorflow_resize(pixels, width, height, step.method)
    scaled = opencv_resize(pixels, width, height, step.method)
    return scaled if scaled.dtype == np.uint8 else scaled.astype(np.float32)


def _crop_size(step: Crop, width: int, height: int) -> tuple[int, int]:
    if step.max_square:
        size = min(width, height), min(width, height)
    elif step.central_fraction is not None:
        size = int(width * step.central_fraction), int(height * step.central_fraction)
    else:
        size = step.target or (width, height)
    if min(size) < 1:
        raise EvaluationError(f"nothing is left of {width}x{height} pixels after {describe(step)}")
    return size


def _enlarged_size(step: Crop, width: int, height: int) -> tuple[int, int]:
    """The size to which an image that is smaller than its crop is enlarged. Pillow's crop does without."""
    wanted, size = _crop_size(step, width, height), np.array((width, height), dtype=np.float64)
    if step.use_pillow:
        return width, height
    for axis in (0, 1):
        if size[axis] < wanted[axis]:
            size = size * wanted[axis] / size[axis]
    return math.ceil(size[0]), math.ceil(size[1])


def _crop_box(step: Crop, width: int, height: int) -> tuple[int, int, int, int]:
    new_width, new_height = _crop_size(step, width, height)
    if step.use_pillow:
        # Python's round goes to the even number: the extra pixel of an odd margin is now left, now right.
        left, top = round((width - new_width) / 2.0), round((height - new_height) / 2.0)
        if step.fill is not None:  # timm has the odd pixel of a border at the right and at the bottom
            left = left if width >= new_width else -((new_width - width) // 2)
            top = top if height >= new_height else -((new_height - height) // 2)
    else:
        left, top = (width - new_width) // 2, (height - new_height) // 2
    return left, top, left + new_width, top + new_height


def _square_box(step: SquareCrop, width: int, height: int) -> tuple[int, int, int, int]:
    side = int(step.size / (step.size + 32) * min(width, height))
    if side < 1:
        raise EvaluationError(f"nothing is left of {width}x{height} pixels after {describe(step)}")
    left, top = (width - side + 1) // 2, (height - side + 1) // 2
    return left, top, left + side, top + side


def _target_size(step: Resize, width: int, height: int) -> tuple[int, int]:
    """(width, height) to scale to."""
    size = step.target or (width, height)
    rule = step.aspect_ratio_scale
    if rule == "scale_factor":
        size = int(width * (step.scale or 1.0)), int(height * (step.scale or 1.0))
    elif rule is not None:
        size = RULES[rule](size, (width, height))
    if rule is not None and step.factor:
        size = strided(size, step.factor, step.include_boundary)
    if min(size) < 1:
        raise EvaluationError(f"nothing is left of {width}x{height} pixels after {describe(step)}")
    return size
