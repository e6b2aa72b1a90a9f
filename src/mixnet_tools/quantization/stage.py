"""The quantization stage: quantizes an IR with each of the settings to try, measures the results, publishes one.

Images and accuracy are subjects of other stages, whose functions are passed in. Each result is saved into a staging
folder and measured there, so that the published files are, to the byte, those that were measured.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Protocol

from mixnet_tools import __version__
from mixnet_tools.errors import UsageError
from mixnet_tools.files.digest import digest_of
from mixnet_tools.inference.machine import has_vnni
from mixnet_tools.ir.digests import QUANTIZATION_REPORT, Integrity, check
from mixnet_tools.ir.image_input import ImageInput
from mixnet_tools.ir.read import read_ir
from mixnet_tools.ir.save import Publication, publish, require_place, staged
from mixnet_tools.progress import Progress
from mixnet_tools.quantization.float_layers import examine
from mixnet_tools.quantization.layer_differences import layer_differences
from mixnet_tools.quantization.nncf_quietly import import_nncf
from mixnet_tools.quantization.quantize import ignored_names, quantize
from mixnet_tools.quantization.report import CalibrationSummary, FileDigest, QuantizationReport, Row
from mixnet_tools.quantization.search import SearchResult, search
from mixnet_tools.quantization.settings import QuantizationSettings, variants
from mixnet_tools.quantization.source import layers, read_source
from mixnet_tools.quantization.throughput import Throughput, compare_throughput
from mixnet_tools.values import CalibrationSet, Comparison, IRModel

Calibrate = Callable[[ImageInput], CalibrationSet]
"""A model's image input -> the quantization calibration set, with images of its size and channels."""


class Measure(Protocol):
    """Measures accuracy on labelled images."""

    def prepare(self) -> None:
        """Measure the references. An error in the images shows here, before anything is quantized."""

    def __call__(self, ir: IRModel) -> tuple[Comparison, ...]:
        """Measure ``ir``. Returns the comparisons of the references and, last, of ``ir``, with the first reference."""


@dataclass(frozen=True)
class QuantizationRequest:
    """What to quantize, where to write it, and how.

    ``references`` are the float IRs of the table; the others are compared with the first one. ``fixed`` names the
    settings that a search may not change. ``max_drop`` (points of top-1) asks for the search, ``throughput`` for the
    comparison of speeds,
    ``compare_layers`` for that of the layers' outputs.
    """

    source: IRModel
    target: IRModel
    references: tuple[IRModel, ...]
    settings: QuantizationSettings
    fixed: frozenset[str] = frozenset()
    max_drop: float | None = None
    throughput: bool = True
    compare_layers: bool = False


