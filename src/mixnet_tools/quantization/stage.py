"""The stage: an IR, calibration images and settings -> a published INT8 IR and its :class:`QuantizationReport`.

Images and accuracy are other stages' subjects: they come in as functions. Each trial is saved into a staging folder
and measured there, so that what is published is to the byte what was measured.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol

from mixnet_tools import __version__
from mixnet_tools.errors import UsageError
from mixnet_tools.files.digest import digest_of
from mixnet_tools.ir.save import Publication, publish, require_place, staged
from mixnet_tools.progress import Progress
from mixnet_tools.quantization.float_layers import examine
from mixnet_tools.quantization.nncf_quietly import import_nncf
from mixnet_tools.quantization.quantize import ignored_names, quantize
from mixnet_tools.quantization.report import REPORT_FILE, CalibrationSummary, FileDigest, QuantizationReport, Row
from mixnet_tools.quantization.search import Found, Trial, search
from mixnet_tools.quantization.settings import QuantizationSettings, trials
from mixnet_tools.quantization.source import SourceModel, layers, read_source
from mixnet_tools.quantization.throughput import compare_throughput
from mixnet_tools.values import CalibrationSet, Comparison, IRModel

Calibrate = Callable[[int, int], CalibrationSet]
"""(height, width) -> images of that size."""


class Measure(Protocol):
    """Measures accuracy on labelled images."""

    def prepare(self) -> None:
        """Measure the references; what is wrong with the images shows here."""

    def __call__(self, ir: IRModel) -> tuple[Comparison, ...]:
        """Comparisons of the references and, last, of ``ir``, each with the first reference."""


@dataclass(frozen=True)
class QuantizationRequest:
    """What to do. ``references`` are the float IRs of the table; the first is what the others are compared with.

    ``fixed`` names the settings that a search may not change. ``max_drop`` (points) asks for the search;
    ``throughput`` for the comparison of speeds.
    """

    source: IRModel
    target: IRModel
    references: tuple[IRModel, ...]
    settings: QuantizationSettings
    fixed: frozenset[str] = frozenset()
    max_drop: float | None = None
    throughput: bool = True


def quantize_ir(
    request: QuantizationRequest, calibrate: Calibrate, measure: Measure | None, progress: Progress
) -> QuantizationReport:
    """Quantize, measure where ``measure`` is given, publish.

    With ``max_drop``, the first trial that keeps the accuracy is published, or else the best one, and the report says
    ``passed`` False. Raises :class:`UsageError` where ``max_drop`` cannot be measured or a setting is wrong,
    :class:`MissingDependency` without NNCF, :class:`QuantizationError`, and what the two functions raise.
    """
    if request.max_drop is not None and measure is None:
        raise UsageError(
            "`max_drop` needs labelled images to measure on", hint="give a `source` with labels, or an `eval_source`"
        )
    import_nncf()
    require_place(request.target, REPORT_FILE)
    source = read_source(request.source)
    ignored_names([layer.name for layer in layers(source.model)], request.settings.ignore)  # before any image is read
    return _Quantization(request, source, measure, progress).run(calibrate)


class _Quantization:
    """One run of the stage. ``seconds`` fills up as it goes."""

    def __init__(
        self, request: QuantizationRequest, source: SourceModel, measure: Measure | None, progress: Progress
    ) -> None:
        self._request, self._source, self._measure, self._progress = request, source, measure, progress
        self._name = request.source.name
        self._seconds: dict[str, float] = {}

    def run(self, calibrate: Calibrate) -> QuantizationReport:
        if self._measure:
            with self._stage("measure"):
                self._measure.prepare()
        with self._stage("images"):
            calibration = calibrate(self._source.image.height, self._source.image.width)
        candidates: list[tuple[IRModel, tuple[Comparison, ...]]] = []
        with contextlib.ExitStack() as stack:

            def attempt(settings: QuantizationSettings) -> tuple[float, Comparison]:
                seconds = self._attempt(settings, calibration, stack, candidates)
                return seconds, candidates[-1][1][-1]

            found = self._find(attempt, calibration, stack, candidates)
            candidate, comparisons = candidates[found.chosen]
            report = self._report(calibration, found, candidate, comparisons)
            publish([Publication(candidate, self._request.target, report.to_json(), REPORT_FILE)])
        return report

    def _find(
        self,
        attempt: Callable[[QuantizationSettings], tuple[float, Comparison]],
        calibration: CalibrationSet,
        stack: contextlib.ExitStack,
        candidates: list[tuple[IRModel, tuple[Comparison, ...]]],
    ) -> Found:
        request = self._request
        if request.max_drop is None:
            seconds = self._attempt(request.settings, calibration, stack, candidates)
            comparisons = candidates[-1][1]
            return Found((Trial(request.settings, seconds, comparisons[-1] if comparisons else None, None),), 0)
        variants = trials(request.settings, request.fixed, layers(self._source.model), vnni=has_vnni())
        return search(variants, attempt, request.max_drop)

    def _attempt(
        self,
        settings: QuantizationSettings,
        calibration: CalibrationSet,
        stack: contextlib.ExitStack,
        candidates: list[tuple[IRModel, tuple[Comparison, ...]]],
    ) -> float:
        """Quantize, save and measure; a candidate more. Returns the seconds of the quantization."""
        self._progress.note(f"{self._name}: quantizing: {settings.describe()}")
        started = time.perf_counter()
        with self._stage("quantize"):
            model = quantize(self._source, calibration, settings)
        seconds = time.perf_counter() - started
        candidate = stack.enter_context(staged(model, self._request.target))
        with self._stage("measure"):
            candidates.append((candidate, self._measure(candidate) if self._measure else ()))
        return round(seconds, 3)

    def _report(
        self, calibration: CalibrationSet, found: Found, candidate: IRModel, comparisons: tuple[Comparison, ...]
    ) -> QuantizationReport:
        import openvino

        request, chosen = self._request, found.trials[found.chosen]
        every = (*request.references, candidate)
        with self._stage("throughput"):
            speeds = compare_throughput(every[0], every[1:]) if request.throughput and len(every) > 1 else ()
        measured = comparisons or (None,) * len(every)
        rows = tuple(
            Row(ir.precision, _digests(ir), comparison, tuple(one for one in speeds if one.precision == ir.precision))
            for ir, comparison in zip(every, measured, strict=True)
        )
        names = ignored_names([layer.name for layer in layers(self._source.model)], chosen.settings.ignore)
        return QuantizationReport(
            model=self._name,
            ir=request.target,
            source_precision=request.source.precision,
            settings=chosen.settings,
            ignored=names,
            calibration=CalibrationSummary(
                calibration.source,
                len(calibration.images),
                calibration.total,
                calibration.profile,
                calibration.preprocessing,
                calibration.fingerprint,
            ),
            rows=rows,
            layers=examine(openvino.Core().read_model(candidate.xml), names),
            trials=found.trials,
            max_drop=request.max_drop,
            passed=chosen.kept,
            versions=_versions(),
            seconds={stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
            notes=tuple(_notes(chosen.comparison, chosen.settings)),
        )

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - started


def has_vnni() -> bool:
    """Whether this processor adds products of eight bits without saturation (True where that cannot be told)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return "vnni" in flags or "flags" not in flags


def _notes(comparison: Comparison | None, settings: QuantizationSettings) -> list[str]:
    notes = []
    if comparison is None:
        notes.append("its accuracy was not measured")
    elif comparison.held_out != comparison.images:
        notes.append(_seen_before(comparison))
    if settings.overflow_fix != "enable" and not has_vnni():
        notes.append("this processor has no VNNI, so sums may saturate here; --overflow_fix enable prevents that")
    return notes


def _seen_before(comparison: Comparison) -> str:
    seen = comparison.images - comparison.held_out
    text = f"{seen} of the {comparison.images} images that it was measured on are among those it was calibrated with"
    if comparison.held_out_difference is not None:
        text += f"; on the other {comparison.held_out} top-1 differs by {comparison.held_out_difference:+.2f} points"
    return text


def _digests(ir: IRModel) -> tuple[FileDigest, ...]:
    return tuple(FileDigest(path.name, digest_of(path), path.stat().st_size) for path in (ir.xml, ir.bin))


def _versions() -> dict[str, str]:
    packages = ("openvino", "nncf", "numpy", "pillow")
    return {"mixnet_tools": __version__, **{name: metadata.version(name) for name in packages}}
