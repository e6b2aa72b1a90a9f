"""Is a measured accuracy what it should be? References and a tolerance turn a report into a verdict. Pure.

On the reference's own images there is no chance: the model fails where it is more than the tolerance below the
reference. The default of 0.2 points is 100 of ImageNet's 50,000 images: other JPEG decoders, FP16 weights and a
reference printed with one decimal move the figure by less; the wrong crop, filter, weights or channel order by more.

On fewer or other images the figure also depends on which ones they are. Then the model fails only where that is no
explanation: where a model exactly at reference minus tolerance would answer so few of them rightly with a probability
below :data:`ALPHA`. The count of right answers in a subset of the reference's own images is hypergeometric, on other
images it is binomial; both tails are summed exactly. A fixed subset gives the same answer at each run, so a false alarm
would stay for ever: hence the small ALPHA. A subset finds out what is broken; small losses need all the images.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mixnet_tools.accuracy.gate.baseline import BaselineJudgement
from mixnet_tools.accuracy.metrics.topk import Accuracy
from mixnet_tools.accuracy.reports.accuracy_report import AccuracyReport
from mixnet_tools.errors import UsageError

DEFAULT_TOLERANCE = 0.2
"""Points (percent of all images) by which a figure may lie below its reference, on the reference's own images."""

INT8_TOLERANCE = 1.0
"""The same for a quantized IR: references are the float model's, and eight bits cost some tenths of a point."""

ALPHA = 1e-4
"""Largest probability of a false alarm, per figure, on images other than the reference's full set."""

Basis = Literal["full set", "subset", "other images"]


@dataclass(frozen=True)
class Judgement:
    """One figure against its reference. All figures are fractions, 0 to 1; ``lowest`` is the least that passes.
    ``tolerance`` is in points.
    """

    launcher: str
    precision: str | None
    metric: Literal["top-1", "top-5"]
    measured: float
    reference: float
    tolerance: float
    lowest: float
    passed: bool

    @property
    def label(self) -> str:
        """A short name for messages: ``openvino FP16``, ``tf``."""
        return f"{self.launcher} {self.precision}" if self.precision else self.launcher


@dataclass(frozen=True)
class Verdict:
    """All figures of a report that have a reference, and its models against their baseline, where there is one.

    ``tolerance`` is in points; ``basis`` says what the images are to the reference: its full set, a part of it, or
    others. ``notes`` are remarks that change nothing about ``passed``.
    """

    model: str
    tolerance: float
    basis: Basis
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...]
    baseline: tuple[BaselineJudgement, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no figure misses its reference and no model is worse than its baseline.

        True also where there is neither.
        """
        return all(one.passed for one in self.judgements) and all(one.passed for one in self.baseline)

    def to_json(self) -> dict[str, Any]:
        """Plain data for :func:`json.dump`."""
        plain = asdict(self)
        return {"passed": self.passed, **plain}

    def summary(self) -> str:
        """The verdict for people: one line, and one more for each miss and for each baseline."""
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
    """Hold ``report`` against its own references. ``tolerance`` is in points, 0 to 100; else :class:`UsageError`.

    Quantized IRs may lie lower by ``int8_tolerance`` (default: :data:`INT8_TOLERANCE`, or ``tolerance`` where that is
    more).

    ``baseline`` and ``remarks`` are the judgements, which count as well, and the notes of
    :func:`mixnet_tools.accuracy.gate.baseline.compare`. ``references`` is false where the images are another test set,
    whose accuracy the references say nothing about.
    """
    quantized = max(tolerance, INT8_TOLERANCE) if int8_tolerance is None else int8_tolerance
    for name, points in (("tolerance", tolerance), ("int8_tolerance", quantized)):
        if not 0 <= points <= 100:
            raise UsageError(f"{name}: expected points from 0 to 100, got {points}")
    data = report.dataset
    basis = _basis(data.total, data.evaluated, data.reference_images)
    judgements: list[Judgement] = []
    notes = list(remarks)
    for result in report.results if references else ():
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


def lowest_count(share: float, images: int, basis: Basis, population: int | None) -> int:
    """The least number of right answers out of ``images`` that a model with accuracy ``share`` may give.

    ``population`` is the size of the reference's set, of which ``images`` are a part where ``basis`` is "subset".

    >>> lowest_count(0.781, 50_000, "full set", 50_000)
    39050
    >>> lowest_count(0.781, 500, "other images", None)
    355
    """
    share = max(0.0, share)
    if basis == "full set":
        return _least(share, images)
    right = _least(share, population) if basis == "subset" and population else 0
    below = 0.0
    for count in range(images + 1):
        if basis == "subset" and population:
            below += _hypergeometric(count, images, right, population)
        else:
            below += _binomial(count, images, share)
        if below >= ALPHA:
            return count
    return images


def _least(share: float, images: int) -> int:
    """The smallest whole number that is at least ``share`` of ``images``."""
    return math.ceil(share * images - 1e-6)  # 0.783 - 0.002 is not quite 0.781 in binary


def _basis(total: int, evaluated: int, reference_images: int | None) -> Basis:
    if reference_images is None or total != reference_images:
        return "other images"
    return "full set" if evaluated == total else "subset"


def _binomial(count: int, images: int, share: float) -> float:
    if share <= 0.0 or share >= 1.0:
        return float(count == (images if share >= 1.0 else 0))
    return math.exp(_log_choose(images, count) + count * math.log(share) + (images - count) * math.log1p(-share))


def _hypergeometric(count: int, images: int, right: int, population: int) -> float:
    if count > right or images - count > population - right:
        return 0.0
    ways = _log_choose(right, count) + _log_choose(population - right, images - count)
    return math.exp(ways - _log_choose(population, images))


def _log_choose(total: int, part: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(part + 1) - math.lgamma(total - part + 1)
