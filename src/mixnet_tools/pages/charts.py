"""The charts of pages, as drawings: intervals, bars, histograms, reliability, and two figures against each other.

Each takes plain values and returns HTML. Its ``name`` is its own on the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from mixnet_tools.pages.svg import Drawing, Scale, around

LEFT, RIGHT = 2.0, 98.0
"""Percent of the width between which axes across lie: what stands at their ends needs some space."""

ROW = 46
FOOT = 20
SERIES = ("s1", "s2", "s3", "s4", "s5", "s6")
"""Styles of series that are told apart by their colours."""


@dataclass(frozen=True)
class Measured:
    """A figure with its interval or quartiles, ``low`` to ``high``, and a ``reference`` for it, if there is one."""

    label: str
    value: float
    low: float
    high: float
    reference: float | None = None


@dataclass(frozen=True)
class Point:
    """Two figures of one thing, each with its interval."""

    label: str
    across: Measured
    up: Measured


@dataclass(frozen=True)
class Part:
    """A part of a bar: ``value`` is its length, ``readout`` tells what it is."""

    style: str
    value: float
    readout: str


def intervals(name: str, title: str, rows: Sequence[Measured], unit: str = "\u00a0%") -> str:
    """Figures in rows, each a dot on its interval, with a tick for the reference."""
    ends = [end for row in rows for end in (row.low, row.high, row.reference) if end is not None]
    height = ROW * len(rows)
    scale = Scale(*around(ends), LEFT, RIGHT)
    told = "; ".join(f"{row.label}: {_told(row, unit)}" for row in rows)
    drawing = Drawing(name, title, told, height + FOOT, lines=2)
    drawing.across(scale, height, unit)
    for index, row in enumerate(rows):
        top = index * ROW
        drawing.begin_mark(row.label, _told(row, unit))
        drawing.box(0, top, 100, ROW, "hit")
        drawing.text(0, top + 16, row.label)
        drawing.text(100, top + 16, f"{row.value:.2f}{unit}", "value", "end")
        drawing.box(scale(row.low), top + 26, scale(row.high) - scale(row.low), 8, "interval")
        if row.reference is not None:
            drawing.line(scale(row.reference), top + 21, scale(row.reference), top + 39, "reference")
        drawing.dot(scale(row.value), top + 30, 5.5, "dot")
        drawing.end_mark()
    return drawing.markup()


def histogram(name: str, title: str, shares: Sequence[float], what: str) -> str:
    """How many of ``what`` have which share, 0 to 1, in steps of 5 percent."""
    counts = [0] * 20
    for share in shares:
        counts[min(19, int(share * 20 + 1e-9))] += 1
    most, height = max(counts), 150.0
    across, up = Scale(0, 100, LEFT + 3, RIGHT), Scale(0, most * 1.12, height, 0)
    told = ", ".join(f"{5 * index} to {5 * index + 5} %: {count}" for index, count in enumerate(counts) if count)
    drawing = Drawing(name, title, f"{what} by their share: {told}", height + FOOT)
    drawing.up(up, most=min(5, most + 1))
    for value in (0, 25, 50, 75, 100):
        drawing.text(across(value), height + 14, f"{value}\u00a0%", "tick", "end" if value == 100 else "middle")
    for index, count in enumerate(counts):
        if count:
            start, end = across(5 * index), across(5 * index + 5)
            drawing.begin_mark(f"{5 * index} to {5 * index + 5}\u00a0%: {count} {what}")
            drawing.box(start, 0, end - start, height, "hit")
            drawing.box(start + 0.25, up(count), end - start - 0.5, height - up(count), "bar")
            drawing.end_mark()
    drawing.line(0, height, 100, height, "axis")
    return drawing.markup()


def reliability(name: str, title: str, bins: Sequence[tuple[float, float, int]]) -> str:
    """The share of right answers by score: (score, share, number of images) of each bin, both 0 to 1."""
    height, most = 190.0, max(images for _, _, images in bins)
    across, up = Scale(0, 100, LEFT + 3, RIGHT), Scale(0, 100, height, 12)
    told = "; ".join(_bin(*one) for one in bins)
    drawing = Drawing(name, title, told, height + FOOT)
    drawing.up(up, "\u00a0%")
    for value in (0, 25, 50, 75, 100):
        drawing.text(across(value), height + 14, f"{value}\u00a0%", "tick", "end" if value == 100 else "middle")
    drawing.line(across(0), up(0), across(100), up(100), "ideal")
    places = [(across(100 * score), up(100 * share)) for score, share, _ in bins]
    for (x1, y1), (x2, y2) in itertools.pairwise(places):
        drawing.line(x1, y1, x2, y2, "curve")
    for (x, y), one in zip(places, bins, strict=True):
        drawing.begin_mark(_bin(*one))
        drawing.dot(x, y, 12, "hit")
        drawing.dot(x, y, 3 + 6 * (one[2] / most) ** 0.5, "dot")
        drawing.end_mark()
    return drawing.markup()


def bars(name: str, title: str, rows: Sequence[tuple[str, Sequence[Part]]], unit: str) -> str:
    """Bars in rows, each of parts one behind the other: (label, parts) of each."""
    longest = max((sum(part.value for part in parts) for _, parts in rows), default=0.0)
    scale, height = Scale(0, longest or 1.0, 0, RIGHT), ROW * len(rows)
    told = "; ".join(f"{label}: {', '.join(part.readout for part in parts)}" for label, parts in rows)
    drawing = Drawing(name, title, told, height + FOOT)
    drawing.across(scale, height, unit)
    for index, (label, parts) in enumerate(rows):
        top, start = index * ROW, 0.0
        drawing.text(0, top + 16, label)
        for part in parts:
            width = scale(part.value)
            drawing.begin_mark(part.readout)
            drawing.box(start, top + 22, width, 18, part.style)
            drawing.end_mark()
            start += width
    return drawing.markup()


def columns(name: str, title: str, bars_: Sequence[Part], unit: str) -> str:
    """Upright bars, one beside the other, such as one for each layer of a model."""
    height, most = 170.0, max((one.value for one in bars_), default=0.0) or 1.0
    up, width = Scale(0, 1.08 * most, height, 0), (RIGHT - 6) / max(1, len(bars_))
    told = "; ".join(one.readout for one in bars_)
    drawing = Drawing(name, title, told, height + 4, lines=2)
    drawing.up(up, unit)
    for index, one in enumerate(bars_):
        x = 6 + index * width
        drawing.begin_mark(*one.readout.split("\n"))
        drawing.box(x, 0, width, height, "hit")
        drawing.box(x + 0.1 * width, up(one.value), 0.8 * width, height - up(one.value), one.style)
        drawing.end_mark()
    drawing.line(0, height, 100, height, "axis")
    return drawing.markup()


def against(name: str, title: str, points: Sequence[Point], units: tuple[str, str]) -> str:
    """Two figures of each of ``points`` against each other, with both intervals. Points have numbers and colours."""
    height = 230.0
    ends = [end for point in points for end in (point.across.low, point.across.high)]
    levels = [end for point in points for end in (point.up.low, point.up.high)]
    across = Scale(0, max(ends) * 1.05, 8, RIGHT)
    up = Scale(*around(levels, 0.1), height, 10)
    told = "; ".join(f"{point.label}: {', '.join(_told_both(point, units))}" for point in points)
    drawing = Drawing(name, title, told, height + FOOT, lines=3)
    drawing.up(up, units[1])
    for value in across.ticks(5):
        drawing.text(across(value), height + 14, f"{value:g}", "tick", "middle")
    drawing.line(0, height, 100, height, "axis")
    for number, (point, style) in enumerate(zip(points, series(len(points)), strict=True), 1):
        x, y = across(point.across.value), up(point.up.value)
        drawing.begin_mark(point.label, *_told_both(point, units))
        drawing.dot(x, y, 14, "hit")
        drawing.line(x, up(point.up.low), x, up(point.up.high), f"whisker {style}")
        drawing.line(across(point.across.low), y, across(point.across.high), y, f"whisker {style}")
        drawing.dot(x, y, 9, f"point {style}")
        drawing.text(x, y + 4, str(number), "number", "middle")
        drawing.end_mark()
    return drawing.markup()


def series(count: int) -> list[str]:
    """The style of each of ``count`` series."""
    return [SERIES[index % len(SERIES)] for index in range(count)]


def _told(row: Measured, unit: str) -> str:
    text = f"{row.value:.2f}{unit}, {row.low:.2f} to {row.high:.2f}"
    return text if row.reference is None else f"{text}, reference {row.reference:.2f}"


def _told_both(point: Point, units: tuple[str, str]) -> tuple[str, str]:
    one, other = point.across, point.up
    return (
        f"{other.value:.2f}{units[1]} ({other.low:.2f} to {other.high:.2f})",
        f"{one.value:.0f}{units[0]} ({one.low:.0f} to {one.high:.0f})",
    )


def _bin(score: float, share: float, images: int) -> str:
    counted = f"{images} image{'' if images == 1 else 's'}"
    return f"score {100 * score:.1f}\u00a0%: {100 * share:.1f}\u00a0% right of {counted}"
