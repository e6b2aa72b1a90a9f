"""Draws the charts of the HTML page with matplotlib, as SVG text. No display is needed."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.metrics.calibration_error import CalibrationError
from mixnet_tools.accuracy.reports.accuracy_report import ModelResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREY, _RED = "#2563a8", "#c2410c", "#8a929c", "#b42318"
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.fonttype": "path",
    "svg.hashsalt": "mixnet_tools",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_lock = threading.Lock()


def intervals(results: Sequence[ModelResult]) -> str:
    """Draw top-1 of each model with its 95 % interval, and its reference as a tick."""
    figure, axes = _figure(7.2, 0.55 + 0.42 * len(results))
    for place, result in enumerate(results):
        low, high = result.top1.interval95
        axes.plot([100 * low, 100 * high], [place, place], color=_BLUE, linewidth=3, alpha=0.35, solid_capstyle="butt")
        axes.plot(result.top1.percent, place, "o", color=_BLUE, markersize=6)
        if result.reference_top1 is not None:
            axes.plot(100 * result.reference_top1, place, "|", color=_ORANGE, markersize=16, markeredgewidth=2)
    axes.set_yticks(range(len(results)), [result.label for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.set_xlabel("top-1 %: measured with its 95 % interval, and the reference (orange)")
    return _svg(figure)


def classes(shares: Sequence[float]) -> str:
    """Draw how many classes reach which accuracy. ``shares`` are fractions of right answers, one for each class."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(4.4, 2.7)
    axes.hist([100 * share for share in shares], bins=[5 * edge for edge in range(21)], color=_BLUE, alpha=0.85)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 100)
    axes.set_xlabel("top-1 % of a class")
    axes.set_ylabel("classes")
    return _svg(figure)


def reliability(calibration: CalibrationError) -> str:
    """Draw the share of right answers by score. The size of a point is the number of images."""
    figure, axes = _figure(4.4, 2.7)
    most = max(one.images for one in calibration.bins)
    axes.plot([0, 100], [0, 100], color=_GREY, linewidth=1, linestyle="--")
    axes.plot(
        [100 * one.confidence for one in calibration.bins],
        [100 * one.accuracy for one in calibration.bins],
        color=_BLUE,
        linewidth=1,
    )
    axes.scatter(
        [100 * one.confidence for one in calibration.bins],
        [100 * one.accuracy for one in calibration.bins],
        s=[10 + 90 * one.images / most for one in calibration.bins],
        color=_BLUE,
    )
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 103)
    axes.set_xlabel("score of the answer, %")
    axes.set_ylabel("answers that are right, %")
    return _svg(figure)


def speed(timing: Timing) -> str:
    """Draw where the time of the main thread went, and how long the decoding threads worked beside it."""
    figure, axes = _figure(7.2, 1.5)
    other = max(0.0, timing.seconds - timing.wait - timing.inference)
    main = (("inference", timing.inference, _BLUE), ("wait for images", timing.wait, _ORANGE), ("other", other, _GREY))
    threads = (("decode", timing.decode, "#4b7f52"), ("resize", timing.resize, "#94b88a"))
    for place, parts in ((0, main), (1, threads)):
        start = 0.0
        for name, seconds, colour in parts:
            axes.barh(place, seconds, left=start, color=colour, height=0.55, label=f"{name} {seconds:.1f} s")
            start += seconds
    axes.set_yticks([0, 1], ["main thread", "worker threads"])
    axes.set_ylim(1.5, -0.5)
    axes.set_xlabel("seconds")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    import matplotlib
    from matplotlib.figure import Figure as NewFigure

    with matplotlib.rc_context(_STYLE):
        figure = NewFigure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def _svg(figure: Figure) -> str:
    import matplotlib

    buffer = io.StringIO()
    with _lock, matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]  # without the XML prologue, which has no place inside a page
