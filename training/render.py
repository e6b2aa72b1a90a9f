"""Draws labelled pictures of coloured forms with numpy. mixnet-nano learns to tell them apart.

A picture depends on its label and its seed alone. A class is a form *and* a colour. When red and blue are swapped, four
of the five colours become another one of the five, so a tool with the wrong channel order sees a blue star where a red
star is drawn. The task is hard by clutter in all colours, bars across the object, weak contrast, uneven light, noise,
different sizes and aspect ratios, and JPEG.
"""

from __future__ import annotations

import colorsys
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Plane = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

FORMS = ("disc", "ring", "square", "triangle", "cross", "star")
HUES = {"red": 0.0, "yellow": 0.155, "green": 0.36, "cyan": 0.5, "blue": 0.66}
CLASSES = tuple(f"{colour}_{form}" for form in FORMS for colour in HUES)
_HUE_JITTER = 0.04
JPEG_QUALITY = 68


@dataclass(frozen=True)
class Difficulty:
    """Settings that make the task easier or harder. A pair is (low, high) of a uniform draw."""

    radius: tuple[float, float] = (0.19, 0.36)  # of the object, in short sides of the picture
    opacity: tuple[float, float] = (0.5, 1.0)  # of the object over its background
    noise: tuple[float, float] = (2.0, 15.0)  # standard deviation, of 255
    clutter: tuple[int, int] = (3, 9)  # things behind the object
    bars: tuple[int, int] = (0, 2)  # bars across the object
    bar_width: tuple[float, float] = (0.10, 0.32)  # in object radii


DEFAULT = Difficulty()


def swapped_class(label: int) -> int:
    """The class that a picture of ``label`` shows when red and blue are swapped."""
    swap = {"red": "blue", "blue": "red", "yellow": "cyan", "cyan": "yellow", "green": "green"}
    colour, form = CLASSES[label].split("_")
    return CLASSES.index(f"{swap[colour]}_{form}")


def _disc(u: Plane, v: Plane) -> Plane:
    return np.hypot(u, v) - np.float32(0.88)


def _ring(u: Plane, v: Plane) -> Plane:
    return np.abs(np.hypot(u, v) - np.float32(0.72)) - np.float32(0.22)


def _square(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.76)


def _triangle(u: Plane, v: Plane) -> Plane:
    side = np.float32(math.sqrt(3) / 2)
    return np.maximum(v, side * np.abs(u) - v / 2) - np.float32(0.5)


def _cross(u: Plane, v: Plane) -> Plane:
    wide, high = np.abs(u), np.abs(v)
    beam = np.maximum(wide - np.float32(0.95), high - np.float32(0.29))
    post = np.maximum(high - np.float32(0.95), wide - np.float32(0.29))
    return np.minimum(beam, post)


def _star(u: Plane, v: Plane) -> Plane:
    tenth, inner = math.pi / 5, 0.45
    angle = np.abs((np.arctan2(u, -v) + tenth) % (2 * tenth) - tenth)
    length = np.hypot(u, v)
    # The edge goes from the tip (1, 0) to the notch. The distance is measured along its normal.
    normal = np.array([inner * math.sin(tenth), 1 - inner * math.cos(tenth)])
    a, b = normal / np.hypot(*normal)
    return np.asarray((length * np.cos(angle) - 1) * a + length * np.sin(angle) * b, np.float32)


# Signed distance (negative inside) over coordinates in units of the object's radius.
_SHAPES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
}


class _Canvas:
    """A float RGB picture [H, W, 3], 0..255, onto which coloured masks are blended."""

    def __init__(self, width: int, height: int) -> None:
        self.y, self.x = np.mgrid[0:height, 0:width].astype(np.float32)
        self.pixels = np.zeros((height, width, 3), np.float32)

    def local(self, cx: float, cy: float, radius: float, angle: float) -> tuple[Plane, Plane]:
        """Coordinates about (cx, cy), turned by ``angle``, in units of ``radius``."""
        dx, dy = (
            (self.x - np.float32(cx)) / np.float32(radius),
            (self.y - np.float32(cy)) / np.float32(radius),
        )
        cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        return cos * dx + sin * dy, cos * dy - sin * dx

    def paint(self, distance: Plane, radius: float, colour: npt.NDArray[np.floating], opacity: float) -> None:
        """Blend ``colour`` in where ``distance`` (in radii) is negative, with a soft edge of one pixel."""
        mask = np.clip(np.float32(0.5) - distance * np.float32(radius), 0, 1) * np.float32(opacity)
        self.pixels += mask[..., np.newaxis] * (colour.astype(np.float32) - self.pixels)


def _colour(hue: float, saturation: float, value: float) -> npt.NDArray[np.floating]:
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def _any_colour(rng: np.random.Generator, most: float) -> npt.NDArray[np.floating]:
    return _colour(rng.uniform(), rng.uniform(0, most), rng.uniform(0.15, 1.0))


