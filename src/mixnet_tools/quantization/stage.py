"""The quantization stage: quantizes an IR with each of the settings to try, measures the results, publishes one.

Images and accuracy are subjects of other stages, whose functions are passed in. Each result is saved into a staging
folder and measured there, so that the published files are, to the byte, those that were measured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from mixnet_tools import __version__
from mixnet_tools.errors import UsageError
from mixnet_tools.files.digest import digest_of
from mixnet_tools.inference.machine import has_vnni
from mixnet_tools.ir.digests import QUANTIZATION_REPORT, Integrity, check
from mixnet_tools.ir.image_input import ImageInput
from mixnet_tools.ir.save import Publication, publish, require_place
from mixnet_tools.progress import Progress
from mixnet_tools.quantization.forms import Graph, choose_graph, graphs_of
from mixnet_tools.quantization.layer_differences import layer_differences
from mixnet_tools.quantization.nncf_quietly import import_nncf
from mixnet_tools.quantization.quantize import names_in_float
from mixnet_tools.quantization.report import CalibrationSummary, FileDigest, QuantizationReport, Row
from mixnet_tools.quantization.search import Trial
from mixnet_tools.quantization.source import layers, read_source
from mixnet_tools.quantization.throughput import MeasureRates, Throughput, measure_rates
from mixnet_tools.quantization.trials import Measure, QuantizationRequest, Times, Trials, Tried
from mixnet_tools.values import CalibrationSet, Comparison, IRModel

Calibrate = Callable[[ImageInput], CalibrationSet]
"""A model's image input -> the quantization calibration set, with images of its size and channels."""


def quantize_ir(
    request: QuantizationRequest,
    calibrate: Calibrate,
    measure: Measure | None,
    progress: Progress,
    *,
    rates: MeasureRates = measure_rates,
) -> QuantizationReport:
    """Quantize the source of ``request``, measure the result by ``measure``, where it is given, and publish it.

    What ``settings`` leave open is chosen by speed, which ``rates`` measures here, and accuracy: see
    :class:`mixnet_tools.quantization.trials.Trials`. Where no trial keeps ``max_drop``, the best one is published, and
    the report says ``passed`` False.

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
    names_in_float(layers(source.model), request.settings)  # a wrong name shows before images are read
    times = Times()
    with times.of("graph"):
        graphs = graphs_of(source, request.settings)
    if measure:
        with times.of("measure"):
            measure.prepare()
    with times.of("images"):
        calibration = calibrate(source.image)
    with times.of("graph"):
        graph = choose_graph(graphs, rates) if request.throughput else graphs[0]
    with contextlib.ExitStack() as stack:
        tried = Trials(request, graph, calibration, measure, rates, times, stack, progress).run()
        ir, integrity = tried.chosen.ir, read_irs[request.source.xml][0]
        report = _report(request, calibration, graph, tried, times, integrity, changed)
        if request.compare_layers:
            progress.note(f"{request.source.name}: comparing layers")
            report = replace(report, layer_differences=layer_differences(graph.whole, ir, calibration))
        publish([Publication(ir, request.target, report.to_json(), QUANTIZATION_REPORT)])
    return report


def _rows(
    irs: Sequence[IRModel], comparisons: Sequence[Comparison], speeds: Mapping[Path, tuple[Throughput, ...]]
) -> tuple[Row, ...]:
    """A row of the table for each IR. ``comparisons`` are in the same order, or empty where nothing was measured."""
    measured: Sequence[Comparison | None] = comparisons or (None,) * len(irs)
    return tuple(
        Row(ir.precision, _digests(ir), comparison, speeds[ir.xml])
        for ir, comparison in zip(irs, measured, strict=True)
    )


def _report(
    request: QuantizationRequest,
    calibration: CalibrationSet,
    graph: Graph,
    tried: Tried,
    times: Times,
    integrity: Integrity,
    changed: Sequence[str],
) -> QuantizationReport:
    taken = tried.found.trials[tried.found.chosen]
    return QuantizationReport(
        model=request.source.name,
        ir=request.target,
        source_precision=request.source.precision,
        settings=taken.settings,
        ignored=tried.chosen.ignored,
        calibration=CalibrationSummary(
            calibration.source,
            len(calibration.images),
            calibration.total,
            calibration.profile,
            calibration.preprocessing,
            calibration.fingerprint,
        ),
        rows=_rows((*request.references, tried.chosen.ir), tried.chosen.comparisons, tried.speeds),
        layers=tried.chosen.layers,
        trials=tried.found.trials,
        chosen=tried.found.chosen,
        why=_explain(graph, tried, request.max_drop),
        graph_speed=graph.speed,
        draft=tried.draft,
        max_drop=request.max_drop,
        passed=taken.kept,
        versions=_versions(),
        seconds={name: round(seconds, 3) for name, seconds in times.seconds.items()},
        source_integrity=integrity,
        notes=(*changed, *([graph.remark] if graph.remark else []), *_notes(taken)),
    )


def _explain(graph: Graph, tried: Tried, max_drop: float | None) -> str:
    """Explain in a few words, for people, why this form was taken and not another."""
    draft = tried.draft.describe() if tried.draft else ""
    return "; ".join(part for part in (graph.describe(), draft, tried.found.explain(max_drop)) if part)


def _notes(trial: Trial) -> list[str]:
    """Remarks for people on how far the figures can be trusted."""
    notes, comparison = [], trial.comparison
    if comparison is None:
        notes.append("its accuracy was not measured")
    elif comparison.held_out != comparison.images:
        notes.append(_seen_before(comparison))
    if trial.settings.overflow_fix != "enable" and not has_vnni():
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
