"""The steps of preprocessing as frozen, typed values, with the keys of Open Model Zoo's accuracy-check.yml.

:mod:`.pipeline` carries them out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mixnet_tools.accuracy.preprocessing.aspect_ratio import Rule
from mixnet_tools.descriptors.known_keys import require_known_type
from mixnet_tools.descriptors.strict_yaml import StrictModel

Side = Annotated[int, Field(ge=1, le=1 << 14)]
"""A width or height in pixels."""


PRECOMPUTED = {"imagenet": (104.00698793, 116.66876762, 122.67891434), "cifar10": (125.307, 122.961, 113.8575)}
"""OMZ's names for values of a normalization: means of the channels over a data set, in the order BGR."""


def _channel_values(value: object) -> object:
    """Three numbers, of what OMZ writes: one number for all channels, a list, or the string ``(r,g,b)``.

    One number stands here three times. On a grey image it counts once (:func:`~.plan.make_plan`).
    """
    if isinstance(value, str) and value in PRECOMPUTED:
        value = list(PRECOMPUTED[value])
    if isinstance(value, str):
        try:
            value = [float(part) for part in value.strip("()[] ").split(",")]
        except ValueError:
            known = " or ".join(PRECOMPUTED)
            raise ValueError(f"expected a number, three numbers, or {known}") from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list) or len(value) not in (1, 3):
        raise ValueError("expected a number or three numbers")
    return tuple(value * 3 if len(value) == 1 else value)


Finite = Annotated[float, Field(allow_inf_nan=False)]
ChannelValues = Annotated[
    tuple[Finite, ...],
    BeforeValidator(_channel_values, json_schema_input_type=float | str | tuple[float, float, float]),
]


Level = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[tuple[Level, Level, Level], Field(strict=False)]


class ChannelSwap(StrictModel):
    """Reverse the order of the channels, whatever it is: both names do the same."""

    type: Literal["bgr_to_rgb", "rgb_to_bgr"]
    """``bgr_to_rgb`` or ``rgb_to_bgr``."""


class Grayscale(StrictModel):
    """Make one channel of three, which are in the order that the name says.

    The result is float32 unless ``cast_to_float`` is false: as in accuracy_check, OpenCV then scales without rounding.
    """

    type: Literal["bgr_to_gray", "rgb_to_gray"]
    """The order of the channels at this step: ``bgr_to_gray`` or ``rgb_to_gray``."""
    cast_to_float: bool = True
    """Whether the grey levels become float32. Steps of Pillow need ``false``."""


class _Sized(StrictModel):
    size: Side | None = None
    """Width and height in pixels. Example: ``224``."""
    dst_width: Side | None = None
    """The width in pixels, instead of ``size``. Example: ``224``."""
    dst_height: Side | None = None
    """The height in pixels, instead of ``size``. Example: ``192``."""

    @property
    def target(self) -> tuple[int, int] | None:
        """(width, height) in pixels, or None where the step gives no complete size."""
        width, height = self.dst_width or self.size, self.dst_height or self.size
        return (width, height) if width and height else None


class Crop(_Sized):
    """Keep the centre: ``central_fraction`` of each side, a size in pixels, or the largest square (``max_square``)."""

    type: Literal["crop"]
    """``crop``."""
    use_pillow: bool = False
    """Crop as Pillow does: a margin of odd size is rounded to even, and a smaller image is not enlarged."""
    central_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of each side to keep. Example: ``0.875``."""
    max_square: bool = False
    """Keep the largest central square."""
    fill: Colour | None = None
    """The colour of the border that a smaller image gets on both sides, as timm pads: three levels of 0 to 255 in the
    order of the channels at this step. It needs ``use_pillow`` and a size. OMZ does not have this key; there, borders
    are black. Example: ``[124, 116, 104]``.
    """


class Resize(_Sized):
    """Scale to a size, which with ``aspect_ratio_scale`` follows from the image's aspect ratio."""

    type: Literal["resize"]
    """``resize``."""
    use_pillow: bool = False
    """Resize with Pillow. Without it and the two below, OpenCV resizes (extra ``opencv``)."""
    use_tensorflow: bool = False
    """Resize with TensorFlow."""
    resize_realization: Literal["pillow", "opencv", "tf"] | None = None
    """The library that resizes, by name. Example: ``pillow``."""
    interpolation: str | None = None
    """The filter, by the library's name for it; without it, the bilinear one. Example: ``BICUBIC``."""
    aspect_ratio_scale: Rule | Literal["scale_factor"] | None = None
    """The rule that makes the new size from the image's: ``greater`` scales the shorter side to ``size``, and so on.
    ``timm_shortest`` and ``timm_longest`` are timm's, which OMZ does not have: the smallest size that covers the step's
    (the largest inside it), with both sides rounded. Example: ``greater``.
    """
    scale: Annotated[float, Field(gt=0)] | None = None
    """The factor of the rule ``scale_factor``. Example: ``0.5``."""
    factor: Side | None = None
    """A stride: a size that a rule gave is made smaller until it is a multiple of this and one. Example: ``32``."""
    include_boundary: bool = False
    """With ``factor``: the size becomes a multiple, without the one."""

    @property
    def library(self) -> Literal["pillow", "opencv", "tf"]:
        """The library whose resize the keys ask for."""
        if self.resize_realization:
            return self.resize_realization
        return "pillow" if self.use_pillow else "tf" if self.use_tensorflow else "opencv"

    @property
    def method(self) -> str:
        """The interpolation, in capitals; every library has BILINEAR where none is named."""
        return (self.interpolation or "BILINEAR").upper()


