"""The sizes that a resize with ``aspect_ratio_scale`` gives an image, as Open Model Zoo's accuracy_check computes them.

Two rules are those of timm's ResizeKeepRatio.

Each rule takes the step's (width, height) and the image's, all in pixels, and returns the (width, height) to scale to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

Size = tuple[int, int]


def width(target: Size, image: Size) -> Size:
    """The step's height, and its width times the image's aspect ratio."""
    return int(target[0] * image[0] / image[1]), target[1]


def height(target: Size, image: Size) -> Size:
    """The step's width, and its height divided by the image's aspect ratio."""
    return target[0], int(target[1] * image[1] / image[0])


def greater(target: Size, image: Size) -> Size:
    """The longer side follows from the aspect ratio."""
    return height(target, image) if image[1] > image[0] else width(target, image)


def fit_to_window(target: Size, image: Size) -> Size:
    """The largest size of the image's aspect ratio that fits into the step's."""
    scale = min(target[1] / image[1], target[0] / image[0])
    return int(scale * image[0]), int(scale * image[1])


def min_ratio(target: Size, image: Size) -> Size:
    """The smallest size of the image's aspect ratio that covers the step's."""
    ratio = min(image[1] / target[1], image[0] / target[0])
    return int(image[0] / ratio), int(image[1] / ratio)


def _shorter_side(target: Size, image: Size) -> Size:
    ratio = min(target) / min(image)
    return int(image[0] * ratio), int(image[1] * ratio)


def _faster_rcnn(target: Size, image: Size) -> Size:
    """The shorter side as the step's shorter one, unless the longer side would be longer than the step's longer one."""
    found = greater((min(target), min(target)), image)
    return found if max(found) <= max(target) else fit_to_window((max(target), max(target)), image)


def _ctpn(target: Size, image: Size) -> Size:
    scale = min(target) / min(image)
    if _to_even(scale * max(image)) > max(target):
        scale = max(target) / max(image)
    return _to_even(image[0] * scale), _to_even(image[1] * scale)


def _east(target: Size, image: Size) -> Size:
    """At most the step's longer side, in multiples of its shorter one, and at least 32."""
    ratio = max(target) / max(image) if max(image) > max(target) else 1.0
    sides = [int(side * ratio) for side in image]
    unit = min(target)
    across, down = (side if side % unit == 0 else (side // unit - 1) * unit for side in sides)
    return max(32, across), max(32, down)


def _ppocr_line(target: Size, image: Size) -> Size:
    ratio = image[0] / image[1]
    wanted = math.ceil(target[1] * ratio)
    return (int(32 * ratio) if wanted > target[0] else wanted), target[1]


def _ppocr_max(target: Size, image: Size) -> Size:
    ratio = max(target) / max(image) if max(image) > max(target) else 1.0
    return int(image[0] * ratio), int(image[1] * ratio)


def _ppocr_class(target: Size, image: Size) -> Size:
    return min(target[0], math.ceil(target[1] * image[0] / image[1])), target[1]


def _timm_shortest(target: Size, image: Size) -> Size:
    return _timm(image, min(image[0] / target[0], image[1] / target[1]))


def _timm_longest(target: Size, image: Size) -> Size:
    return _timm(image, max(image[0] / target[0], image[1] / target[1]))


def _timm(image: Size, ratio: float) -> Size:
    return round(image[0] / ratio), round(image[1] / ratio)


def _to_even(value: float) -> int:
    return round(value)  # Python rounds halves to the even number, as NumPy does


Rule = Literal[
    "width",
    "height",
    "greater",
    "fit_to_window",
    "min_ratio",
    "mask_rcnn_benchmark_aspect_ratio",
    "frcnn_keep_aspect_ratio",
    "ctpn_keep_aspect_ratio",
    "east_keep_aspect_ratio",
    "ppcrnn_ratio",
    "ppocr_max_ratio",
    "ppocr_cls_ratio",
    "timm_shortest",
    "timm_longest",
]

RULES: dict[Rule, Callable[[Size, Size], Size]] = {
    "width": width,
    "height": height,
    "greater": greater,
    "fit_to_window": fit_to_window,
    "min_ratio": min_ratio,
    "mask_rcnn_benchmark_aspect_ratio": _shorter_side,
    "frcnn_keep_aspect_ratio": _faster_rcnn,
    "ctpn_keep_aspect_ratio": _ctpn,
    "east_keep_aspect_ratio": _east,
    "ppcrnn_ratio": _ppocr_line,
    "ppocr_max_ratio": _ppocr_max,
    "ppocr_cls_ratio": _ppocr_class,
    "timm_shortest": _timm_shortest,
    "timm_longest": _timm_longest,
}
"""Each rule by OMZ's name for it; those of timm, which OMZ does not have, by ours."""


def strided(size: Size, factor: int, include_boundary: bool) -> Size:
    """``size`` made smaller: each side becomes a multiple of ``factor``, or without ``include_boundary`` one more."""
    less = 0 if include_boundary else 1
    across, down = (side - (side - less) % factor for side in size)
    return across, down
