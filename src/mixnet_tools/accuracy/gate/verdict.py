"""Judges a report: holds its figures against references, with a tolerance, and adds the comparison with a baseline.

On the reference's own images a model fails where it is more than the tolerance below its reference. The default, 0.2
points, is 100 of ImageNet's 50,000 images. Other JPEG decoders, FP16 weights and a reference with one decimal move the
figure by less; a wrong crop, filter, channel order or wrong weights move it by more.

On fewer or other images the figure also depends on which images these are. There a model fails only where chance is no
explanation: see :mod:`mixnet_tools.accuracy.gate.lowest_count`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mixnet_tools.accuracy.gate.baseline import BaselineJudgement
from mixnet_tools.accuracy.gate.lowest_count import Basis, lowest_count
from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport, ModelResult
from mixnet_tools.errors import UsageError

DEFAULT_TOLERANCE = 0.2
"""Points (percent of all images) by which a figure may lie below its reference, on the reference's own images."""

INT8_TOLERANCE = 1.0
"""The same for a quantized IR: references are the float model's, and eight bits cost some tenths of a point."""


@dataclass(frozen=True)
class Judgement:
    """One figure held against its reference. ``lowest`` is the least figure that passes.

    ``label`` is a short name of the model for messages (``openvino FP16``, ``tf``). All figures are fractions, 0 to 1;
    ``tolerance`` is in points.
    """

    label: str
    launcher: str
    precision: str | None
    metric: Literal["top-1", "top-5"]
    measured: float
    reference: float
    tolerance: float
    lowest: float
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """The judgements of a report: of each figure that has a reference, and of each model that has a baseline.

    ``tolerance`` is in points. ``basis`` says what the images are to the references: their full set, a part of it, or
    other images. ``notes`` are remarks that change nothing about ``passed``.
    """

    model: str
    tolerance: float
    basis: Basis
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...]
    baseline: tuple[BaselineJudgement, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no figure misses its reference and no model is worse than its baseline, where there are any."""
        return all(one.passed for one in self.judgements) and all(one.passed for one in self.baseline)

    def to_json(self) -> dict[str, Any]:
        """Plain data for :func:`json.dump`."""
        plain = asdict(self)
        return {"passed": self.passed, **plain}

    def summary(self) -> str:
        """Describe the verdict for people: in one line, with a further line for each miss and each baseline."""
        if not self.judgements and not self.baseline:
            return f"{self.model}: no reference is known for this: nothing to judge"
        lines = [f"{self.model}: {'passed' if self.passed else 'FAILED'} ({self._limits()})"]
        for judgement in self.judgements:
            if not judgement.passed:
                lines.append(
                    f"  {judgement.label}: {judgement.metric} {100 * judgement.measured:.2f} % misses its reference "
                    f"{100 * judgement.reference:.2f} %: at least {100 * judgement.lowest:.2f} % is needed"
                )
        for compared in self.baseline:
            lines.append(f"  {'' if compared.passed else 'WORSE: '}{compared.summary()}")
            if not compared.passed:
                lines += [f"    lost {one.name}: was {one.baseline}, is {one.now}" for one in compared.lost[:5]]
        return "\n".join(lines)

    def _limits(self) -> str:
        if not self.judgements:
            return "against the baseline"
        limit = f"{self.basis}, tolerance {self.tolerance:g} points"
        others = {one.tolerance for one in self.judgements} - {self.tolerance}
        limit += "".join(f" ({other:g} for INT8)" for other in sorted(others))
        if self.basis != "full set":
            limit += " and what chance allows on so many images"
        return limit + (", and the baseline" if self.baseline else "")


def judge(
    report: AccuracyReport,
    tolerance: float = DEFAULT_TOLERANCE,
    baseline: tuple[BaselineJudgement, ...] = (),
    remarks: tuple[str, ...] = (),
    *,
    references: bool = True,
    int8_tolerance: float | None = None,
) -> Verdict:
    """Judge ``report`` by its references, which it may miss by ``tolerance`` points, 0 to 100.

    For quantized IRs it is ``int8_tolerance`` (default: :data:`INT8_TOLERANCE`, or ``tolerance`` where that is more).
    ``references`` is False where the images are of another test set, about which references say nothing.

    Where some models were computed in f32 and others in another precision, those in f32 are judged by the references:
    these were measured in f32.

    ``baseline`` and ``remarks`` are what :func:`mixnet_tools.accuracy.gate.baseline.compare` returns; its judgements
    count as well. Raises :class:`UsageError` where a tolerance is out of range.
    """
    quantized = max(tolerance, INT8_TOLERANCE) if int8_tolerance is None else int8_tolerance
    for name, points in (("tolerance", tolerance), ("int8_tolerance", quantized)):
        if not 0 <= points <= 100:
            raise UsageError(f"{name}: expected points from 0 to 100, got {points}")
    data = report.dataset
    basis = _basis(data.total, data.evaluated, data.reference_images)
    judgements: list[Judgement] = []
    notes = list(remarks)
    for result in _judged(report.results) if references else ():
        allowed = quantized if "INT8" in (result.precision or "") else tolerance
        pairs: tuple[tuple[Literal["top-1", "top-5"], Accuracy, float | None], ...] = (
            ("top-1", result.top1, result.reference_top1),
            ("top-5", result.top5, result.reference_top5),
        )
        for metric, measured, reference in pairs:
            if reference is None:
                continue
            needed = lowest_count(reference - allowed / 100, measured.total, basis, data.reference_images)
            judgements.append(
                Judgement(
                    result.label,
                    result.launcher,
                    result.precision,
                    metric,
                    measured.fraction,
                    reference,
                    allowed,
                    needed / measured.total,
                    measured.correct >= needed,
                )
            )
            if basis == "full set" and measured.fraction > reference + allowed / 100 + 1e-9:
                notes.append(
                    f"{result.label}: {metric} is {100 * (measured.fraction - reference):.2f} points above its "
                    "reference: is it the reference of this profile and these images?"
                )
    return Verdict(report.model, tolerance, basis, tuple(judgements), tuple(notes), baseline)


def _judged(results: Sequence[ModelResult]) -> Sequence[ModelResult]:
    """Those in f32, where there are any."""
    return [one for one in results if one.reduced_precision is None] or results


def _basis(total: int, evaluated: int, reference_images: int | None) -> Basis:
    if reference_images is None or total != reference_images:
        return "other images"
    return "full set" if evaluated == total else "subset"