class Normalization(StrictModel):
    """Subtract ``mean``, then divide by ``std``: a value for each channel, in their order at this step."""

    type: Literal["normalization"]
    """``normalization``."""
    mean: ChannelValues | None = None
    """What is subtracted, on the scale 0 to 255: a number, three numbers, or ``imagenet`` or ``cifar10``.
    Example: ``(123.675, 116.28, 103.53)``.
    """
    std: ChannelValues | None = None
    """What is divided by afterwards: a number or three. Example: ``(58.624, 57.12, 57.375)``."""


class SquareCrop(StrictModel):
    """Keep the central square with ``size / (size + 32)`` of the shorter side. Only profiles have this step."""

    type: Literal["square_crop"] = "square_crop"
    size: Side


class LegacyResize(StrictModel):
    """Scale to a square as TensorFlow 1 does (:func:`~.resize.legacy_resize`). Only profiles have this step."""

    type: Literal["legacy_resize"] = "legacy_resize"
    size: Side
    interpolation: Literal["BILINEAR", "BICUBIC"]


Geometry = Crop | Resize | SquareCrop | LegacyResize
"""Steps that change an image's size."""


class GreyConversion(StrictModel):
    """A :class:`Grayscale` of an image that is RGB: ``reverse`` its channels first. Only plans have this step.

    The order matters even where the weights are the right ones: OpenCV rounds a sum of floats by it.
    """

    weights: Literal["bgr_to_gray", "rgb_to_gray"]
    reverse: bool
    cast_to_float: bool


Operation = Geometry | Normalization | GreyConversion
"""Steps that are carried out on an image. A swap is none of them: it reorders the finished array."""

AnyStep = ChannelSwap | Grayscale | Geometry | Normalization
"""Every step that a measurement may have."""

WrittenStep = ChannelSwap | Grayscale | Crop | Resize | Normalization
"""A step as accuracy-check.yml has it."""

_STEP_TYPES = ("bgr_to_rgb", "rgb_to_bgr", "bgr_to_gray", "rgb_to_gray", "crop", "resize", "normalization")


def _known_step(value: object) -> object:
    require_known_type(value, _STEP_TYPES, "preprocessing step")
    return value


Step = Annotated[Annotated[WrittenStep, Field(discriminator="type")], BeforeValidator(_known_step)]
"""A step that accuracy-check.yml may have."""


def step_problems(step: WrittenStep) -> list[str]:
    """What is wrong with the keys of a step taken together; [] where nothing is."""
    if (
        isinstance(step, Crop)
        and (step.target is not None) + (step.central_fraction is not None) + step.max_square != 1
    ):
        return ["a crop needs one of central_fraction, max_square, and size (or dst_width and dst_height)"]
    if isinstance(step, Crop) and step.fill is not None and (step.target is None or not step.use_pillow):
        return ["fill needs use_pillow and a size"]
    if isinstance(step, Resize):
        if (step.aspect_ratio_scale == "scale_factor") != (step.scale is not None):
            return ["scale and aspect_ratio_scale: scale_factor belong together"]
        if step.target is None and step.scale is None:
            return ["a resize needs size, or dst_width and dst_height"]
        if step.use_pillow and step.use_tensorflow and not step.resize_realization:
            return ["use_pillow and use_tensorflow exclude each other"]
    if isinstance(step, Normalization):
        if step.mean is None and step.std is None:
            return ["a normalization needs mean, std or both"]
        if step.std is not None and 0 in step.std:
            return ["std must not be 0"]
    return []


def needs_8_bits(step: AnyStep) -> bool:
    """Whether Pillow carries ``step`` out, which takes no floats with several channels."""
    return (isinstance(step, Resize) and step.library == "pillow") or (isinstance(step, Crop) and step.use_pillow)


def describe(step: Operation) -> str:
    """``step`` in a few words, as reports and messages show it."""
    if isinstance(step, Normalization):
        if len(step.mean or step.std or ()) == 1:
            parts = (("mean", step.mean), ("std", step.std))
            return f"normalization ({', '.join(f'{name} {values[0]:g}' for name, values in parts if values)})"
        return f"normalization (mean {step.mean}, std {step.std}, as RGB)"
    if isinstance(step, GreyConversion):
        swapped = ", red and blue exchanged" if (step.weights == "bgr_to_gray") != step.reverse else ""
        return f"conversion to grey (OpenCV's weights{swapped}{', as floats' if step.cast_to_float else ''})"
    if isinstance(step, SquareCrop):
        return f"square crop of {step.size}/{step.size + 32} of the shorter side"
    if isinstance(step, LegacyResize):
        return f"resize to {step.size}x{step.size} (TensorFlow 1 {step.interpolation}, no half-pixel centres)"
    size = "x".join(map(str, step.target)) if step.target else ""
    if isinstance(step, Crop):
        library = " (Pillow)" if step.use_pillow else ""
        part = "the largest square" if step.max_square else f"{step.central_fraction} of each side"
        border = f", border {step.fill} as RGB" if step.fill else ""
        return f"crop to {part if step.target is None else size}{library}{border}"
    ratio = f", aspect_ratio_scale {step.aspect_ratio_scale}" if step.aspect_ratio_scale else ""
    ratio += f", factor {step.factor}{' with its boundary' if step.include_boundary else ''}" if step.factor else ""
    size = size if step.scale is None else f"{step.scale} of its size"
    name = {"pillow": "Pillow", "opencv": "OpenCV", "tf": "TensorFlow"}[step.library]
    return f"resize to {size} ({name} {step.method}{ratio})"