def _background(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Paint a gradient between two dull colours, with stripes, checks or clouds over it."""
    height, width = canvas.y.shape
    along, across = canvas.local(width / 2, height / 2, max(width, height), rng.uniform(0, 2 * math.pi))
    first, second = _any_colour(rng, 0.6), _any_colour(rng, 0.6)
    canvas.pixels += first + (along + 0.5)[..., np.newaxis] * (second - first)
    pattern, waves = rng.integers(4), rng.uniform(2, 9) * 2 * math.pi
    if pattern == 0:
        texture = np.sign(np.sin(waves * along))
    elif pattern == 1:
        texture = np.sign(np.sin(waves * along) * np.sin(waves * across))
    elif pattern == 2:
        texture = np.sin(waves * along + 3 * np.sin(waves / 2 * across + rng.uniform(0, 6)))
    else:
        return
    canvas.pixels += texture[..., np.newaxis] * rng.uniform(-28, 28, 3).astype(np.float32)


def _clutter(canvas: _Canvas, rng: np.random.Generator, count: int) -> None:
    """Paint small forms and long bars of any colour, anywhere."""
    height, width = canvas.y.shape
    for _ in range(count):
        radius = rng.uniform(0.05, 0.12) * min(width, height)
        u, v = canvas.local(rng.uniform(0, width), rng.uniform(0, height), radius, rng.uniform(0, 2 * math.pi))
        if rng.uniform() < 0.4:
            distance = np.abs(v) - np.float32(0.35)
        else:
            distance = _SHAPES[FORMS[rng.integers(len(FORMS))]](u, v)
        canvas.paint(distance, radius, _any_colour(rng, 1.0), rng.uniform(0.4, 0.9))


def _object(canvas: _Canvas, rng: np.random.Generator, label: int, hard: Difficulty) -> None:
    """Paint the object that the label names, inside the part that a central crop keeps."""
    height, width = canvas.y.shape
    colour, form = CLASSES[label].split("_")
    radius = rng.uniform(*hard.radius) * min(width, height)
    cx, cy = (
        rng.uniform(min(0.08 * side + radius, side / 2), max(0.92 * side - radius, side / 2))
        for side in (width, height)
    )
    u, v = canvas.local(cx, cy, radius, rng.uniform(-0.45, 0.45))
    squeeze = np.float32(rng.uniform(0.85, 1.18))
    hue = HUES[colour] + rng.uniform(-_HUE_JITTER, _HUE_JITTER)
    paint = _colour(hue, rng.uniform(0.65, 1.0), rng.uniform(0.5, 1.0))
    canvas.paint(_SHAPES[form](u * squeeze, v / squeeze), radius, paint, rng.uniform(*hard.opacity))
    for _ in range(rng.integers(hard.bars[0], hard.bars[1] + 1)):
        _, v = canvas.local(
            cx + rng.uniform(-0.7, 0.7) * radius,
            cy + rng.uniform(-0.7, 0.7) * radius,
            radius,
            rng.uniform(0, math.pi),
        )
        distance = np.abs(v) - np.float32(rng.uniform(*hard.bar_width) / 2)
        canvas.paint(distance, radius, _any_colour(rng, 0.8), rng.uniform(0.7, 1.0))


def _light_and_noise(canvas: _Canvas, rng: np.random.Generator, noise: float) -> None:
    """Darken the picture to one side, tint it slightly, and add sensor noise."""
    height, width = canvas.y.shape
    along, _ = canvas.local(width / 2, height / 2, max(width, height), rng.uniform(0, 2 * math.pi))
    light = rng.uniform(0.7, 1.1) + rng.uniform(0, 0.6) * along
    canvas.pixels *= light[..., np.newaxis] * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    canvas.pixels += rng.normal(0, noise, canvas.pixels.shape).astype(np.float32)


def render(label: int, seed: int, hard: Difficulty = DEFAULT) -> Picture:
    """Draw ``CLASSES[label]``: uint8 RGB [H, W, 3], short side 64..76, aspect ratio 3:4 to 4:3."""
    rng = np.random.default_rng((seed, label))
    short, ratio = int(rng.integers(64, 77)), rng.uniform(1.0, 4 / 3)
    sides = (short, round(short * ratio))
    width, height = sides if rng.uniform() < 0.5 else sides[::-1]
    canvas = _Canvas(width, height)
    _background(canvas, rng)
    _clutter(canvas, rng, int(rng.integers(hard.clutter[0], hard.clutter[1] + 1)))
    _object(canvas, rng, label, hard)
    _light_and_noise(canvas, rng, rng.uniform(*hard.noise))
    return np.clip(np.rint(canvas.pixels), 0, 255).astype(np.uint8)


def to_jpeg(picture: Picture) -> bytes:
    """Encode ``picture`` as a baseline JPEG, small enough for a repository."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()
