"""Charts as files, PNG or SVG, for documents and summaries that show pictures.

matplotlib draws them. It comes with the extra ``report``. A page draws its own charts
(:mod:`mixnet_tools.pages.charts`): those tell their values, and fit any width.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixnet_tools.errors import MissingDependency, ResourceError, UsageError
from mixnet_tools.files.shown import shown
from mixnet_tools.pages.charts import Measured, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
_INK, _SOFT, _LINE, _ACCENT, _RANGE, _WARN = "#1a1f26", "#59636f", "#dde1e6", "#1f5fa8", "#a9c6e6", "#a0440f"
_SERIES = ("#1f5fa8", "#b3470f", "#2b7a52", "#7a3fa0", "#a3195b", "#4d5966")
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _SOFT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _LINE,
    "xtick.color": _SOFT,
    "ytick.color": _INK,
    "figure.dpi": 144,
    "svg.fonttype": "none",
    "svg.hashsalt": "mixnet_tools",
    "text.parse_math": False,
}
_ROW = 0.34


@dataclass(frozen=True)
class Bars:
    """Bars with quartiles below a ``heading``. ``unit`` names their axis. ``least`` marks a value to compare with."""

    heading: str
    unit: str
    rows: tuple[Measured, ...]
    least: float | None = None


def require(path: Path) -> None:
    """Check that a chart can be drawn to ``path``.

    Raises :class:`UsageError` where its suffix is none of :data:`SUFFIXES`, :class:`MissingDependency` without
    matplotlib, and :class:`ResourceError` where matplotlib finds no folder for its files.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: expected a name that ends with {' or '.join(SUFFIXES)}")
    _import_quietly()


def accuracy(title: str, rows: Sequence[Measured], points: Sequence[Point], form: str) -> bytes:
    """Draw top-1 of ``rows`` in percent, with intervals and references; and ``points``, where there are two or more:
    top-1 against images per second. ``form`` is the suffix of the file.
    """
    both = len(points) > 1
    with _styled():
        figure, axes = _figure(max(1.1 + _ROW * len(rows), 3.0 if both else 0), 2 if both else 1)
        _intervals(axes[0], rows)
        if both:
            _against(axes[1], points)
        return _written(figure, title, form)


def bars(title: str, groups: Sequence[Bars], form: str, note: str = "") -> bytes:
    """Draw ``groups`` of bars one below the other. ``note`` stands at the foot. ``form`` is the suffix of the file."""
    heights = [0.9 + _ROW * len(group.rows) for group in groups]
    with _styled():
        figure, axes = _figure(sum(heights) + (0.75 if note else 0.45), 1, heights)
        for place, group in zip(axes, groups, strict=True):
            _bars(place, group)
        if note:
            figure.supxlabel(shown(note, lines=False), x=0.01, ha="left", fontsize=8, color=_SOFT)
        return _written(figure, title, form)


def _intervals(axes: Axes, rows: Sequence[Measured]) -> None:
    for place, row in enumerate(rows):
        axes.plot([row.low, row.high], [place, place], color=_RANGE, linewidth=6, solid_capstyle="butt")
        axes.plot(row.value, place, "o", color=_ACCENT, markersize=7)
        if row.reference is not None:
            axes.plot(row.reference, place, "|", color=_WARN, markersize=15, markeredgewidth=2.5)
        text = f"{row.value:.2f}"
        axes.annotate(text, (row.value, place), (0, 10), textcoords="offset points", ha="center", fontsize=8)
    _label(axes, rows)
    referred = ", reference (upright)" if any(row.reference is not None for row in rows) else ""
    axes.set_xlabel(f"top-1 %, 95 % interval{referred}")


def _against(axes: Axes, points: Sequence[Point]) -> None:
    for number, point in enumerate(points):
        colour, x, y = _SERIES[number % len(_SERIES)], point.across, point.up
        axes.plot([x.low, x.high], [y.value, y.value], color=colour, alpha=0.5, linewidth=2.5)
        axes.plot([x.value, x.value], [y.low, y.high], color=colour, alpha=0.5, linewidth=2.5)
        label = shown(point.label, lines=False)
        axes.plot(x.value, y.value, "o", color=colour, markersize=8, label=label)
    axes.set_xlim(left=0)
    axes.set_xlabel("images/s here, with quartiles")
    axes.set_ylabel("top-1 %, 95 % interval")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8, frameon=False)


def _bars(axes: Axes, group: Bars) -> None:
    most = max([row.high for row in group.rows] + [group.least or 0])
    for place, row in enumerate(group.rows):
        axes.barh(place, row.value, height=0.6, color=_ACCENT)
        if row.high > row.low:
            axes.plot([row.low, row.high], [place, place], color=_WARN, linewidth=2.5)
        text = f"{row.value:.3g}"
        axes.annotate(
            text, (max(row.high, row.value), place), (5, 0), textcoords="offset points", va="center", fontsize=8
        )
    if group.least is not None:
        axes.axvline(group.least, color=_SOFT, linewidth=1, linestyle="--")
    _label(axes, group.rows)
    axes.set_xlim(0, 1.12 * most)
    axes.set_xlabel(shown(group.unit, lines=False))
    axes.set_title(shown(group.heading, lines=False), loc="left", fontsize=9, color=_SOFT)


def _label(axes: Axes, rows: Sequence[Measured]) -> None:
    axes.set_yticks(range(len(rows)), [shown(row.label, lines=False) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


@contextlib.contextmanager
def _styled() -> Iterator[None]:
    """Draw in our style what the block draws."""
    _import_quietly()
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def _figure(height: float, columns: int, heights: Sequence[float] = ()) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=(5.2 * columns if columns > 1 else 7.2, height), layout="constrained")
    made = figure.subplots(max(1, len(heights)), columns, squeeze=False, height_ratios=heights or None)
    return figure, list(made.flat)


def _written(figure: Figure, title: str, form: str) -> bytes:
    figure.suptitle(shown(title, lines=False), x=0.01, ha="left", fontsize=11, fontweight="bold")
    buffer, kind = io.BytesIO(), form.lower().removeprefix(".")
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=metadata, facecolor="white")
    return buffer.getvalue()


def _import_quietly() -> None:
    """Import matplotlib, and keep it from telling people where it puts its own files."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"a chart as a file needs matplotlib ({error})", hint="pip install 'mixnet-tools[report]'"
        ) from error
    except OSError as error:
        raise ResourceError(f"matplotlib finds no folder for its own files: {error}") from error
