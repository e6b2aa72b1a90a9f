"""The figures that the charts of accuracy reports show, for the page and for the chart as a file."""

from __future__ import annotations

from collections.abc import Sequence

from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport, ModelResult
from mixnet_tools.pages.charts import Measured, Point


def plot(reports: Sequence[AccuracyReport], form: str) -> bytes:
    """Draw the chart of ``reports`` as a file in ``form`` (``.png``, ``.svg``).

    It has top-1 of each result and, where speeds were measured, top-1 against images per second.
    """
    from mixnet_tools.pages import plot as plots

    models = list(dict.fromkeys(report.model for report in reports))
    rows = [measured(label, one.top1, one.reference_top1) for label, one in labelled(reports)]
    images = list(dict.fromkeys(f"{report.dataset.evaluated} images of {report.dataset.name}" for report in reports))
    return plots.accuracy(f"{', '.join(models)}: {', '.join(images)}", rows, points(reports), form)


def labelled(reports: Sequence[AccuracyReport]) -> list[tuple[str, ModelResult]]:
    """All results with names that tell them apart: with the model's name, where there are several models."""
    several = len({report.model for report in reports}) > 1
    return [
        (f"{report.model} {one.label}" if several else one.label, one) for report in reports for one in report.results
    ]


def points(reports: Sequence[AccuracyReport]) -> list[Point]:
    """Top-1 against images per second of each result whose speed was measured."""
    return [
        Point(label, Measured(label, speed.images_per_second, speed.low, speed.high), measured(label, one.top1))
        for label, one in labelled(reports)
        if (speed := one.speed)
    ]


def measured(label: str, accuracy: Accuracy, reference: float | None = None) -> Measured:
    """``accuracy`` in percent with its interval."""
    low, high = accuracy.interval95
    return Measured(label, accuracy.percent, 100 * low, 100 * high, None if reference is None else 100 * reference)
