"""An SVG drawing that fits any width: across in percent of the page, down in pixels, so that text keeps its size.

A drawing needs no script. What a mark stands for is written at the drawing's top while the pointer is on it (a finger,
on a phone): style.css shows one ``.readout`` at a time. Screen readers get the title and the description.
Colours are classes of style.css, which has a light and a dark set of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from mixnet_tools.files.shown import shown

LINE = 15
"""Pixels of each line at the top, which say what the pointer is on."""

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scale:
    """Maps values from ``low`` to ``high`` to places from ``first`` to ``last``: percent across, or pixels down."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """The place of ``value``.

        >>> Scale(0, 10, 100, 50)(5)
        75.0
        """
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.first + share * (self.last - self.first)

    def ticks(self, most: int = 6) -> list[float]:
        """At most ``most`` round values from ``low`` to ``high``, evenly spaced.

        >>> Scale(88.2, 94.1, 0, 100).ticks(4)
        [90.0, 92.0, 94.0]
        """
        step = round_step(self.high - self.low, most)
        start = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - start + 1
        return [round((start + index) * step, 10) for index in range(count)]


def round_step(span: float, most: int) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that goes into ``span`` less than ``most`` times.

    >>> round_step(5.9, 4), round_step(0.7, 8), round_step(0, 5)
    (2.0, 0.1, 1.0)
    """
    if span <= 0 or most < 2:
        return max(span, 1.0)
    raw = span / (most - 1)
    power = 10.0 ** math.floor(math.log10(raw) + 1e-9)
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * (1 - 1e-9))


class Drawing:
    """A drawing of ``height`` pixels below the ``lines`` that say what the pointer is on.

    ``name`` is its own on the page; its ids begin with it.
    """

    def __init__(self, name: str, title: str, description: str, height: float, lines: int = 1) -> None:
        self._top = LINE * lines + 2
        self._root = ElementTree.Element(
            "svg",
            {
                "class": "chart",
                "role": "img",
                "width": "100%",
                "height": _number(height + self._top),
                "aria-labelledby": f"{name}-title {name}-desc",
            },
        )
        for tag, text in (("title", title), ("desc", description)):
            ElementTree.SubElement(self._root, tag, {"id": f"{name}-{tag}"}).text = shown(text)
        self._into = self._root

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """A line between two places."""
        self._add(
            "line", {"x1": _percent(x1), "y1": self._down(y1), "x2": _percent(x2), "y2": self._down(y2), "class": style}
        )

    def box(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """A filled rectangle, ``width`` in percent and ``height`` in pixels."""
        size = {"width": _percent(max(0.0, width)), "height": _number(max(0.0, height))}
        self._add("rect", {"x": _percent(x), "y": self._down(y), **size, "class": style})

    def dot(self, x: float, y: float, radius: float, style: str) -> None:
        """A filled circle of ``radius`` pixels."""
        self._add("circle", {"cx": _percent(x), "cy": self._down(y), "r": _number(radius), "class": style})

    def text(self, x: float, y: float, text: str, style: str = "", anchor: Anchor = "start", dx: float = 0) -> None:
        """One line of text, whose foot is at ``y``; ``dx`` moves it by pixels."""
        place = {"x": _percent(x), "y": self._down(y), "text-anchor": anchor, "class": style or "label"}
        self._add("text", {**place, **({"dx": _number(dx)} if dx else {})}).text = shown(text, lines=False)

    def begin_mark(self, *readout: str) -> None:
        """What is drawn until :meth:`end_mark` belongs together: ``readout`` tells its values, line by line."""
        self._into = ElementTree.SubElement(self._root, "g", {"class": "mark"})
        ElementTree.SubElement(self._into, "title")  # empty: the browser does not show the drawing's own title here
        group = ElementTree.SubElement(self._into, "g", {"class": "readout"})
        for number, line in enumerate(readout):
            place = {"x": "100%", "y": _number(LINE * number + 11), "text-anchor": "end"}
            ElementTree.SubElement(group, "text", place).text = shown(line, lines=False)

    def end_mark(self) -> None:
        """What follows is no part of a mark."""
        self._into = self._root

    def across(self, scale: Scale, height: float, unit: str = "", most: int = 6) -> None:
        """An axis at the foot, with lines up to the top."""
        for value in scale.ticks(most):
            place = scale(value)
            self.line(place, 0, place, height, "grid")
            self.text(place, height + 14, f"{value:g}{unit}", "tick", "middle")

    def up(self, scale: Scale, unit: str = "", most: int = 5, first: float = 0, last: float = 100) -> None:
        """An axis at the left, with lines from ``first`` to ``last`` percent; its numbers stand on the lines."""
        for value in scale.ticks(most):
            self.line(first, scale(value), last, scale(value), "grid")
            self.text(first, scale(value) - 3, f"{value:g}{unit}", "tick")

    def markup(self) -> str:
        """The drawing as HTML."""
        return ElementTree.tostring(self._root, encoding="unicode")

    def _down(self, y: float) -> str:
        return _number(y + self._top)

    def _add(self, tag: str, attributes: dict[str, str]) -> ElementTree.Element:
        return ElementTree.SubElement(self._into, tag, attributes)


def around(values: Iterable[float], margin: float = 0.05, least: float = 1.0) -> tuple[float, float]:
    """Limits with some space around ``values``, at least ``least`` apart.

    >>> around([90.0, 94.0])
    (89.8, 94.2)
    """
    found = list(values)
    low, high = min(found), max(found)
    space = max(margin * (high - low), (least - (high - low)) / 2, 0.0)
    return low - space, high + space


def _percent(value: float) -> str:
    return f"{_number(value)}%"


def _number(value: float) -> str:
    return f"{round(value, 2):g}"
