"""An image file -> the array a model is fed: decoding, cropping, scaling, normalising. Pure, one image at a time.

Open Model Zoo reads images as BGR and lets each launcher's steps swap the channels. Cropping and Pillow's scaling treat
each channel by itself, so here an image stays RGB throughout, a swap only changes the order of the finished array, and
launchers whose steps differ in swaps alone share all the work. What the steps are is :mod:`.config`'s subject.

Formulas are those of OMZ's accuracy_checker (preprocessor/crop.py, resize.py, normalization.py, release 2024), and a
result is bit-exact with it where a step is supported; its OpenCV resize is not, and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mixnet_tools.accuracy import PROFILES
from mixnet_tools.accuracy.config import ChannelSwap, Crop, Measurement, Normalization, Resize
from mixnet_tools.errors import DatasetError, EvaluationError, UsageError

Pixels = npt.NDArray[Any]
"""[height, width, 3], uint8 in 0..255, or float32 where the steps normalise."""

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


@dataclass(frozen=True)
class Operations:
    """What is done to the RGB image. Launchers with equal operations share their result.

    ``orient`` turns the image as its EXIF data asks; the values of a :class:`Normalization` are in RGB order.
    """

    orient: bool
    steps: tuple[Crop | Resize | Normalization, ...]


@dataclass(frozen=True)
class Plan:
    """The preprocessing of one launcher: shared ``operations``, then the channel ``order`` of the array."""

    operations: Operations
    order: Literal["RGB", "BGR"]

    @property
    def description(self) -> tuple[str, ...]:
        """One short text per step, as a report shows them."""
        return (*(_describe(step) for step in self.operations.steps), f"channel order {self.order}")


def make_plan(measurement: Measurement, profile: str = "omz") -> Plan:
    """How images are prepared for ``measurement`` under ``profile``.

    Raises :class:`UsageError` for an unknown profile, and :class:`EvaluationError` that names file and key for a step
    that is not supported.
    """
    if profile not in PROFILES:
        raise UsageError(f"unknown preprocessing profile {profile!r}; available: {', '.join(PROFILES)}")
    reverse = measurement.reader_order == "BGR"
    steps: list[Crop | Resize | Normalization] = []
    for index, step in enumerate(measurement.steps):
        where = f"{measurement.where}.preprocessing[{index}]"
        if isinstance(step, ChannelSwap):
            reverse = not reverse
            continue
        if steps and isinstance(steps[-1], Normalization):
            raise EvaluationError(f"{where}: step {step.type} after a normalization is not supported yet")
        if isinstance(step, Resize):
            _check_resize(step, where)
        steps.append(_in_rgb(step, reverse) if isinstance(step, Normalization) else step)
    return Plan(Operations(measurement.orient, tuple(steps)), "BGR" if reverse else "RGB")


def decode(path: Path, *, orient: bool = True) -> Image.Image:
    """The image at ``path`` as 8-bit RGB.

    Grey levels are repeated, transparency is dropped, of 16 bits the upper 8 are kept, CMYK is converted: all as
    OpenCV's imread does it. ``orient`` turns the image as its EXIF data asks.

    Raises :class:`DatasetError` that names the file where it is missing, broken, or no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            # Before the conversion, which may drop the EXIF data.
            turned = ImageOps.exif_transpose(image) if orient and _is_turned(image) else image
            return _to_rgb(turned)
    except Exception as error:  # on broken files decoders raise whatever their parsing stumbles over
        raise DatasetError(f"{path}: cannot be decoded as an image: {_reason(error)}") from error


def apply(image: Image.Image, operations: Operations) -> Pixels:
    """``image`` (8-bit RGB) after all steps: [height, width, 3] in RGB order, uint8, or float32 if normalised.

    Raises :class:`EvaluationError` where a step cannot be applied to an image of this size.
    """
    pixels: Pixels | None = None
    for step in operations.steps:
        if isinstance(step, Crop):
            image = image.crop(_crop_box(step, *image.size))
        elif isinstance(step, Resize):
            image = image.resize(_target_size(step, *image.size), _FILTERS[(step.interpolation or "BILINEAR").upper()])
        else:
            values = np.asarray(image) - np.asarray(step.mean or (0.0, 0.0, 0.0))
            pixels = (values / np.asarray(step.std or (1.0, 1.0, 1.0))).astype(np.float32)
    return np.array(image) if pixels is None else pixels


def load(path: Path, operations: Operations) -> Pixels:
    """Decode ``path`` and apply ``operations``. Every error names the file."""
    image = decode(path, orient=operations.orient)
    try:
        return apply(image, operations)
    except EvaluationError as error:
        raise EvaluationError(f"{path}: {error}", hint=error.hint) from error


