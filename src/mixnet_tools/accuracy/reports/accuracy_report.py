"""The figures of an evaluation as a frozen value, and as JSON.

A figure means nothing without its preprocessing, its images and its software, so the report has them all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mixnet_tools.accuracy.evaluation.speed import Speed
from mixnet_tools.accuracy.evaluation.timing import Timing
from mixnet_tools.accuracy.launchers.base import Digest, Labelled
from mixnet_tools.accuracy.metrics.calibration_error import CalibrationError
from mixnet_tools.accuracy.metrics.mcnemar import PairedTest
from mixnet_tools.accuracy.metrics.per_class import ClassCount, Confusion
from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.predictions.values import BadImage, DatasetSummary, Run, Versions
from mixnet_tools.ir.digests import Integrity

SCHEMA = 1
"""Version of the JSON form. It changes where a key changes its meaning or goes; new keys do not change it."""


@dataclass(frozen=True)
class ImageNote:
    """``count`` images that were measured are unusual: CMYK, 16-bit, ... (``kind``). ``examples`` names a few."""

    kind: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ModelResult(Labelled):
    """The figures of one model: what ran it (``launcher``), and the IR's ``precision`` (None: the original).

    References are fractions, 0 to 1. ``agreement`` counts the images to which the original gives the same first answer.
    ``differing`` names the first of the other images. ``against_original`` is McNemar's test of this model against the
    original. These three are empty where the original did not run. Classes are the model's own, counted from 0.
    ``among_devices`` says that the label names the device. ``integrity`` says whether an IR is the one that a report
    beside it tells of. ``inference_precision`` is what the model's floats were computed in (``f32``, ``bf16``,
    ``f16``), None where the file of an earlier version does not tell. ``agreement_f32`` counts the images to which the
    same IR gives the same first answer in f32, where it was measured in both. ``speed`` is None where it was not
    measured.
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
    integrity: Integrity | None = None
    inference_precision: str | None = None
    agreement_f32: Accuracy | None = None
    speed: Speed | None = None


@dataclass(frozen=True)
class AccuracyReport:
    """The figures of one model in all its forms, measured on one data set with one preprocessing profile.

    ``classes`` is how many the model tells apart. ``seconds`` is the wall time from the first image to the last.
    ``notes`` are remarks for people. ``bad_images`` could not be measured, and are in no figure. ``odd_images`` are
    unusual, and were measured. ``runs`` measured the images, one after the other or each a part of them; where their
    answers were merged, the run that did so is the last one.
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
    runs: tuple[Run, ...] = ()
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Plain data for :func:`json.dump`: the fields of this class by name.

        An accuracy has ``correct``, ``total``, ``fraction``, and Wilson's 95 % interval, both 0 to 1.
        """
        plain = asdict(self)
        for result, target in zip(self.results, plain["results"], strict=True):
            for name in ("top1", "top5", "agreement", "agreement_f32"):
                value: Accuracy | None = getattr(result, name)
                target[name] = _accuracy_json(value) if value else None
        return {"schema": plain.pop("schema"), **plain}


def _accuracy_json(value: Accuracy) -> dict[str, Any]:
    low, high = value.interval95
    return {
        "correct": value.correct,
        "total": value.total,
        "fraction": round(value.fraction, 6),
        "interval95": [round(low, 6), round(high, 6)],
    }
