"""Accuracy reports for tests of what comes after the measurement."""

from __future__ import annotations

from mixnet_tools.accuracy.launchers.base import Digest
from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.predictions.values import DatasetSummary, Versions
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport, ModelResult


def result(correct1: int, correct5: int, total: int, *, precision: str | None = "FP32") -> ModelResult:
    """One launcher's figures, with mixnet-l's references."""
    return ModelResult(
        launcher="openvino" if precision else "tf",
        precision=precision,
        device="CPU",
        preprocessing=("crop", "channel order BGR"),
        top1=Accuracy(correct1, total),
        top5=Accuracy(correct5, total),
        reference_top1=0.783,
        reference_top5=0.9391,
        agreement=Accuracy(total - 1, total) if precision else None,
        digests=(Digest("net.xml", "ab" * 32),),
    )


def report(*results: ModelResult, images: int, total: int, reference_images: int | None) -> AccuracyReport:
    """A report of ``results`` on ``images`` out of ``total``."""
    data = DatasetSummary(
        "imagenet_1000_classes", "val", "annotations", "val/val.txt", total, images, 0, reference_images
    )
    return AccuracyReport(
        model="mixnet-l",
        profile="omz",
        classes=1000,
        dataset=data,
        results=results,
        versions=Versions("1.2.3", "2026.4.1", None, "13.0.0", "2.4.6", "3.11.7"),
        seconds=2.0,
        notes=("a note",),
    )
