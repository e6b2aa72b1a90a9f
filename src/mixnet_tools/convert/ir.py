"""Frozen graph -> OpenVINO model -> IR files on disk.

Knows OpenVINO's conversion, preprocessing and serialisation, and how an IR is put in place so that nobody ever sees
half of one. Whether the IR computes the right thing is :mod:`mixnet_tools.convert.parity`'s question.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mixnet_tools.convert.arguments import ConversionPlan
from mixnet_tools.errors import ConversionError
from mixnet_tools.values import FrozenGraph, IRModel

HALF_PRECISIONS = ("FP16",)


def build_model(frozen: FrozenGraph, plan: ConversionPlan) -> Any:
    """The ``openvino.Model`` of ``frozen``: static input shape, layout set, tensors named as deployed applications
    know them, and, where the plan asks for it, taking BGR.

    Raises :class:`ConversionError` where OpenVINO cannot convert the graph or sizes stay open.
    """
    import openvino

    with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
        graph = Path(scratch) / f"{plan.model}.pb"
        graph.write_bytes(frozen.graph_def)
        try:
            model = openvino.convert_model(graph)
            model.reshape(list(plan.input_shape))
        except Exception as error:  # OpenVINO raises plain Exceptions and RuntimeErrors
            raise ConversionError(f"{plan.model}: OpenVINO cannot convert the graph: {_first_lines(error)}") from error
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ConversionError(
            f"{plan.model}: expected one input and one output, got {len(model.inputs)} and {len(model.outputs)}"
        )
    model = _with_layout(openvino, model, plan)
    _name(model, plan)
    if model.output(0).get_partial_shape().is_dynamic:
        raise ConversionError(f"{plan.model}: the output's shape stays open: {model.output(0).get_partial_shape()}")
    _describe(openvino, model, frozen, plan)
    return model


@contextlib.contextmanager
def staged(model: Any, target: IRModel) -> Iterator[IRModel]:
    """``model`` saved in a staging folder beside ``target``'s place, for the length of the block."""
    import openvino

    folder = target.xml.parent
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder))
    try:
        xml = staging / target.xml.name
        openvino.save_model(model, xml, compress_to_fp16=target.precision in HALF_PRECISIONS)
        yield IRModel(target.name, target.precision, xml, xml.with_suffix(".bin"))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where it is empty: nothing of ours stays behind a failure


def publish(staged_ir: IRModel, target: IRModel) -> IRModel:
    """Move a staged IR into place. At no moment does an .xml stand beside a .bin that is not its own."""
    folder = os.open(target.xml.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # two converters must not mix their files; closing unlocks
        target.xml.unlink(missing_ok=True)  # without its .xml a .bin is no IR
        os.replace(staged_ir.bin, target.bin)
        os.replace(staged_ir.xml, target.xml)
    finally:
        os.close(folder)
    return target


def _with_layout(openvino: Any, model: Any, plan: ConversionPlan) -> Any:
    preprocess = openvino.preprocess
    layout = openvino.Layout(plan.layout)
    prepost = preprocess.PrePostProcessor(model)
    entry = prepost.input()
    entry.tensor().set_layout(layout)
    entry.model().set_layout(layout)
    if plan.reverse_input_channels:
        entry.tensor().set_color_format(preprocess.ColorFormat.BGR)
        entry.preprocess().convert_color(preprocess.ColorFormat.RGB)
    # build() folds the reversal into the constants before and in the first convolution.
    return prepost.build()


def _name(model: Any, plan: ConversionPlan) -> None:
    """Give tensors and their layers exactly the documented names; OpenVINO's own carry port suffixes."""
    entry, result = model.input(0), model.output(0)
    entry.get_tensor().set_names({plan.cut.placeholder, *plan.aliases})
    entry.get_node().set_friendly_name(plan.cut.placeholder)
    result.get_tensor().set_names({plan.output})
    result.get_node().set_friendly_name(f"{plan.output}/sink_port_0")
    result.get_node().input_value(0).get_node().set_friendly_name(plan.output)
    model.set_friendly_name(plan.model)


def _describe(openvino: Any, model: Any, frozen: FrozenGraph, plan: ConversionPlan) -> None:
    """Provenance in rt_info: nothing that changes from run to run, so that equal input gives equal files."""
    from mixnet_tools import __version__

    model.set_rt_info(
        {
            "input": plan.cut.text,
            "output": plan.output,
            "input_shape": ",".join(map(str, plan.input_shape)),
            "layout": plan.layout,
            "reverse_input_channels": str(plan.reverse_input_channels),
            "frozen_graph_sha256": hashlib.sha256(frozen.graph_def).hexdigest(),
            "mixnet_tools_version": __version__,
            "openvino_version": openvino.get_version(),
        },
        ["conversion_parameters"],
    )


def _first_lines(error: Exception, count: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " / ".join(lines[:count])[:400] or type(error).__name__
