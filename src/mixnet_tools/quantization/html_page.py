"""Quantizations as one HTML page: what INT8 costs and gains, and where the differences lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from mixnet_tools.descriptors.labels import class_name, read_labels, short_label
from mixnet_tools.inference.machine import this_machine
from mixnet_tools.pages import charts, page
from mixnet_tools.quantization.report import TRIAL_HEADINGS, QuantizationReport, Row, has_alternatives, trial_cells

TEMPLATE = Path(__file__).with_name("html_page.html.j2")
CLASSES = 15
"""How many classes with gained or lost images are listed."""

LARGEST = 12
"""How many of the layers with the largest differences are listed."""


def render(
    reports: Sequence[QuantizationReport], labels: Sequence[Path | None], *, command: str | None, started: str
) -> str:
    """Write the page on ``reports``, which a run made that ``started`` (UTC) by ``command``, on this machine.

    ``labels`` are the files with the names of each model's classes. Raises :class:`MissingDependency` where Jinja2 is
    not installed.
    """
    named = reports[0].model if len(reports) == 1 else f"{len(reports)} models"
    pairs = enumerate(zip(reports, labels, strict=True), 1)
    return page.render(
        TEMPLATE,
        title=f"Quantization of {named}",
        made=started,
        sections=[_context(report, file, f"q{number}") for number, (report, file) in pairs],
        command=command,
        started=started,
        machine=this_machine(),
    )


def _context(report: QuantizationReport, labels: Path | None, name: str) -> dict[str, object]:
    first, last = report.rows[0], report.rows[-1]
    differences = report.layer_differences
    largest = sorted(differences, key=lambda one: -one.difference)[:LARGEST]
    flips = last.comparison.by_class if last.comparison else ()
    names = tuple(map(short_label, read_labels(labels))) if labels else ()
    return {
        "name": name,
        "report": report,
        "first": first if len(report.rows) > 1 else None,
        "last": last,
        "accuracy": _accuracy(report.rows[1:], f"{name}-drop", first.precision),
        "speed": _speed(report.rows[1:], f"{name}-speed"),
        "layers": _layers(report, f"{name}-layers"),
        "by_layer": charts.columns(
            f"{name}-by-layer",
            "The difference of each layer's output from the float model's, in the order of the computation",
            [
                charts.Part(
                    "part s1" if one.quantized else "part s2",
                    100 * one.difference,
                    f"{one.name}\n{100 * one.difference:.2f}\u00a0%, {'INT8' if one.quantized else 'float'}",
                )
                for one in differences
            ],
            "\u00a0%",
        )
        if differences
        else None,
        "largest": largest,
        "alternatives": has_alternatives(report),
        "trial_headings": TRIAL_HEADINGS,
        "trials": list(
            zip_longest(trial_cells(report), [one.settings.describe() for one in report.trials], fillvalue="-")
        ),
        "flips": [(class_name(one.label, names), one) for one in flips[:CLASSES]],
        "classes": len(flips),
    }


def _accuracy(rows: Sequence[Row], name: str, baseline: str) -> str | None:
    """The difference of top-1 from the first IR's, with its interval."""
    measured = [
        charts.Measured(row.precision, found.difference, *found.interval, reference=0.0)
        for row in rows
        if (found := row.comparison)
    ]
    return charts.intervals(name, f"Top-1 against {baseline}", measured, " points") if measured else None


def _speed(rows: Sequence[Row], name: str) -> str | None:
    """How many times as fast each IR is as the first one, with quartiles."""
    timed = [
        charts.Measured(f"{one.precision}, floats in {one.computed_in}", one.ratio, one.low, one.high, reference=1.0)
        for row in rows
        for one in row.throughput
    ]
    return charts.intervals(name, "Speed against the first IR", timed, " x") if timed else None


def _layers(report: QuantizationReport, name: str) -> str:
    counts = report.layers
    kinds = [("INT8", counts.quantized), *counts.by_reason().items()]
    parts = [
        charts.Part(f"part {style}", count, f"{what}: {count} layers")
        for (what, count), style in zip(kinds, charts.series(len(kinds)), strict=True)
    ]
    return charts.bars(name, "Layers in INT8, and in float by the reason", [("layers", parts)], "")
