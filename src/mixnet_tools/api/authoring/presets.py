"""How images are prepared for common kinds of classifiers, by name: geometry, channel order, mean and std."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mixnet_tools.accuracy.preprocessing.profiles import TIMM_CROP, profile_steps
from mixnet_tools.accuracy.preprocessing.steps import Crop, Resize

Values = tuple[float, float, float]

IMAGENET_MEAN: Values = (123.675, 116.28, 103.53)
IMAGENET_STD: Values = (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet's pixels, RGB, as torchvision and timm have them, on the scale 0 to 255."""


@dataclass(frozen=True)
class Preset:
    """A way to prepare images.

    ``geometry`` is how they get the model's size: ``shorter_side`` scales the shorter side and cuts out the centre,
    ``central_part`` cuts out a part of each side and scales that. ``mean`` and ``std`` (RGB, 0 to 255; None: nothing is
    done) are for the model's input. ``note`` says what it stands for.
    """

    geometry: Literal["shorter_side", "central_part"]
    interpolation: Literal["BILINEAR", "BICUBIC"]
    mean: Values | None
    std: Values | None
    note: str


_TORCH = Preset(
    "shorter_side",
    "BILINEAR",
    IMAGENET_MEAN,
    IMAGENET_STD,
    "torchvision: shorter side to size / 0.875, centre, bilinear",
)
PRESETS: Mapping[str, Preset] = {
    "imagenet": _TORCH,
    "torch": _TORCH,
    "timm": Preset(
        "shorter_side", "BICUBIC", IMAGENET_MEAN, IMAGENET_STD, "timm: shorter side to size / crop_pct, centre, bicubic"
    ),
    "tf": Preset(
        "central_part",
        "BICUBIC",
        None,
        None,
        "MixNet and EfficientNet: 0.875 of each side, bicubic; the model normalizes",
    ),
}
UNKNOWN = Preset("shorter_side", "BILINEAR", None, None, "nothing is known: values stay 0 to 255")
"""What is assumed where no preset is given."""


def geometry_steps(preset: Preset, height: int, width: int, crop_pct: float) -> list[dict[str, object]]:
    """The steps of accuracy-check.yml that bring an image to ``height`` x ``width`` pixels.

    ``crop_pct`` is the share of a side that is kept (0.875: the profile ``timm``, and the usual preprocessing of the
    original MixNet). An input that is no square gets the whole image, without its aspect ratio.
    """
    if height != width:
        return [_resize(preset, dst_height=height, dst_width=width)]
    if preset.geometry == "central_part":
        crop: dict[str, object] = {"type": "crop", "central_fraction": crop_pct, "use_pillow": True}
        return [crop, _resize(preset, size=width)]
    found = []
    for step in profile_steps("timm", width).steps:
        data = {"type": step.type, **step.model_dump(exclude_defaults=True)}
        if isinstance(step, Resize):
            data.update(size=int(width / crop_pct), interpolation=preset.interpolation)
        elif not isinstance(step, Crop):
            raise TypeError(f"the profile timm has a step that no descriptor has: {step.type}")
        found.append(data)
    return found


def _resize(preset: Preset, **size: int) -> dict[str, object]:
    return {"type": "resize", **size, "use_pillow": True, "interpolation": preset.interpolation}


DEFAULT_CROP = TIMM_CROP
"""The share of a side that is kept where nobody says otherwise."""
