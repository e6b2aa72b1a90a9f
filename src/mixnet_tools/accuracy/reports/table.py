"""Accuracy reports for people: the cells of the table of results, and in words what the figures stand on."""

from __future__ import annotations

from collections.abc import Iterable

from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.predictions.provenance import software
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport, ModelResult

HEADINGS = ("model", "launcher", "precision", "top-1 %", "top-5 %", "reference", "difference", "same as original")
"""Of the cells that :func:`cells` gives."""


def provenance(report: AccuracyReport) -> str:
    """What the figures of ``report`` stand on, in a few lines: images, preprocessing, statistics, software, times."""
    data = report.dataset
    used = versions_of(report)
    names = ("mixnet_tools", "openvino", "tensorflow", "onnxruntime", "opencv", "pillow")
    listed = ", ".join(f"{name} {used[name]}" for name in names if name in used)
    counted = f"{data.evaluated}" if data.evaluated == data.total else f"{data.evaluated} of {data.total}"
    lines = [
        f"{report.model}: profile {report.profile}, {counted} images of {data.source}, {report.classes} classes",
        *([f"  split {data.split}"] if data.split else []),
        *(f"  {account.text()}" for account in data.accounts),
        *(f"  {result.label}: {'; '.join(result.preprocessing)}" for result in report.results),
        *(f"  {result.label}: {_statistics(result)}" for result in report.results),
        f"  {listed}",
        *([f"  {report.timing.summary()}"] if report.timing and report.timing.seconds else []),
    ]
    return "\n".join(lines)


def versions_of(report: AccuracyReport) -> dict[str, str]:
    """The versions of all software that made the figures, by its name: several where runs had several."""
    told = [run.versions for run in report.runs if run.work == "measured" and run.versions]
    return software(told or [report.versions])


def _statistics(result: ModelResult) -> str:
    text = f"top-1 {result.top1.percent:.2f} % (95 %: {interval(result.top1)})"
    if result.calibration:
        text += f", calibration error {result.calibration.ece:.4f}"
    if result.agreement_f32:
        text += f"; as in f32 {result.agreement_f32.percent:.2f} %"
    if result.against_original:
        test = result.against_original
        text += f"; against the original {test.gained} gained, {test.lost} lost (McNemar p = {test.p_two_sided:.2g})"
    return text


def cells(report: AccuracyReport, result: ModelResult) -> tuple[str, ...]:
    """One result as a row of a table. References (percent) and differences (points) are ``top-1 / top-5``."""
    measured = (result.top1.fraction, result.top5.fraction)
    references = (result.reference_top1, result.reference_top5)
    return (
        report.model,
        f"{result.launcher} on {result.device}" if result.among_devices else result.launcher,
        _precision(result),
        f"{result.top1.percent:.2f}",
        f"{result.top5.percent:.2f}",
        _pair(f"{100 * reference:.2f}" if reference is not None else "-" for reference in references),
        _pair(
            f"{100 * (value - reference):+.2f}" if reference is not None else "-"
            for value, reference in zip(measured, references, strict=True)
        ),
        f"{result.agreement.percent:.2f} %" if result.agreement else "-",
    )


def _precision(result: ModelResult) -> str:
    """``FP16``, or ``FP16 in bf16`` where it is not computed in f32."""
    written = result.precision or "-"
    return f"{written} in {result.reduced_precision}" if result.reduced_precision else written


def _pair(texts: Iterable[str]) -> str:
    both = tuple(texts)
    return "-" if set(both) == {"-"} else " / ".join(both)


def interval(accuracy: Accuracy) -> str:
    """Wilson's 95 % interval in percent.

    >>> interval(Accuracy(8, 10))
    '49.02 to 94.33'
    """
    low, high = accuracy.interval95
    return f"{100 * low:.2f} to {100 * high:.2f}"