def quantize_ir(
    request: QuantizationRequest, calibrate: Calibrate, measure: Measure | None, progress: Progress
) -> QuantizationReport:
    """Quantize the source of ``request``, measure the result by ``measure``, where it is given, and publish it.

    With ``max_drop``, the first variant that keeps the accuracy is published. Where none does, the best one is, and the
    report says ``passed`` False.

    Raises :class:`UsageError` where ``max_drop`` cannot be measured or a setting is wrong, :class:`MissingDependency`
    without NNCF, :class:`IRError` where the source is missing or is no image model, :class:`QuantizationError` where it
    cannot be quantized, :class:`OutputError` where the target cannot be written, and what ``calibrate`` and ``measure``
    raise.
    """
    if request.max_drop is not None and measure is None:
        raise UsageError(
            "`max_drop` needs labelled images to measure on", hint="give a `source` with labels, or an `eval_source`"
        )
    import_nncf()
    require_place(request.target, QUANTIZATION_REPORT)
    source = read_source(request.source)
    read_irs = {ir.xml: check(ir) for ir in (request.source, *request.references)}
    changed = tuple(remark for _, remark in read_irs.values() if remark)
    for remark in changed:
        progress.note(f"{request.source.name}: warning: {remark}")
    known = layers(source.model)
    ignored_names([layer.name for layer in known], request.settings.ignore)  # a wrong name shows before images are read
    times = _Times()
    if measure:
        with times.of("measure"):
            measure.prepare()
    with times.of("images"):
        calibration = calibrate(source.image)
    to_try: Iterable[QuantizationSettings] = [request.settings]
    if request.max_drop is not None:
        to_try = variants(request.settings, request.fixed, known, vnni=has_vnni())
    candidates: list[_Candidate] = []
    with contextlib.ExitStack() as stack:

        def attempt(settings: QuantizationSettings) -> tuple[float, Comparison | None]:
            progress.note(f"{request.source.name}: quantizing: {settings.describe()}")
            started = time.perf_counter()
            with times.of("quantize"):
                model = quantize(source, calibration, settings)
            seconds = round(time.perf_counter() - started, 3)
            ir = stack.enter_context(staged(model, request.target))
            with times.of("measure"):
                comparisons = measure(ir) if measure else ()
            candidates.append(_Candidate(ir, comparisons))
            return seconds, comparisons[-1] if comparisons else None

        found = search(to_try, attempt, request.max_drop)
        chosen = candidates[found.chosen]
        irs = (*request.references, chosen.ir)
        with times.of("throughput"):
            speeds = compare_throughput(irs[0], irs[1:]) if request.throughput and len(irs) > 1 else ()
        names = ignored_names([layer.name for layer in known], found.trials[found.chosen].settings.ignore)
        rows, integrity = _rows(irs, chosen.comparisons, speeds), read_irs[request.source.xml][0]
        report = _report(request, calibration, found, rows, names, chosen.ir, times, integrity, changed)
        if request.compare_layers:
            progress.note(f"{request.source.name}: comparing layers")
            report = replace(report, layer_differences=layer_differences(request.source, chosen.ir, calibration))
        publish([Publication(chosen.ir, request.target, report.to_json(), QUANTIZATION_REPORT)])
    return report


@dataclass(frozen=True)
class _Candidate:
    """A quantized IR in its staging folder, and the comparisons that :class:`Measure` made of it."""

    ir: IRModel
    comparisons: tuple[Comparison, ...]


class _Times:
    """Seconds spent so far, by what they were spent on, in the order in which that began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add the time of the block to ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def _rows(irs: Sequence[IRModel], comparisons: Sequence[Comparison], speeds: Sequence[Throughput]) -> tuple[Row, ...]:
    """A row of the table for each IR. ``comparisons`` are in the same order, or empty where nothing was measured."""
    measured: Sequence[Comparison | None] = comparisons or (None,) * len(irs)
    return tuple(
        Row(ir.precision, _digests(ir), comparison, tuple(one for one in speeds if one.precision == ir.precision))
        for ir, comparison in zip(irs, measured, strict=True)
    )


def _report(
    request: QuantizationRequest,
    calibration: CalibrationSet,
    found: SearchResult,
    rows: tuple[Row, ...],
    ignored: tuple[str, ...],
    candidate: IRModel,
    times: _Times,
    integrity: Integrity,
    changed: Sequence[str],
) -> QuantizationReport:
    chosen = found.trials[found.chosen]
    return QuantizationReport(
        model=request.source.name,
        ir=request.target,
        source_precision=request.source.precision,
        settings=chosen.settings,
        ignored=ignored,
        calibration=CalibrationSummary(
            calibration.source,
            len(calibration.images),
            calibration.total,
            calibration.profile,
            calibration.preprocessing,
            calibration.fingerprint,
        ),
        rows=rows,
        layers=examine(read_ir(candidate.xml), ignored),
        trials=found.trials,
        max_drop=request.max_drop,
        passed=chosen.kept,
        versions=_versions(),
        seconds={name: round(seconds, 3) for name, seconds in times.seconds.items()},
        source_integrity=integrity,
        notes=(*changed, *_notes(chosen.comparison, chosen.settings)),
    )


def _notes(comparison: Comparison | None, settings: QuantizationSettings) -> list[str]:
    """Remarks for people on how far the figures can be trusted."""
    notes = []
    if comparison is None:
        notes.append("its accuracy was not measured")
    elif comparison.held_out != comparison.images:
        notes.append(_seen_before(comparison))
    if settings.overflow_fix != "enable" and not has_vnni():
        notes.append("this processor has no VNNI, so sums may saturate here; `overflow_fix=enable` prevents that")
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
