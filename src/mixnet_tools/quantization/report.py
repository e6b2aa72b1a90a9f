"""The report of a quantization: a frozen value, which becomes quantization.json and a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mixnet_tools.ir.digests import Integrity
from mixnet_tools.quantization.float_layers import LayerCounts
from mixnet_tools.quantization.forms import Alternative
from mixnet_tools.quantization.layer_differences import LayerDifference
from mixnet_tools.quantization.search import Trial
from mixnet_tools.quantization.settings import QuantizationSettings
from mixnet_tools.quantization.throughput import Throughput
from mixnet_tools.values import Comparison, IRModel

SCHEMA = 1
"""Version of the JSON form. It changes where a key changes its meaning or goes. New keys do not change it."""


@dataclass(frozen=True)
class FileDigest:
    """A file: its ``name`` without folders, its ``sha256`` in lower-case hex, and its size in ``bytes``."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Row:
    """One IR in the table.

    ``comparison`` is None where there were no labelled images. ``throughput`` is empty where it was not measured, and
    for the IR with which the others are compared.
    """

    precision: str
    files: tuple[FileDigest, ...]
    comparison: Comparison | None
    throughput: tuple[Throughput, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of .xml and .bin together."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class CalibrationSummary:
    """The quantization calibration set without its pixels: see :class:`mixnet_tools.values.CalibrationSet`."""

    source: str
    images: int
    total: int
    profile: str
    preprocessing: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class QuantizationReport:
    """One model that was quantized, to the files of ``ir``.

    ``rows`` are the float IRs and, last, the quantized one; the others are compared with the first. ``trials`` are all
    variants that were tried. ``chosen`` is the index of the one that was taken, ``settings`` are its settings, and
    ``why`` says in words why it was taken. ``graph_speed`` is the speed of the optimized graph beside the graph as it
    is, both in float. ``draft`` is the speed that INT8 in depthwise layers would give a trial that has them in float.
    They are empty and None where the settings left no choice, or speed was not measured. ``passed`` says whether the IR
    stays within ``max_drop`` points of top-1, None where no drop was given. ``seconds`` has the time of each step.
    ``source_integrity`` says whether the IR that was quantized is the one that the report beside it tells of.
    ``layer_differences`` is empty where layers were not compared.
    """

    model: str
    ir: IRModel
    source_precision: str
    settings: QuantizationSettings
    ignored: tuple[str, ...]
    calibration: CalibrationSummary
    rows: tuple[Row, ...]
    layers: LayerCounts
    trials: tuple[Trial, ...]
    chosen: int
    why: str
    graph_speed: tuple[Throughput, ...]
    draft: Alternative | None
    max_drop: float | None
    passed: bool | None
    versions: dict[str, str]
    seconds: dict[str, float]
    source_integrity: Integrity
    notes: tuple[str, ...] = ()
    layer_differences: tuple[LayerDifference, ...] = ()
    schema: int = SCHEMA

    def to_json(self) -> dict[str, object]:
        """Plain data for :func:`json.dump`: the fields of this class by name, but the files of the IR for its place."""
        plain = asdict(self)
        plain["ir"] = {
            file.name: {"size": file.bytes, "digest": f"sha256:{file.sha256}"} for file in self.rows[-1].files
        }
        for row, target in zip(self.rows, plain["rows"], strict=True):
            target["bytes"] = row.bytes
        return {"schema": plain.pop("schema"), **plain}


HEADINGS = ("model", "precision", "top-1 %", "top-5 %", "difference (95 %)", "same top-1", "size", "speed")
"""Of the cells that :func:`cells` gives."""


def cells(report: QuantizationReport) -> list[tuple[str, ...]]:
    """The rows of ``report`` as those of a table. Differences are in points of top-1."""
    return [
        (report.model, *_cells(row, is_first=row is report.rows[0] and len(report.rows) > 1)) for row in report.rows
    ]


TRIAL_HEADINGS = (
    "trial",
    "graph",
    "depthwise",
    "in float",
    "top-1 %",
    "difference (95 %)",
    "images/s (x float)",
    "taken",
)
"""Of the cells that :func:`trial_cells` gives."""


def trial_cells(report: QuantizationReport) -> list[tuple[str, ...]]:
    """A row for each trial of ``report``, and one for the draft, if that was not tried in full."""
    rows: list[tuple[str, ...]] = [
        (
            str(number),
            _graph(trial.settings),
            trial.settings.depthwise,
            str(trial.in_float),
            f"{100 * found.top1 / found.images:.2f}" if (found := trial.comparison) else "-",
            _difference(found) if found else "-",
            images_per_second(trial.throughput),
            "yes" if number == report.chosen + 1 else "no",
        )
        for number, trial in enumerate(report.trials, 1)
    ]
    last = report.trials[-1].settings
    if report.draft and last.depthwise != "int8":
        speed = images_per_second(report.draft.throughput)
        rows.append(("draft", _graph(last), "int8", "-", "-", "-", speed, "no"))
    return rows


def has_alternatives(report: QuantizationReport) -> bool:
    """Whether there was a choice that people are to be told of."""
    return len(report.trials) > 1 or bool(report.graph_speed) or report.draft is not None


def images_per_second(measured: Sequence[Throughput]) -> str:
    """Images per second in each type of the float layers, each with the ratio to the first float IR's."""
    return ", ".join(f"{one.fps:.1f} in {one.computed_in} ({one.ratio:.2f})" for one in measured) or "-"


def _graph(settings: QuantizationSettings) -> str:
    return "optimized" if settings.optimize else "as it is"


def _difference(found: Comparison) -> str:
    low, high = found.interval
    return f"{found.difference:+.2f} ({low:+.2f} to {high:+.2f})"


def describe(report: QuantizationReport) -> str:
    """Describe in a few lines, for people, what the figures stand on and what became of the layers."""
    calibration, counts = report.calibration, report.layers
    lines = [
        f"{report.model}: {report.ir.xml}",
        f"  from {report.source_precision}: {report.settings.describe()}",
        f"  calibrated on {calibration.images} of {calibration.total} images of {calibration.source}, "
        f"profile {calibration.profile} ({'; '.join(calibration.preprocessing)}), seed {report.settings.seed}",
        f"  layers: {counts.quantized} in INT8, {len(counts.in_float)} left in float"
        + "".join(f"; {count} by {reason}" for reason, count in counts.by_reason().items()),
    ]
    lines += [
        f"  speed on this {one.device}, {one.computed_in}: {one.precision} {one.fps:.1f} images/s, {one.ratio:.2f} of "
        f"{one.baseline} ({one.low:.2f} to {one.high:.2f})"
        for row in report.rows[-1:]
        for one in row.throughput
    ]
    lines.append("  " + ", ".join(f"{name} {version}" for name, version in report.versions.items()))
    if has_alternatives(report):
        lines.append(f"  trial {report.chosen + 1} was taken: {report.why}")
    if report.max_drop is not None:
        lines += [f"  trial {number}: {_trial(trial)}" for number, trial in enumerate(report.trials, 1)]
        word = "passed" if report.passed else "FAILED: none of the trials did, the best was taken"
        lines.append(f"{report.model}: top-1 within {report.max_drop:g} points: {word}")
    return "\n".join(lines)


def _trial(trial: Trial) -> str:
    text = f"{trial.settings.describe()}: "
    if trial.comparison is None:
        return text + "not measured"
    found = trial.comparison
    return (
        text + f"top-1 {100 * found.top1 / found.images:.2f} %, {found.difference:+.2f} points, {trial.seconds:.1f} s"
    )


def _cells(row: Row, *, is_first: bool) -> tuple[str, ...]:
    found = row.comparison
    size = f"{row.bytes / 1e6:.2f} MB"
    ratio = ", ".join(f"{speed.ratio:.2f} ({speed.computed_in})" for speed in row.throughput) or "-"
    if found is None:
        return (row.precision, "-", "-", "-", "-", size, ratio)
    return (
        row.precision,
        f"{100 * found.top1 / found.images:.2f}",
        f"{100 * found.top5 / found.images:.2f}",
        "-" if is_first else _difference(found),
        "-" if is_first else f"{100 * found.same / found.images:.2f} %",
        size,
        ratio,
    )
