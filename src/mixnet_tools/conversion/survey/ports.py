"""Decides the shape and layout of an input that leaves some of it open, and tells what an answer is like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mixnet_tools.errors import UsageError

OPEN = -1
"""A size that the model leaves open."""

USUAL_SIDE = 224
"""Pixels of a side that is assumed where neither the model nor the caller says it."""

_CHANNELS = (3, 1)


@dataclass(frozen=True)
class Port:
    """An input or output: ``shape`` has :data:`OPEN` for open sizes, and is None where their number is open.

    ``element_type`` is OpenVINO's name of its type (``f32``).
    """

    name: str
    shape: tuple[int, ...] | None
    element_type: str


@dataclass(frozen=True)
class Settled:
    """An input with nothing open. ``layout`` is None where it is no image. ``notes`` say what was assumed."""

    shape: tuple[int, ...] | None
    layout: str | None
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int | None:
        """The channels of an image; None where it is none."""
        return self.shape[self.layout.index("C")] if self.layout and self.shape and "C" in self.layout else None

    @property
    def is_image(self) -> bool:
        """Whether this is a batch of images with one or three channels."""
        return self.layout in ("NCHW", "NHWC") and self.channels in _CHANNELS

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of an image, in pixels."""
        assert self.shape is not None
        assert self.layout is not None
        return self.shape[self.layout.index("H")], self.shape[self.layout.index("W")]


def settle(port: Port, usual: str, size: tuple[int, int] | None = None, layout: str | None = None) -> Settled:
    """``port`` with everything that it leaves open.

    ``usual`` is the layout that its framework has for images. ``size`` (height and width in pixels) and ``layout`` are
    what the caller knows. Raises :class:`UsageError` where the model says something else.
    """
    notes: list[str] = []
    shape = port.shape
    if shape is None:
        if port.element_type == "string":
            return Settled(None, None, ("takes text, or files that are not decoded yet",))
        shape = (OPEN,) * 4
        notes.append("the model leaves its shape open; an image with three channels is assumed")
    if len(shape) != 4:
        settled = tuple(1 if one == OPEN else one for one in shape)
        if OPEN in shape[1:]:
            notes.append(f"the model leaves sizes open ({_text(shape)}); 1 is assumed for each")
        image = len(shape) == 3 and (shape[0] in _CHANNELS or shape[2] in _CHANNELS)
        notes.append("no batch of images (four sizes): a figure of accuracy cannot be measured") if image else None
        return Settled(settled, None, tuple(notes))
    axes = layout or _layout(shape, usual)
    if axes is None:
        notes.append(f"the sizes are not those of an image ({_text(shape)}): they have no layout here")
        return Settled(tuple(1 if one == OPEN else one for one in shape), None, tuple(notes))
    by_axis = dict(zip(axes, shape, strict=True))
    if layout is None and by_axis["C"] == OPEN:
        notes.append(f"{axes} and three channels are assumed, for the model leaves the channels open")
    if by_axis["C"] == OPEN:
        by_axis["C"] = _CHANNELS[0]
    if layout is None and _is_ambiguous(shape):
        notes.append(f"{axes} is assumed: the sizes fit both layouts")
    if by_axis["N"] == OPEN:
        by_axis["N"] = 1
    elif by_axis["N"] != 1:
        notes.append(f"the model takes {by_axis['N']} images at a time")
    _settle_sides(port, by_axis, size, notes)
    return Settled(tuple(by_axis[axis] for axis in axes), axes, tuple(notes))


def _settle_sides(port: Port, by_axis: dict[str, int], size: tuple[int, int] | None, notes: list[str]) -> None:
    for axis, wanted in zip("HW", size or (USUAL_SIDE, USUAL_SIDE), strict=True):
        if by_axis[axis] == OPEN:
            by_axis[axis] = wanted
            text = f"the model leaves the size of its images open; {USUAL_SIDE} x {USUAL_SIDE} is assumed"
            if size is None and text not in notes:
                notes.append(text)
        elif size is not None and by_axis[axis] != wanted:
            own = f"{by_axis['H']}x{by_axis['W']}".replace("-1", "?")
            raise UsageError(
                f"`size`: {size[0]}x{size[1]}, and the model's input {port.name!r} takes images of {own}",
                hint="leave out `size`: the model says it",
            )


def _layout(shape: Sequence[int], usual: str) -> str | None:
    """The layout of four sizes; None where none of them can be the channels of an image."""
    first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
    if first != last:
        return "NCHW" if first else "NHWC"
    return usual if first or shape[usual.index("C")] == OPEN else None


def _is_ambiguous(shape: Sequence[int]) -> bool:
    return shape[1] in _CHANNELS and shape[3] in _CHANNELS


def _text(shape: Sequence[int]) -> str:
    return "x".join("?" if one == OPEN else str(one) for one in shape)


def classes_of(shape: tuple[int, ...] | None) -> int | None:
    """How many classes an answer of this shape has scores for: [N, classes], or with further axes of length 1.

    None where it is no such answer, or the number is open.

    >>> classes_of((1, 1000)), classes_of((1, 1000, 1, 1)), classes_of((1, 10, 7, 7)), classes_of((-1, 5))
    (1000, 1000, None, 5)
    """
    values = [] if shape is None else list(shape[1:] if len(shape) > 1 else shape)
    if not values or OPEN in values or sum(value != 1 for value in values) > 1:
        return None
    return math.prod(values)
