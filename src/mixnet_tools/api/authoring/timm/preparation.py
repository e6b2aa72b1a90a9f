"""How timm prepares an image for a classifier, in the words of accuracy-check.yml."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mixnet_tools.errors import UsageError

Step = dict[str, object]


def geometry(
    sides: tuple[int, int], crop_pct: float, crop_mode: str, interpolation: str, mean: Sequence[float]
) -> list[Step]:
    """The steps that bring an RGB image to ``sides`` (height, width) as ``timm.data.create_transform`` does.

    ``center`` scales the shorter side, ``squash`` both sides without the aspect ratio, ``border`` the longer side, with
    a border in the colour ``mean`` (0 to 1). Pillow scales, which always filters before it makes an image smaller
    (antialias). Raises :class:`UsageError` for another ``crop_mode``.
    """
    height, width = (math.floor(side / crop_pct) for side in sides)
    resize: Step = {"type": "resize"}
    if crop_mode == "squash":
        resize |= {"dst_height": height, "dst_width": width}
    elif crop_mode == "border":
        resize |= {"dst_height": height, "dst_width": width, "aspect_ratio_scale": "timm_longest"}
    elif crop_mode != "center":
        raise UsageError(f"crop_mode: expected center, squash or border, got {crop_mode!r}")
    elif height == width:
        resize |= {"size": height, "aspect_ratio_scale": "greater"}
    else:
        resize |= {"dst_height": height, "dst_width": width, "aspect_ratio_scale": "timm_shortest"}
    resize |= {"use_pillow": True, "interpolation": interpolation.upper()}
    crop: Step = {"type": "crop", "dst_height": sides[0], "dst_width": sides[1], "use_pillow": True}
    if sides[0] == sides[1]:
        crop = {"type": "crop", "size": sides[0], "use_pillow": True}
    if crop_mode == "border":
        crop["fill"] = [round(255 * value) for value in mean]
    elif crop_pct > 1:  # the scaled image is smaller than the crop
        crop["fill"] = [0, 0, 0]
    return [resize, crop]
