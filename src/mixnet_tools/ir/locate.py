"""Finds the IRs of a model below a folder: one folder for each precision, in Open Model Zoo's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.errors import Field, IRError, NextStep
from mixnet_tools.ir.read import HINT
from mixnet_tools.values import IRModel

if TYPE_CHECKING:
    from mixnet_tools.descriptors.model_yml import ModelDescriptor

IR_PRECISIONS = ("FP32", "FP16", "FP16-INT8", "FP32-INT8", "INT8")
"""Folders in which an IR of a model may lie, in the order in which they are shown and measured."""

INT8_PRECISION = "FP16-INT8"
"""The folder of an IR that mixnet_tools quantized: weights in eight bits, what stays float in sixteen."""


def ir_model(folder: Path, subdirectory: str, name: str, precision: str) -> IRModel:
    """Say where the IR of a model lies below ``folder``: ``<folder>/<subdirectory>/<precision>/<name>.xml``.

    It need not exist.
    """
    place = folder / subdirectory / precision
    return IRModel(name, precision, place / f"{name}.xml", place / f"{name}.bin")


def ir_at(xml: Path) -> IRModel:
    """Find the IR at ``xml``, wherever it lies. Its precision is the name of its folder, or empty in another layout.

    Raises :class:`IRError` where the .xml or the .bin beside it is missing.
    """
    precision = xml.resolve().parent.name
    ir = IRModel(xml.stem, precision if precision in IR_PRECISIONS else "", xml, xml.with_suffix(".bin"))
    if missing := _missing_files(ir):
        raise IRError(f"{missing[0]}: no such file", hint=HINT)
    return ir


def irs_of(descriptor: ModelDescriptor, folder: Path, precisions: Sequence[str] = IR_PRECISIONS) -> tuple[IRModel, ...]:
    """Say where the IRs of ``descriptor`` lie below ``folder``, one for each of ``precisions``. None need exist."""
    return tuple(ir_model(folder, str(descriptor.subdirectory), descriptor.name, one) for one in precisions)


def existing_irs(
    descriptor: ModelDescriptor, folder: Path, precisions: Sequence[str] = IR_PRECISIONS
) -> tuple[IRModel, ...]:
    """Find the IRs of ``descriptor`` below ``folder``: those of ``precisions`` whose .xml and .bin are there."""
    return tuple(ir for ir in irs_of(descriptor, folder, precisions) if not _missing_files(ir))


def require_irs(
    descriptor: ModelDescriptor,
    folder: Path,
    precisions: Sequence[str] | None = None,
    *,
    download_dir: Path | None = None,
) -> tuple[IRModel, ...]:
    """Find the IRs of ``descriptor`` below ``folder``: all of ``precisions``, or else those that are there.

    ``download_dir`` is where its downloaded files are (default: ``folder``), which the hint of an error names. Raises
    :class:`IRError` where one of ``precisions`` is missing, or there is none at all.
    """
    irs = irs_of(descriptor, folder, precisions or IR_PRECISIONS)
    present = [ir for ir in irs if not _missing_files(ir)]
    if present and (not precisions or len(present) == len(irs)):
        return tuple(present)
    missing = [path for ir in irs for path in _missing_files(ir)]
    lacking = next(ir for ir in irs if _missing_files(ir))
    raise IRError(
        f"{missing[0]}: {descriptor.name} has no such IR"
        + (f" (nor {len(missing) - 1} further files)" if len(missing) > 1 else ""),
        hint=how_to_make(lacking, folder, download_dir),
    )


def how_to_make(ir: IRModel, folder: Path, download_dir: Path | None = None) -> str:
    """The hint that says what writes ``ir`` below ``folder``, from files below ``download_dir`` (default: the same)."""
    fields: dict[str, Field] = {}
    if ir.precision == INT8_PRECISION:
        if folder != Path():
            fields["ir_dir"] = folder
        return NextStep("quantize", ir.name, fields)
    if "INT8" in ir.precision:
        return f"mixnet_tools makes FP32, FP16 and {INT8_PRECISION}; an IR of {ir.precision} comes from elsewhere"
    source = folder if download_dir is None else download_dir
    if source != Path():
        fields["download_dir"] = source
    if folder != source:
        fields["output_dir"] = folder
    if ir.precision != "FP16":  # which is the default
        fields["precision"] = ir.precision
    return NextStep("convert", ir.name, fields)


def _missing_files(ir: IRModel) -> list[Path]:
    return [path for path in (ir.xml, ir.bin) if not path.is_file()]
