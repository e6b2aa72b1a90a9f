"""The result of an evaluation as a frozen value, as JSON, and as a table.

A figure without its preprocessing, its images and its software means nothing, so the report carries them all.
Whether the figures are good enough is :mod:`.gate`'s subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.launchers.base import Digest, label_of
from mixnet_tools.accuracy.metrics.calibration_error import CalibrationError
from mixnet_tools.accuracy.metrics.mcnemar import PairedTest
from mixnet_tools.accuracy.metrics.per_class import ClassCount, Confusion
from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.predictions.values import BadImage, DatasetSummary, Versions

SCHEMA = 1
"""Version of the JSON form. It changes where a key changes its meaning or goes; new keys do not change it."""


@dataclass(frozen=True)
class ImageNote:
    """``count`` images were of an odd ``kind`` (CMYK, 16-bit, ...), and were decoded; a few of their names."""

    kind: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ModelResult:
    """The figures of one launcher and precision. References are fractions, 0 to 1.

    ``agreement`` counts the images on which the top-1 answer is the original's, ``differing`` names the first of the
    others, and ``against_original`` is McNemar's test against it; nothing of these where the original did not run.
    Classes are the model's own, counted from 0.
    """

    launcher: str
    precision: str | None
    device: str
    preprocessing: tuple[str, ...]
    top1: Accuracy
    top5: Accuracy
    reference_top1: float | None
    reference_top5: float | None
    agreement: Accuracy | None
    digests: tuple[Digest, ...]
    against_original: PairedTest | None = None
    differing: tuple[str, ...] = ()
    calibration: CalibrationError | None = None
    per_class: tuple[ClassCount, ...] = ()
    confusions: tuple[Confusion, ...] = ()

    among_devices: bool = False

    @property
    def label(self) -> str:
        """See :func:`mixnet_tools.accuracy.launchers.base.label_of`."""
        return label_of(self.launcher, self.precision, self.device if self.among_devices else None)


@dataclass(frozen=True)
class AccuracyReport:
    """One model, measured on one data set with one preprocessing profile.

    ``seconds`` is the wall time from the first image to the last; ``notes`` are remarks for the reader.
    ``bad_images`` could not be measured and are in no figure; ``odd_images`` were.
    """

    model: str
    profile: str
    classes: int
    dataset: DatasetSummary
    results: tuple[ModelResult, ...]
    versions: Versions
    seconds: float
    notes: tuple[str, ...] = ()
    bad_images: tuple[BadImage, ...] = ()
    odd_images: tuple[ImageNote, ...] = ()
    timing: Timing | None = None
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Plain data for :func:`json.dump`: the fields of this class by name, accuracies with their share and
        Wilson's 95 % interval.
        """
        plain = asdict(self)
        for result, target in zip(self.results, plain["results"], strict=True):
            for name in ("top1", "top5", "agreement"):
                value: Accuracy | None = getattr(result, name)
                target[name] = _accuracy_json(value) if value else None
        return {"schema": plain.pop("schema"), **plain}


HEADERS = ("model", "launcher", "precision", "top-1 %", "top-5 %", "reference", "difference", "same as original")


def text_table(reports: Sequence[AccuracyReport]) -> str:
    """All results, one a line; references and differences are given as ``top-1 / top-5``, in percent and points."""
    from tabulate import tabulate

    rows = [_row(report, result) for report in reports for result in report.results]
    return str(tabulate(rows, headers=HEADERS, disable_numparse=True))


def provenance(report: AccuracyReport) -> str:
    """What the figures of ``report`` stand on, in a few lines for people."""
    data, versions = report.dataset, report.versions
    names = ("openvino", "tensorflow", "onnxruntime", "opencv", "pillow")
    used = [(name, getattr(versions, name)) for name in names]
    software = ", ".join(f"{name} {version}" for name, version in used if version)
    counted = f"{data.evaluated}" if data.evaluated == data.total else f"{data.evaluated} of {data.total}"
    lines = [
        f"{report.model}: profile {report.profile}, {counted} images of {data.source}, {report.classes} classes",
        *(f"  {result.label}: {'; '.join(result.preprocessing)}" for result in report.results),
        *(f"  {result.label}: {_statistics(result)}" for result in report.results),
        f"  mixnet_tools {versions.mixnet_tools}, {software}",
        *([f"  {report.timing.summary()}"] if report.timing and report.timing.seconds else []),
    ]
    return "\n".join(lines)


def _statistics(result: ModelResult) -> str:
    low, high = result.top1.interval95
    text = f"top-1 {result.top1.percent:.2f} % (95 %: {100 * low:.2f} to {100 * high:.2f})"
    if result.calibration:
        text += f", calibration error {result.calibration.ece:.4f}"
    if result.against_original:
        test = result.against_original
        text += f"; against the original {test.gained} gained, {test.lost} lost (McNemar p = {test.p_two_sided:.2g})"
    return text


def _row(report: AccuracyReport, result: ModelResult) -> tuple[str, ...]:
    measured = (result.top1.fraction, result.top5.fraction)
    references = (result.reference_top1, result.reference_top5)
    return (
        report.model,
        label_of(result.launcher, None, result.device if result.among_devices else None),
        result.precision or "-",
        f"{result.top1.percent:.2f}",
        f"{result.top5.percent:.2f}",
        _pair(f"{100 * reference:.2f}" if reference is not None else "-" for reference in references),
        _pair(
            f"{100 * (value - reference):+.2f}" if reference is not None else "-"
            for value, reference in zip(measured, references, strict=True)
        ),
        f"{result.agreement.percent:.2f} %" if result.agreement else "-",
    )


def _pair(texts: Any) -> str:
    return " / ".join(texts)


def _accuracy_json(value: Accuracy) -> dict[str, Any]:
    low, high = value.interval95
    return {
        "correct": value.correct,
        "total": value.total,
        "fraction": round(value.fraction, 6),
        "interval95": [round(low, 6), round(high, 6)],
    }
