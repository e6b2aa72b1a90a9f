"""Evaluations as one HTML page with all figures and pictures in it: no scripts, nothing from the network.

Jinja2, of the extra ``report``, fills ``html_page.html.j2``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.accuracy.datasets.dataset import ImageDataset
from mixnet_tools.accuracy.evaluation.evaluate import Evaluation
from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.gate.verdict import Verdict
from mixnet_tools.accuracy.metrics.weak_classes import weak_classes
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport, ModelResult
from mixnet_tools.accuracy.reports.figures import measured, points
from mixnet_tools.accuracy.reports.pictures import Pictures
from mixnet_tools.accuracy.reports.table import versions_of
from mixnet_tools.descriptors.labels import class_name, names_of_classes, read_labels, short_label
from mixnet_tools.pages import charts, page

TEMPLATE = Path(__file__).with_name("html_page.html.j2")
_PRODUCTS = {
    "mixnet_tools": "mixnet_tools",
    "openvino": "OpenVINO",
    "tensorflow": "TensorFlow",
    "onnxruntime": "ONNX Runtime",
    "opencv": "OpenCV",
    "pillow": "Pillow",
    "numpy": "NumPy",
    "python": "Python",
}
"""What people call the packages of :class:`mixnet_tools.accuracy.predictions.values.Versions`."""

WEAKEST = 25
"""How many weak classes are listed."""


@dataclass(frozen=True)
class Section:
    """One model of the page.

    ``dataset`` has the images for pictures; with None, there are no pictures. ``labels`` is the file with the names of
    the classes, one a line.
    """

    evaluation: Evaluation
    verdict: Verdict
    dataset: ImageDataset | None
    labels: Path | None


def render(sections: Sequence[Section]) -> str:
    """Write the page. Raises :class:`MissingDependency` where Jinja2 is not installed."""
    reports = [section.evaluation.report for section in sections]
    models = list(dict.fromkeys(report.model for report in reports))
    runs = [run for report in reports for run in report.runs]
    return page.render(
        TEMPLATE,
        title=f"Accuracy of {models[0] if len(models) == 1 else f'{len(models)} models'}",
        made=_when(max(run.started for run in runs)) if runs else None,
        sections=[_context(section, f"m{number}") for number, section in enumerate(sections, 1)],
        side_by_side=_side_by_side(reports),
        when=_when,
    )


def _context(section: Section, name: str) -> dict[str, object]:
    evaluation, report = section.evaluation, section.evaluation.report
    names = _names(section)
    pictures = Pictures(evaluation.setup, evaluation.predictions, section.dataset, names)
    index = _first_ir(report.results)
    shown = report.results[index]
    weak = weak_classes(shown.per_class)
    calibration = shown.calibration
    return {
        "name": name,
        "report": report,
        "verdict": section.verdict,
        "software": ", ".join(f"{_PRODUCTS[name]} {version}" for name, version in versions_of(report).items()),
        "shown": shown,
        "intervals": charts.intervals(
            f"{name}-top1",
            f"Top-1 of {report.model} with 95 % intervals, and the references",
            [measured(one.label, one.top1, one.reference_top1) for one in report.results],
        ),
        "classes": charts.histogram(
            f"{name}-classes",
            f"Top-1 by class ({shown.label})",
            [one.correct / one.total for one in shown.per_class],
            "classes",
        ),
        "reliability": charts.reliability(
            f"{name}-reliability",
            f"Right answers by score ({shown.label})",
            [(one.confidence, one.accuracy, one.images) for one in calibration.bins],
        )
        if calibration
        else None,
        "time": _time(f"{name}-time", report.timing) if report.timing and report.timing.seconds else None,
        "weak": [(names(one.label), one) for one in weak[:WEAKEST]],
        "weak_count": len(weak),
        "confusions": [(names(one.label), names(one.predicted), one.count) for one in shown.confusions],
        "mistakes": pictures.mistakes(index),
        "flips": [found for one in section.verdict.baseline if (found := pictures.flips(one))],
    }


def _side_by_side(reports: Sequence[AccuracyReport]) -> dict[str, object] | None:
    """All models of the page in one table and, where their speed was measured, in one chart.

    None where both would say nothing that the section of the only model does not say.
    """
    shown, several = points(reports), len({report.model for report in reports}) > 1
    if len(shown) < 2 and not several:
        return None
    title, units = "Top-1 against images per second", (" images/s", "\u00a0%")
    return {
        "rows": [(report, one) for report in reports for one in report.results],
        "several": several,
        "chart": charts.against("side", title, shown, units) if len(shown) > 1 else None,
        "legend": list(zip(charts.series(len(shown)), [point.label for point in shown], strict=True)),
    }


def _time(name: str, timing: Timing) -> str:
    """Where the time of the main thread went, and how long the decoding threads worked beside it."""
    other = max(0.0, timing.seconds - timing.wait - timing.inference)
    main = (("inference", timing.inference, "s1"), ("waiting for images", timing.wait, "s2"), ("other", other, "s6"))
    threads = (("decoding", timing.decode, "s3"), ("resizing", timing.resize, "s4"))
    rows = [
        (
            f"{label}: {', '.join(f'{what} {seconds:.1f} s' for what, seconds, _ in parts)}",
            [charts.Part(f"part {style}", seconds, f"{what}: {seconds:.2f} s") for what, seconds, style in parts],
        )
        for label, parts in (("main thread", main), ("worker threads", threads))
    ]
    return charts.bars(name, "Seconds of the main thread, and of the threads that decode", rows, " s")


def _when(started: str) -> str:
    """A time as people read it.

    >>> _when("2026-11-26T02:20:56Z")
    '2026-11-26 02:20:56 UTC'
    """
    return started.replace("T", " ").replace("Z", " UTC")


def _first_ir(results: Sequence[ModelResult]) -> int:
    """The index of the model whose details are shown: the first IR, because IRs are deployed."""
    return next((index for index, one in enumerate(results) if one.launcher == "openvino"), 0)


def _names(section: Section) -> Callable[[int], str]:
    """A function from a class to its name."""
    labels = read_labels(section.labels) if section.labels else ()
    setup = section.evaluation.setup
    names = names_of_classes([short_label(label) for label in labels], setup.classes, setup.dataset.label_offset)
    return lambda label: class_name(label, names)
