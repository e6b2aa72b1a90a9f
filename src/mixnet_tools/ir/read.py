"""Reads an IR into an ``openvino.Model``, and names the file that is missing or broken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.errors import IRError, last_line
from mixnet_tools.ir.core import openvino_core

if TYPE_CHECKING:
    import openvino

HINT = "give the .xml of an IR, its .bin beside it"


def read_ir(xml: Path, core: openvino.Core | None = None, *, hint: str = HINT) -> openvino.Model:
    """Read the IR at ``xml``, by ``core`` where that has settings of its own.

    Raises :class:`IRError` where the name does not end in .xml, a file is missing, or OpenVINO cannot read it. ``hint``
    is what the error tells the caller to do.
    """
    if xml.suffix.lower() != ".xml":  # by its contents, OpenVINO would read it as ONNX, TensorFlow, ...
        raise IRError(f"{xml}: expected an .xml file, got {xml.suffix or 'no suffix'}", hint=hint)
    if not xml.is_file():
        raise IRError(f"{xml}: no such file", hint=hint)
    try:
        model = (core or openvino_core(xml)).read_model(xml)
    except RuntimeError as error:
        raise IRError(f"{xml}: cannot be read: {last_line(error)}", hint=hint) from error
    weights = xml.with_suffix(".bin")
    if not weights.is_file():  # a model without weights can be read, but its IR cannot be copied
        raise IRError(f"{weights}: no such file", hint=hint)
    return model
