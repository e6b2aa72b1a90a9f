"""Converts a file by OpenVINO's frontends, and makes their errors say what is wrong with which file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.errors import ConversionError
from mixnet_tools.inference.openvino import port_named
from mixnet_tools.ir.core import MAPS_FILES

if TYPE_CHECKING:
    import openvino

_NUMBERED_NAME = re.compile(rb"[A-Za-z_][\w./-]*_\d+")


def convert_file(source: SourceModel, path: Path) -> openvino.Model:
    """The model in ``path``, which is ``source``'s own file or made from it.

    Raises :class:`ConversionError` where OpenVINO cannot convert it.
    """
    try:
        try:
            return _by_frontend(path, source.framework)
        except ImportError:  # a version of OpenVINO without these calls
            return _by_converter(path)
    except Exception as error:  # OpenVINO raises plain Exceptions and RuntimeErrors
        raise ConversionError(
            f"{source.plan.model}: OpenVINO cannot convert {source.plan.source.path}: {first_lines(error)}",
            hint="where an operation is not supported, choose inputs or outputs in the descriptor that leave it out",
        ) from error


def _by_converter(path: Path) -> openvino.Model:
    import openvino

    return openvino.convert_model(path)


def _by_frontend(path: Path, framework: str) -> openvino.Model:
    """The same model as ``openvino.convert_model`` makes, in half its time.

    The calls are the same, but no process is started that sends usage statistics, and no options are parsed.
    """
    import openvino
    from openvino._offline_transformations import (
        apply_fused_names_cleanup,
        apply_moc_legacy_transformations,
        apply_moc_transformations,
        compress_quantize_weights_transformation,
    )
    from openvino.frontend import FrontEndManager

    frontend = FrontEndManager().load_by_framework(framework)
    model: openvino.Model = frontend.convert(frontend.load(str(path), enable_mmap=MAPS_FILES))
    openvino.preprocess.PrePostProcessor(model).build()  # it also cleans up what the frontend leaves
    apply_moc_transformations(model, cf=False, smart_reshape=True)
    compress_quantize_weights_transformation(model)
    if framework == "onnx":
        apply_moc_legacy_transformations(model, [])
    apply_fused_names_cleanup(model)
    model.set_rt_info(openvino.get_version(), "Runtime_version")
    model.set_rt_info("False", ["conversion_parameters", "is_python_object"])
    return model


def restore_output_names(model: openvino.Model) -> None:
    """Give each output of ``model`` its name back where OpenVINO has folded away the operation that had it.

    The frontend calls a Result as the graph calls the output, and keeps it when it replaces what is in front of it.
    """
    for result in model.get_results():
        name = result.get_friendly_name()
        if port_named(model.outputs, name) is None:
            result.output(0).get_tensor().add_names({name})


def names_in(path: Path) -> frozenset[str]:
    """All text in the file at ``path`` that looks like a name that OpenVINO makes up (``Relu_1``)."""
    return frozenset(name.decode() for name in _NUMBERED_NAME.findall(path.read_bytes()))


def write(path: Path, data: bytes) -> Path:
    """Write ``data`` to ``path``, and name the file where that fails."""
    try:
        path.write_bytes(data)
    except OSError as error:
        error.filename = error.filename or str(path)  # write() itself does not know it
        raise
    return path


def first_lines(error: Exception, count: int = 3) -> str:
    """The first lines of a long error, in one; what names unsupported operations goes before all."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines.sort(key=lambda line: "No conversion rule" not in line)  # which is what the rest is about
    return " / ".join(lines[:count])[:400] or type(error).__name__
