"""The result of an evaluation as a frozen value, as JSON, and as a table.

A figure without its preprocessing, its images and its software means nothing, so the report carries them all.
Whether the figures are good enough is :mod:`.gate`'s subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mixnet_tools.accuracy.metrics import Accuracy
from mixnet_tools.accuracy.runner import Digest

SCHEMA = 1
"""Version of the JSON form. It changes where a key changes its meaning or goes; new keys do not change it."""


@dataclass(frozen=True)
class DatasetSummary:
    """The images that were evaluated.

    ``source`` and ``annotations`` are paths as they were given; ``name`` is what accuracy-check.yml calls the data
    set; ``total`` counts the data set's images, ``evaluated`` those measured; ``label_offset`` was added to each label.
    ``reference_images`` is the size of the set on which the references were measured, None where it is not known.
    """

    name: str
    source: str
    form: Literal["annotations", "class_folders"]
    annotations: str | None
    total: int
    evaluated: int
    label_offset: int
    reference_images: int | None


@dataclass(frozen=True)
class ModelResult:
    """The figures of one launcher and precision. References are fractions, 0 to 1.

    ``agreement`` counts the images on which the top-1 answer is the original's; None where the original did not run.
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

    @property
    def label(self) -> str:
        """A short name for messages: ``openvino FP16``, ``tf``."""
        return f"{self.launcher} {self.precision}" if self.precision else self.launcher


@dataclass(frozen=True)
class Versions:
    """Software that had a part in the figures; None where a package was not used."""

    mixnet_tools: str
    openvino: str | None
    tensorflow: str | None
    pillow: str
    numpy: str
    python: str


@dataclass(frozen=True)
class AccuracyReport:
    """One model, measured on one data set with one preprocessing profile.

    ``seconds`` is the wall time from the first image to the last; ``notes`` are remarks for the reader.
    """

    model: str
    profile: str
    classes: int
    dataset: DatasetSummary
    results: tuple[ModelResult, ...]
    versions: Versions
    seconds: float
    notes: tuple[str, ...] = ()
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


HEADERS = ("model", "launcher", "precision", "top-1 %", "top-5 %", "reference", "difference", "same top-1 as tf")


def text_table(reports: Sequence[AccuracyReport]) -> str:
    """All results, one a line; references and differences are given as ``top-1 / top-5``, in percent and points."""
    from tabulate import tabulate

    rows = [_row(report, result) for report in reports for result in report.results]
    return str(tabulate(rows, headers=HEADERS, disable_numparse=True))


def provenance(report: AccuracyReport) -> str:
    """What the figures of ``report`` stand on, in a few lines for people."""
    data, versions = report.dataset, report.versions
    used = [("openvino", versions.openvino), ("tensorflow", versions.tensorflow), ("pillow", versions.pillow)]
    software = ", ".join(f"{name} {version}" for name, version in used if version)
    counted = f"{data.evaluated}" if data.evaluated == data.total else f"{data.evaluated} of {data.total}"
    lines = [
        f"{report.model}: profile {report.profile}, {counted} images of {data.source}, {report.classes} classes",
        *(f"  {result.label}: {'; '.join(result.preprocessing)}" for result in report.results),
        f"  mixnet_tools {versions.mixnet_tools}, {software}; {report.seconds:.1f} s, "
        f"{data.evaluated / max(report.seconds, 1e-9):.1f} images/s",
    ]
    return "\n".join(lines)


def _row(report: AccuracyReport, result: ModelResult) -> tuple[str, ...]:
    measured = (result.top1.fraction, result.top5.fraction)
    references = (result.reference_top1, result.reference_top5)
    return (
        report.model,
        result.launcher,
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
