"""Crop, scale and normalize a decoded image to the array that a model takes.

Open Model Zoo reads images as BGR and lets each launcher's steps swap the channels. Cropping and scaling treat each
channel by itself. So an image stays RGB here, and a swap only changes the channel order of the finished array.
Launchers whose steps differ only in swaps share all the work.

The formulas are those of OMZ's accuracy_checker (preprocessor/crop.py, resize.py, normalization.py, release 2024), and
the results are bit-exact with it. See :mod:`.steps` for what the steps are, :mod:`.profiles` for those of profiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from mixnet_tools.accuracy.preprocessing.accuracy_check_yml import Measurement
from mixnet_tools.accuracy.preprocessing.aspect_ratio import RULES, strided
from mixnet_tools.accuracy.preprocessing.resize import (
    OPENCV_INTERPOLATIONS,
    TENSORFLOW_INTERPOLATIONS,
    legacy_resize,
    opencv_resize,
    require_opencv,
    tensorflow_resize,
)
from mixnet_tools.accuracy.preprocessing.steps import (
    ChannelSwap,
    Crop,
    LegacyResize,
    Normalization,
    Operation,
    Resize,
    SquareCrop,
    describe,
)
from mixnet_tools.errors import EvaluationError

Pixels = npt.NDArray[Any]
"""[height, width, 3]: uint8 in 0..255, or float32 where steps normalize, or scale as TensorFlow does."""

_FILTERS = {
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
_INTERPOLATIONS = {
    "pillow": tuple(_FILTERS),
    "opencv": tuple(OPENCV_INTERPOLATIONS),
    "tf": TENSORFLOW_INTERPOLATIONS,
}


@dataclass(frozen=True)
class Operations:
    """The steps that are carried out on the RGB image. Launchers with equal operations share their result.

    ``orient`` turns the image as its EXIF data asks, ``fast_dct`` decodes JPEG files as TensorFlow does. The values of
    a :class:`Normalization` are in RGB order.
    """

    orient: bool
    steps: tuple[Operation, ...]
    fast_dct: bool = False


@dataclass(frozen=True)
class Plan:
    """The preprocessing of one launcher: its ``operations``, and the channel ``order`` of the finished array."""

    operations: Operations
    order: Literal["RGB", "BGR"]

    @property
    def description(self) -> tuple[str, ...]:
        """A short text for each step, as reports show it."""
        return (*(describe(step) for step in self.operations.steps), f"channel order {self.order}")


def make_plan(measurement: Measurement) -> Plan:
    """The preprocessing that ``measurement`` asks for.

    Raises :class:`EvaluationError` that names file and key for a step that is not supported, and
    :class:`MissingDependency` where a step needs OpenCV and that is not installed.
    """
    reverse = measurement.reader_order == "BGR"
    steps: list[Operation] = []
    for index, step in enumerate(measurement.steps):
        where = f"{measurement.where}.preprocessing[{index}]"
        if isinstance(step, ChannelSwap):
            reverse = not reverse
            continue
        if any(map(_makes_floats, steps)) and _needs_8_bits(step):
            before = describe(next(one for one in reversed(steps) if _makes_floats(one))).partition(" (")[0]
            raise EvaluationError(
                f"{where}: step {step.type} of Pillow, which takes 8-bit images only, after {before}, "
                "which leaves floats",
                hint="leave out use_pillow in accuracy-check.yml, or put the step before",
            )
        if isinstance(step, Resize):
            _check_resize(step, where)
        steps.append(_in_rgb(step, reverse) if isinstance(step, Normalization) else step)
    return Plan(Operations(measurement.orient, tuple(steps), measurement.fast_dct), "BGR" if reverse else "RGB")


def apply(image: Image.Image, operations: Operations) -> Pixels:
    """``image`` (8-bit RGB) after all steps: [height, width, 3] in RGB order, see :data:`Pixels`.

    Raises :class:`EvaluationError` where a step cannot be applied to an image of this size.
    """
    pixels: Pixels = np.asarray(image)
    scaled_by_opencv = False
    for step in operations.steps:
        height, width = pixels.shape[:2]
        if isinstance(step, Normalization):
            pixels = (pixels - np.asarray(step.mean or (0.0, 0.0, 0.0))) / np.asarray(step.std or (1.0, 1.0, 1.0))
        elif isinstance(step, LegacyResize):
            pixels = legacy_resize(pixels, step.size, step.size, step.interpolation)
        elif isinstance(step, Resize):
            # accuracy_check makes floats of what OpenCV's resize gives: a second one rounds nothing.
            floats = scaled_by_opencv and step.library == "opencv"
            size = _target_size(step, width, height)
            pixels = _resized(pixels.astype(np.float32) if floats else pixels, step, *size)
            scaled_by_opencv = step.library == "opencv"
        elif isinstance(step, SquareCrop):
            pixels = _cut(pixels, _square_box(step, width, height))
        else:
            size = _enlarged_size(step, width, height)
            pixels = pixels if size == (width, height) else opencv_resize(pixels, *size, "LINEAR")
            box = _crop_box(step, *size)
            pixels = np.asarray(Image.fromarray(pixels).crop(box)) if _needs_8_bits(step) else _cut(pixels, box)
    return np.array(pixels) if pixels.dtype == np.uint8 else pixels.astype(np.float32)


def kept_box(operations: Operations, width: int, height: int) -> tuple[float, float, float, float]:
    """What the steps keep of an image of ``width`` x ``height`` pixels: (left, top, right, bottom) in its pixels.

    Bounds are fractions of a pixel where an image is scaled before it is cropped. Raises :class:`EvaluationError` where
    a step cannot be applied to an image of this size.
    """
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    for step in operations.steps:
        if isinstance(step, Normalization):
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


def ordered(batch: Pixels, order: Literal["RGB", "BGR"]) -> Pixels:
    """The batch [N, height, width, 3], RGB, with its channels in ``order`` and contiguous in memory."""
    return batch if order == "RGB" else np.ascontiguousarray(batch[..., ::-1])


def _makes_floats(step: Operation) -> bool:
    return isinstance(step, (Normalization, LegacyResize)) or (isinstance(step, Resize) and step.library == "tf")


def _needs_8_bits(step: Operation) -> bool:
    return (isinstance(step, Resize) and step.library == "pillow") or (isinstance(step, Crop) and step.use_pillow)


def _cut(pixels: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    left, top, right, bottom = box
    return pixels[top:bottom, left:right]


def _interpolation(step: Resize) -> str:
    return (step.interpolation or "BILINEAR").upper()


def _check_resize(step: Resize, where: str) -> None:
    known = _INTERPOLATIONS[step.library]
    if _interpolation(step) not in known:
        library = describe(step).partition("(")[2].partition(" ")[0]
        raise EvaluationError(
            f"{where}.interpolation: unknown {step.interpolation!r}; {library} has {', '.join(sorted(known))}"
        )
    if step.library == "opencv":
        require_opencv()


def _in_rgb(step: Normalization, reverse: bool) -> Normalization:
    if not reverse:
        return step
    mean, std = (values and values[::-1] for values in (step.mean, step.std))
    return step.model_copy(update={"mean": mean, "std": std})


def _resized(pixels: Pixels, step: Resize, width: int, height: int) -> Pixels:
    if step.library == "pillow":
        return np.asarray(Image.fromarray(pixels).resize((width, height), _FILTERS[_interpolation(step)]))
    if step.library == "tf":
        return tensorflow_resize(pixels, width, height, _interpolation(step))
    return opencv_resize(pixels, width, height, _interpolation(step))


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