def ordered(batch: Pixels, order: Literal["RGB", "BGR"]) -> Pixels:
    """A batch [N, height, width, 3] in RGB, with its channels in ``order``, contiguous in memory."""
    return batch if order == "RGB" else np.ascontiguousarray(batch[..., ::-1])


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _check_resize(step: Resize, where: str) -> None:
    if step.library != "pillow":
        missing = "without use_pillow (OpenCV's resize)" if step.library == "opencv" else "by TensorFlow"
        raise EvaluationError(
            f"{where}: step resize {missing} is not supported yet",
            hint="only use_pillow: True can be reproduced exactly; other libraries scale by other rules",
        )
    if step.interpolation is not None and step.interpolation.upper() not in _FILTERS:
        raise EvaluationError(
            f"{where}.interpolation: unknown {step.interpolation!r}; Pillow has {', '.join(sorted(_FILTERS))}"
        )


def _in_rgb(step: Normalization, reverse: bool) -> Normalization:
    if not reverse:
        return step
    mean, std = (values and values[::-1] for values in (step.mean, step.std))
    return step.model_copy(update={"mean": mean, "std": std})


def _is_turned(image: Image.Image) -> bool:
    orientation: int = image.getexif().get(0x0112, 1)  # the tag's number in EXIF
    return orientation != 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image.copy() if image.readonly else image
    if image.mode.startswith("I"):  # I;16 and its kin; some Pillow versions open 16-bit files as 32-bit "I"
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("its values do not fit into 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "CMYK":
        return _cmyk_to_rgb(image)
    if image.mode == "F":
        raise ValueError("floating-point images have no defined range")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # straight to RGB, Pillow would warn about a transparent palette entry
    return image.convert("RGB")


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    """By OpenCV's rule, ``k - (c * k >> 8)`` with k = 255 - black. Pillow's own differs by one level."""
    values = np.asarray(image).astype(np.int32)
    light = 255 - values[..., 3:]
    return Image.fromarray((light - (values[..., :3] * light >> 8)).astype(np.uint8))


def _crop_box(step: Crop, width: int, height: int) -> tuple[int, int, int, int]:
    if step.central_fraction is not None:
        new_width, new_height = int(width * step.central_fraction), int(height * step.central_fraction)
    else:
        new_width, new_height = step.target or (width, height)
    if new_width < 1 or new_height < 1:
        raise EvaluationError(f"nothing is left of {width}x{height} pixels after {_describe(step)}")
    if step.use_pillow:
        # Python's round: half to even, so that odd margins go left or right by turns.
        left, top = round((width - new_width) / 2.0), round((height - new_height) / 2.0)
    elif new_width > width or new_height > height:
        # accuracy_checker enlarges the image by OpenCV here.
        raise EvaluationError(
            f"{width}x{height} pixels are too few for {_describe(step)}, and enlarging is not supported yet"
        )
    else:
        left, top = (width - new_width) // 2, (height - new_height) // 2
    return left, top, left + new_width, top + new_height


def _target_size(step: Resize, width: int, height: int) -> tuple[int, int]:
    """(width, height) to scale to; ``greater`` gives the shorter side its size, and keeps the ratio of the image."""
    new_width, new_height = step.target or (width, height)
    rule = step.aspect_ratio_scale
    if rule == "greater":
        rule = "height" if height > width else "width"
    if rule == "width":
        new_width = int(new_height * width / height)
    elif rule == "height":
        new_height = int(new_width * height / width)
    elif rule == "fit_to_window":
        scale = min(new_height / height, new_width / width)
        new_width, new_height = int(scale * width), int(scale * height)
    if new_width < 1 or new_height < 1:
        raise EvaluationError(f"nothing is left of {width}x{height} pixels after {_describe(step)}")
    return new_width, new_height


def _describe(step: Crop | Resize | Normalization) -> str:
    if isinstance(step, Normalization):
        return f"normalization (mean {step.mean}, std {step.std}, as RGB)"
    size = "x".join(map(str, step.target)) if step.target else ""
    if isinstance(step, Crop):
        library = " (Pillow)" if step.use_pillow else ""
        return f"crop to {f'{step.central_fraction} of each side' if step.central_fraction else size}{library}"
    ratio = f", aspect_ratio_scale {step.aspect_ratio_scale}" if step.aspect_ratio_scale else ""
    return f"resize to {size} ({step.library.capitalize()} {(step.interpolation or 'BILINEAR').upper()}{ratio})"
