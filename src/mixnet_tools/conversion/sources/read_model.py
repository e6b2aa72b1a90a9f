"""From source files to an ``openvino.Model``, before anything of the plan's preprocessing: OpenVINO reads the weights.

A meta graph is written again, cut and pruned, beside links to its checkpoint, which OpenVINO's own frontend then
reads; TensorFlow is not needed. SavedModel and ONNX files are read as they are.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from mixnet_tools.conversion.graphs.graph_file import InferenceGraph, check_files
from mixnet_tools.conversion.plan import ConversionPlan
from mixnet_tools.errors import ConversionError, FreezeError
from mixnet_tools.values import FrozenGraph


def read_model(plan: ConversionPlan, prepared: InferenceGraph | None, frozen: FrozenGraph | None) -> Any:
    """The ``openvino.Model`` of the plan's source, its shapes as the source has them.

    ``prepared`` is the graph of a meta graph or frozen graph; ``frozen``, where given, is converted in its place.
    Raises :class:`ConversionError` where OpenVINO cannot convert it, :class:`FreezeError` where files are missing.
    """
    with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
        folder = Path(scratch)
        if frozen is not None:
            return _convert(plan, _write(folder / "frozen.pb", frozen.graph_def))
        if prepared is not None:
            if plan.source.kind == "meta_graph":
                return _convert(plan, _meta_graph(plan, prepared, folder))
            return _convert(plan, _write(folder / "graph.pb", prepared.graph.SerializeToString()))
        check_files(plan.source)
        if plan.source.kind == "saved_model":
            return _convert(plan, plan.source.path, outputs=tuple(cut.node for cut in plan.outputs))
        return _convert(plan, plan.source.path, outputs=tuple(cut.text for cut in plan.outputs))


def _meta_graph(plan: ConversionPlan, prepared: InferenceGraph, folder: Path) -> Path:
    """The pruned meta graph, and its checkpoint under the same name, as OpenVINO's frontend looks for it."""
    from tensorboard.compat.proto import meta_graph_pb2

    checkpoint = plan.source.checkpoint
    parts = sorted(checkpoint.parent.glob(f"{checkpoint.name}.data-*-of-*"))
    if not parts:
        raise FreezeError(
            f"{checkpoint}.data-00000-of-00001: no such file", hint="fetch the model first: mixnet-download"
        )
    for path in (checkpoint.with_name(f"{checkpoint.name}.index"), *parts):
        (folder / f"model{path.name.removeprefix(checkpoint.name)}").symlink_to(path.resolve())
    meta = meta_graph_pb2.MetaGraphDef()
    meta.graph_def.CopyFrom(prepared.graph)
    return _write(folder / "model.meta", meta.SerializeToString())


def _convert(plan: ConversionPlan, path: Path, outputs: tuple[str, ...] = ()) -> Any:
    """``outputs`` may lie inside the graph; without them the model's own are taken."""
    import openvino

    try:
        model = openvino.convert_model(path)
        if outputs and not _all_named(model, outputs):
            if plan.source.kind == "onnx":
                raise ConversionError(_not_an_output(plan, model, outputs))
            model = openvino.convert_model(path, output=list(outputs))
    except ConversionError:
        raise
    except Exception as error:  # OpenVINO raises plain Exceptions and RuntimeErrors
        raise ConversionError(
            f"{plan.model}: OpenVINO cannot convert {plan.source.path}: {first_lines(error)}",
            hint="a damaged download does this: mixnet-download --force; else the model uses an unsupported operation",
        ) from error
    return model


def _all_named(model: Any, outputs: tuple[str, ...]) -> bool:
    names = [name for result in model.outputs for name in result.get_names()]
    return len(model.outputs) == len(outputs) and all(
        output in names or output.removesuffix(":0") in names or f"{output}:0" in names for output in outputs
    )


def _not_an_output(plan: ConversionPlan, model: Any, outputs: tuple[str, ...]) -> str:
    available = sorted(name for result in model.outputs for name in result.get_names())
    missing = ", ".join(sorted(set(outputs) - set(available))) or "fewer than all"
    return f"{plan.source.path}: expected outputs of the ONNX model ({', '.join(available)}), got {missing}"


def _write(path: Path, data: bytes) -> Path:
    try:
        path.write_bytes(data)
    except OSError as error:
        error.filename = error.filename or str(path)  # write() itself does not know it
        raise
    return path


SOURCE_NAME = re.compile(rb"[A-Za-z_][\w./-]*_\d+")


def node_names(plan: ConversionPlan, prepared: InferenceGraph | None) -> frozenset[str]:
    """Names that the source gives its nodes, as far as they look like the ones that OpenVINO makes up (``Relu_1``).

    Of a SavedModel or ONNX file, whose graph is not read here, all text of that form.
    """
    if prepared is not None:
        return prepared.node_names
    path = plan.source.path / "saved_model.pb" if plan.source.kind == "saved_model" else plan.source.path
    return frozenset(name.decode() for name in SOURCE_NAME.findall(path.read_bytes()))


def first_lines(error: Exception, count: int = 3) -> str:
    """The first lines of a long error, in one; what names unsupported operations goes before all."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines.sort(key=lambda line: "No conversion rule" not in line)  # which is what the rest is about
    return " / ".join(lines[:count])[:400] or type(error).__name__
