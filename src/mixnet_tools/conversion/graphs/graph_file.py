"""From a plan to the inference graph: read the file, cut, prune. Needs no TensorFlow, only its message classes.

Variables are still variables here; whether OpenVINO or TensorFlow reads their values is the freezer's subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixnet_tools.conversion.graphs import surgery, variables
from mixnet_tools.conversion.plan import ConversionPlan, Cut, Source
from mixnet_tools.errors import FreezeError

FETCH_AGAIN = "fetch the model again: mixnet-download --force"


@dataclass(frozen=True)
class InferenceGraph:
    """A pruned GraphDef message, and what became of the rest.

    ``placeholders`` are the node names of the inputs, ``outputs`` the tensor names of the outputs, in the plan's
    order. ``node_names`` are all names of the source graph, ``averages`` those of its variables that are moving
    averages; ``dropped`` counts the nodes that were cut away, and ``dropped_inputs`` names the operations that fed the
    cut tensors.
    """

    graph: Any
    placeholders: tuple[str, ...]
    outputs: tuple[str, ...]
    node_names: frozenset[str]
    averages: frozenset[str]
    dropped: int
    dropped_inputs: tuple[str, ...]


def inference_graph(plan: ConversionPlan) -> InferenceGraph:
    """Read, cut and prune the meta graph or frozen graph that ``plan`` names.

    Raises :class:`FreezeError` where the file is missing, truncated or of another kind, and where an input or output
    does not exist or does not fit.
    """
    source = plan.source
    graph = read_graph(source)
    try:
        return _prepare(plan, graph)
    except FreezeError as error:
        raise FreezeError(f"{source.path}: {error}", hint=error.hint) from error


def read_graph(source: Source) -> Any:
    """The GraphDef in a .meta, .pb or .pbtxt file."""
    path = source.path
    check_files(source)
    if source.kind == "meta_graph":
        graph = _parse(path, _messages("meta_graph_pb2").MetaGraphDef(), "meta graph").graph_def
    else:
        graph = _parse(path, _messages("graph_pb2").GraphDef(), "frozen graph")
    if not graph.node:
        raise FreezeError(f"{path}: a graph without nodes ({path.stat().st_size} bytes)", hint=FETCH_AGAIN)
    return graph


def check_files(source: Source) -> None:
    """Raise :class:`FreezeError` where a file of ``source`` is missing."""
    wanted = [source.path]
    if source.kind == "meta_graph" and not source.checkpoint.is_file():  # a V1 checkpoint is one file
        wanted.append(source.checkpoint.with_name(source.checkpoint.name + ".index"))
    if source.kind == "saved_model":
        wanted = [source.path / "saved_model.pb"]
    missing = [path for path in wanted if not path.is_file()]
    if missing:
        raise FreezeError(f"{missing[0]}: no such file", hint="fetch the model first: mixnet-download")


def _prepare(plan: ConversionPlan, graph: Any) -> InferenceGraph:
    names = frozenset(node.name for node in graph.node)
    averages = frozenset(name for name in variables.variable_names(graph) if name.endswith(variables.AVERAGE_SUFFIX))
    before = {node.name: node for node in graph.node}
    inputs = plan.inputs
    outputs = [cut.node for cut in plan.outputs] or _leaves(graph)
    cut = graph
    for entry in inputs:
        cut = surgery.insert_placeholder(cut, entry.cut, len(entry.shape) if entry.shape else None)
    for constant in plan.constants:
        cut = surgery.fold_placeholder(cut, constant)
    pruned = surgery.prune(cut, outputs)
    placeholders = tuple(entry.cut.placeholder for entry in inputs) or tuple(
        node.name for node in pruned.node if node.op in surgery.PLACEHOLDER_OPS
    )
    surgery.check_closed(pruned, placeholders)
    pruned, tensors = surgery.expose(pruned, plan.outputs or [Cut(name, name, "node", 0) for name in outputs])
    if plan.weights == "ema":
        pruned = variables.use_averages(pruned, averages)
    fed_by = [before[entry.cut.node].op for entry in inputs if entry.cut.node in before]
    return InferenceGraph(
        graph=pruned,
        placeholders=placeholders,
        outputs=tensors,
        node_names=names,
        averages=averages,
        dropped=len(graph.node) + sum(name not in names for name in placeholders) - len(pruned.node),
        dropped_inputs=tuple(op for op in fed_by if op not in surgery.PLACEHOLDER_OPS),
    )


def _leaves(graph: Any) -> list[str]:
    """Nodes that nothing reads: what a graph without declared outputs computes."""
    read = {surgery.tensor(name)[0] for node in graph.node for name in node.input}
    skipped = variables.VARIABLE_OPS | {"Const", "NoOp", "Assert"}
    leaves = [node.name for node in graph.node if node.name not in read and node.op not in skipped]
    if not leaves:
        raise FreezeError("the graph has no output", hint="name it in the descriptor: --output=<node>")
    return leaves


def _messages(module: str) -> Any:
    """TensorFlow's protobuf messages, from the copy that TensorBoard ships: importing TensorFlow takes seconds."""
    import importlib

    return importlib.import_module(f"tensorboard.compat.proto.{module}")


def _parse(path: Path, message: Any, what: str) -> Any:
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    raw = path.read_bytes()
    hint = FETCH_AGAIN
    try:
        if path.suffix == ".pbtxt":
            text_format.Parse(raw.decode("utf-8"), message, allow_unknown_field=True)
        else:
            message.ParseFromString(raw)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise FreezeError(f"{path}: not a TensorFlow {what}, or truncated ({len(raw)} bytes)", hint=hint) from error
    return message
