"""What mixnet-convert prints of the models that it converted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mixnet_tools.cli.common.output import print_table, print_text
from mixnet_tools.cli.common.tables import Column

if TYPE_CHECKING:
    from mixnet_tools.conversion.convert import ConvertedModel

_COLUMNS = (
    Column("model"),
    Column("precision"),
    Column("output", breaks=True),
    Column("max |diff|"),
    Column("mean", drop=3),
    Column("limit", drop=1),
    Column("same top-1"),
    Column("same top-5", drop=2),
)
"""Of the comparison with the original."""


def as_json(name: str, result: ConvertedModel) -> dict[str, object]:
    """``result`` as ``--json`` prints it."""
    from mixnet_tools.conversion.model_server import image_layout

    return {
        "name": name,
        "source": result.files.to_json(),
        "irs": [
            {
                "precision": converted.ir.precision,
                "xml": str(converted.ir.xml),
                "bin": str(converted.ir.bin),
                "parity": [asdict(parity) for parity in converted.parity],
            }
            for converted in result.irs
        ],
        "moving_averages": asdict(result.averages) if result.averages else None,
        "frozen": str(result.frozen) if result.frozen else None,
        "ovms": str(result.serving) if result.serving else None,
        "ovms_layout": image_layout(result.plan) if result.serving else None,
        "optimization": _optimization(result),
        "seconds": {stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
    }


def _optimization(result: ConvertedModel) -> dict[str, object] | None:
    """What was done for speed, with the figures measured; None where nobody asked."""
    if (done := result.optimized) is None:
        return None
    tuned = done.tuned.ratio if done.tuned else None
    return {"notes": list(done.notes), **done.describe(), "rewriting_ratio": done.ratio, "tuning_ratio": tuned}


def print_results(results: Sequence[tuple[str, ConvertedModel]]) -> None:
    """Print a table of the comparisons with the originals, and below it the files, for each model by its name."""
    rows = []
    for name, result in results:
        for converted in result.irs:
            for parity in converted.parity:
                figures = (f"{n:.1e}" for n in (parity.max_difference, parity.mean_difference, parity.limit))
                shares = (f"{parity.top1_agreement:.0%}", f"{parity.top5_agreement:.0%}")
                rows.append((name, converted.ir.precision, parity.output, *figures, *shares))
    if rows:
        print_table(_COLUMNS, rows)
        print()
    for name, result in results:
        for converted in result.irs:
            proof = "" if converted.parity else " (not compared with the original)"
            print_text(f"{name}: {converted.ir.precision}: {converted.ir.xml}{proof}")
        for note in _notes(name, result):
            print_text(note)


def _notes(name: str, result: ConvertedModel) -> list[str]:
    from mixnet_tools.conversion.model_server import image_layout

    notes = []
    if averages := result.averages:
        used = {"ema": "their moving averages", "saver": "as the saver maps them"}.get(
            result.plan.weights or "raw", "the raw values"
        )
        found = (
            f"{averages.averaged} of {averages.variables} variables have a moving average, {averages.different} of "
            f"these differ from the raw value (by up to {averages.largest_difference:.3g})"
            if averages.averaged
            else "the checkpoint has no moving averages"
        )
        notes.append(f"{name}: weights: {used}; {found}")
    notes += [f"{name}: {note}" for note in (result.optimized.notes if result.optimized else ())]
    notes += [f"{name}: frozen graph: {result.frozen}"] if result.frozen else []
    notes += [f"{name}: model server: {result.serving}"] if result.serving else []
    if result.serving and (layout := image_layout(result.plan)):
        notes.append(f"{name}: model server: to take images as files, start it with --layout {shlex.quote(layout)}")
    return notes
