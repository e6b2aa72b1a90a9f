"""Optimizes an IR on disk: reads it, makes it faster, and writes it whole with a report."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.errors import UsageError
from mixnet_tools.files import atomic
from mixnet_tools.files.digest import digest_of
from mixnet_tools.ir.core import openvino_core
from mixnet_tools.ir.digests import OPTIMIZATION_REPORT, Integrity, compare_with_reports, described
from mixnet_tools.ir.read import read_ir
from mixnet_tools.ir.save import Publication, publish, require_place, staged
from mixnet_tools.optimization.optimize import Optimized, optimize
from mixnet_tools.optimization.proof import FP16_TOLERANCE, TOLERANCE, find_mismatch
from mixnet_tools.values import IRModel

if TYPE_CHECKING:
    import openvino


@dataclass(frozen=True)
class OptimizedIR:
    """The IR ``source`` and the IR ``target`` that was written: an optimized one, or a copy where nothing is faster.

    ``source_sha256`` has the digests of the source's files by name. ``source_integrity`` says whether the source is the
    IR that a report beside it tells of; ``warning`` says so in words, where it is another one.
    """

    source: Path
    target: IRModel
    result: Optimized
    source_sha256: dict[str, str]
    source_integrity: Integrity
    warning: str | None

    @property
    def changed(self) -> bool:
        """Whether ``target`` is another graph than the source."""
        return bool(self.result.describe())

    def to_json(self) -> dict[str, object]:
        """The contents of the report beside ``target``: what was done, and the measurements behind each decision."""
        tuned = self.result.tuned
        return {
            "schema": 1,
            "source": self.source.name,
            "source_sha256": self.source_sha256,
            "source_integrity": self.source_integrity,
            "changed": self.changed,
            "notes": list(self.result.notes),
            "rewriting_ratio": self.result.ratio,
            "tuning_ratio": tuned.ratio if tuned else None,
            **self.result.describe(),
        }


def optimize_ir(source: Path, target: Path, *, rewriting: bool = True, tuning: bool = False) -> OptimizedIR:
    """Make the IR ``source`` (.xml, its .bin beside it) faster, whichever tool wrote it, and write it to ``target``.

    Weights stay as they are stored, in FP32 or FP16. ``<target>.optimization.json`` beside it says what was done. Where
    nothing is faster here, ``target`` is a copy.

    Raises :class:`IRError` where the source is missing or cannot be read, :class:`UsageError` where a name does not
    end in .xml or the target is the source, :class:`OutputError` where the target cannot be written. Then nothing was
    written.
    """
    for path in (source, target):
        if path.suffix != ".xml":
            raise UsageError(f"{path}: expected an .xml file, got {path.suffix or 'no suffix'}")
    if source.resolve() == target.resolve():
        raise UsageError(f"{target}: is the IR to optimize itself", hint="name another file")
    report_file = OPTIMIZATION_REPORT.format(stem=target.stem)
    place = IRModel(target.stem, "FP32", target, target.with_suffix(".bin"))
    require_place(place, report_file)
    model = read_ir(source)
    if _stores_halves(model):
        place = replace(place, precision="FP16")
    digests = {path.name: digest_of(path) for path in (source, source.with_suffix(".bin"))}
    integrity, warning = compare_with_reports(source, digests)
    result = optimize(model, rewriting=rewriting, tuning=tuning)
    done = OptimizedIR(source, place, result, digests, integrity, warning)
    with staged(result.model if done.changed else None, place) as candidate:
        if done.changed and (mismatch := _find_mismatch(model, candidate)):
            note = f"not kept: stored as {place.precision}, {mismatch}"
            done = replace(done, result=Optimized(model, (*done.result.notes, note), {}, None, None))
        if not done.changed:  # to the byte
            with atomic.writing(target.parent):
                shutil.copyfile(source, candidate.xml)
                shutil.copyfile(source.with_suffix(".bin"), candidate.bin)
        publish([Publication(candidate, place, {**done.to_json(), "ir": described(candidate)}, report_file)])
    return done


def _find_mismatch(model: openvino.Model, candidate: IRModel) -> str | None:
    """Compare the file as it was saved with ``model``: weights are rounded to half precision when it is saved."""
    core = openvino_core()
    core.set_property({"ENABLE_MMAP": False})  # the file may be replaced while it is open
    tolerance = FP16_TOLERANCE if candidate.precision == "FP16" else TOLERANCE
    return find_mismatch(model, read_ir(candidate.xml, core), tolerance)


def _stores_halves(model: openvino.Model) -> bool:
    """Whether the weights of all convolutions and matrix products are FP16: a single one of FP32 must stay as it is."""
    kinds = set()
    for node in model.get_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution", "MatMul"):
            weights = node.input_value(1).get_node()
            if weights.get_type_name() == "Convert":
                weights = weights.input_value(0).get_node()
            if weights.get_type_name() == "Constant":
                kinds.add(weights.get_element_type().get_type_name())
    return kinds == {"f16"}
