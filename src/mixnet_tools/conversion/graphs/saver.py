"""What a graph's own saver restores: for each variable the name of its value in the checkpoint.

A saver may map a variable to another name than its own: evaluation graphs are often saved with a saver that restores
each variable from its moving average. Who reads a checkpoint by the variables' names gets other weights than whoever
published the graph. Pure, on protobuf messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs.surgery import tensor
from mixnet_tools.conversion.graphs.variables import VARIABLE_OPS

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef

_STRING = 7  # of tensorflow/core/framework/types.proto
_ASSIGNMENTS = frozenset({"Assign", "AssignVariableOp"})
_PASSING_ON = frozenset({"Identity", "Reshape", "Cast"})
_RESTORING = {"RestoreV2": 3, "Restore": 2}
"""Operations that read values from a checkpoint, and how many inputs they have."""
SLICE = " @ "
"""Stands between the name of a value and the slice of it that is read: ``10 4 0,5;-`` are the first five of the rows
of a matrix [10, 4], in TensorFlow's notation (``tf.raw_ops.RestoreV2``) but for its colons, which names of nodes cannot
have. No name of a variable has blanks."""


def restored_names(graph: GraphDef, restore_operation: str) -> dict[str, str]:
    """For each variable (by its node's name) that ``restore_operation`` assigns: the name of its value.

    A part of a partitioned variable has a part of a value, called ``<name> @ <slice>``. An operation that is not
    in ``graph`` restores nothing.
    """
    nodes = {node.name: node for node in graph.node}
    texts = cache(partial(_texts, nodes))  # one list of names serves all variables
    found: dict[str, str] = {}
    queue, seen = [restore_operation], set[str]()
    while queue:
        name = queue.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        node = nodes[name]
        if node.op in _ASSIGNMENTS and len(node.input) > 1:
            key = _key(nodes, texts, node.input[1])
            if key is not None and node.input[0] in nodes and nodes[node.input[0]].op in VARIABLE_OPS:
                found[node.input[0]] = key
        else:
            queue.extend(source.removeprefix("^").partition(":")[0] for source in node.input)
    return found


@dataclass(frozen=True)
class Saver:
    """How a graph restores its variables: run ``operation`` with the checkpoint's prefix fed to ``filename_tensor``."""

    operation: str
    filename_tensor: str


def add_saver(graph: GraphDef, names: Mapping[str, str]) -> tuple[GraphDef, Saver]:
    """A copy of ``graph`` with a saver that restores each variable of ``names`` (node name -> name in the checkpoint).

    For graphs without a saver, and for other weights than the graph's saver restores.
    """
    result = type(graph)()
    result.CopyFrom(graph)
    nodes = {node.name: node for node in result.node}
    scope = "mixnet_tools_saver"
    while any(name.startswith(scope) for name in nodes):
        scope += "_"
    file = result.node.add(name=f"{scope}/file", op="Placeholder")
    file.attr["dtype"].type = _STRING
    file.attr["shape"].shape.SetInParent()
    _names_and_slices(result, f"{scope}/", names.values())
    read = result.node.add(name=f"{scope}/read", op="RestoreV2", input=[file.name, f"{scope}/names", f"{scope}/slices"])
    restore = result.node.add(name=f"{scope}/restore", op="NoOp")
    for index, variable in enumerate(names):
        kind = nodes[variable].attr["dtype"].type
        read.attr["dtypes"].list.type.append(kind)
        is_resource = nodes[variable].op == "VarHandleOp"
        assign = result.node.add(name=f"{scope}/assign_{index}", op="AssignVariableOp" if is_resource else "Assign")
        assign.input.extend([variable, f"{read.name}:{index}"])
        assign.attr["dtype" if is_resource else "T"].type = kind
        restore.input.append(f"^{assign.name}")
    return result, Saver(restore.name, f"{file.name}:0")


def reading_graph(graph_type: type[GraphDef], prefix: str, kinds: Mapping[str, int]) -> tuple[GraphDef, dict[str, str]]:
    """A graph that reads values from the checkpoint at ``prefix``, and the tensor of each.

    ``kinds`` are TensorFlow's numbers of their types, by their names in the checkpoint.
    """
    graph = graph_type()
    _strings(graph.node.add(), "file", [prefix], scalar=True)
    _names_and_slices(graph, "", kinds)
    read = graph.node.add(name="read", op="RestoreV2", input=["file", "names", "slices"])
    read.attr["dtypes"].list.type.extend(kinds.values())
    return graph, {name: f"read:{index}" for index, name in enumerate(kinds)}


def _names_and_slices(graph: GraphDef, scope: str, keys: Collection[str]) -> None:
    """Add the constants ``names`` and ``slices`` of the values ``keys``."""
    parts = [key.partition(SLICE) for key in keys]
    _strings(graph.node.add(), f"{scope}names", [name for name, _, _ in parts])
    _strings(graph.node.add(), f"{scope}slices", [part.replace(";", ":") for _, _, part in parts])


def _strings(node: NodeDef, name: str, texts: list[str], *, scalar: bool = False) -> None:
    """Make ``node`` a constant of ``texts``."""
    node.name, node.op = name, "Const"
    node.attr["dtype"].type = _STRING
    value = node.attr["value"].tensor
    value.dtype = _STRING
    value.tensor_shape.SetInParent()
    if not scalar:
        value.tensor_shape.dim.add().size = len(texts)
    value.string_val.extend(text.encode("utf-8", "surrogateescape") for text in texts)


def _key(nodes: Mapping[str, NodeDef], texts: Callable[[str], list[str]], value: str) -> str | None:
    """The name in the checkpoint of the tensor ``value``, None where it does not come from there."""
    name, index = tensor(value)
    passed: set[str] = set()  # a damaged graph may go in a circle
    while name in nodes and nodes[name].op in _PASSING_ON and nodes[name].input and name not in passed:
        passed.add(name)
        name, index = tensor(nodes[name].input[0])
    if name not in nodes or len(nodes[name].input) < _RESTORING.get(nodes[name].op, 1 << 30):
        return None
    node = nodes[name]
    names = texts(node.input[1])
    slices = texts(node.input[2]) if node.op == "RestoreV2" else [""]
    if not index < len(names):
        return None
    part = slices[min(index, len(slices) - 1)] if slices else ""
    return names[index] + SLICE + part.replace(":", ";") if part else names[index]


def _texts(nodes: Mapping[str, NodeDef], name: str) -> list[str]:
    node = nodes.get(name.partition(":")[0])
    if node is None or node.op != "Const":
        return []
    return [text.decode("utf-8", "surrogateescape") for text in node.attr["value"].tensor.string_val]
