"""Pure surgery on TensorFlow graphs, as protobuf messages: put a Placeholder in, keep what the output needs, fold
variables to constants.

The functions take and return GraphDef messages and know nothing of files or sessions. They need no TensorFlow
runtime, only the message classes, which the caller brings along with the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from mixnet_tools.convert.arguments import Cut
from mixnet_tools.errors import FreezeError

VARIABLE_OPS = frozenset({"Variable", "VariableV2", "VarHandleOp"})
DT_FLOAT = 1  # tensorflow.DataType


def insert_placeholder(graph: Any, cut: Cut, rank: int) -> Any:
    """A copy of ``graph`` in which a float32 Placeholder of ``rank`` dimensions feeds what the cut tensor fed.

    The Placeholder is called ``cut.placeholder``, and its sizes are open. Raises :class:`FreezeError` where the node
    or its port does not exist, or where nothing reads the cut tensor.
    """
    result = type(graph)()
    result.CopyFrom(graph)
    nodes = {node.name: node for node in result.node}
    target = _find(nodes, cut.node, "input")
    if cut.side == "node":
        if target.op not in ("Placeholder", "PlaceholderWithDefault"):
            raise FreezeError(
                f"the input {cut.text!r} is a {target.op}, not a Placeholder",
                hint=f"name the tensor to replace: {cut.node}:0 for its output, or 0:{cut.node} for its first input",
            )
        _make_placeholder(target, cut.node, rank)
        return result
    if cut.side == "input":
        if cut.port >= len(_data_inputs(target)):
            raise FreezeError(f"the input {cut.text!r}: {cut.node} ({target.op}) has no input {cut.port}")
        target.input[cut.port] = cut.placeholder
    else:
        readers = 0
        for node in result.node:
            for index, name in enumerate(node.input):
                if tensor(name) == (cut.node, cut.port) and not name.startswith("^"):
                    node.input[index] = cut.placeholder
                    readers += 1
        if not readers:
            raise FreezeError(f"the input {cut.text!r}: nothing in the graph reads output {cut.port} of {cut.node}")
    if cut.placeholder in nodes:
        raise FreezeError(f"the graph has a node called {cut.placeholder!r} already")
    _make_placeholder(result.node.add(), cut.placeholder, rank)
    return result


def prune(graph: Any, output: str) -> Any:
    """``graph`` reduced to the nodes that ``output`` computes with, in their order; control inputs are dropped.

    Control inputs only order side effects (asserts, summaries, updates), and an inference graph has none.
    Raises :class:`FreezeError` for an unknown output, or inputs that no node provides.
    """
    nodes = {node.name: node for node in graph.node}
    _find(nodes, output, "output")
    needed: set[str] = set()
    queue = [output]
    while queue:
        name = queue.pop()
        if name in needed:
            continue
        if name not in nodes:
            raise FreezeError(f"the graph is damaged: a node reads {name!r}, which does not exist")
        needed.add(name)
        queue.extend(tensor(source)[0] for source in _data_inputs(nodes[name]))
    result = type(graph)()
    result.versions.CopyFrom(graph.versions)
    for node in graph.node:
        if node.name in needed:
            kept = result.node.add()
            kept.CopyFrom(node)
            del kept.input[:]
            kept.input.extend(_data_inputs(node))
            kept.attr.pop("_class", None)  # colocation with nodes that are gone
            kept.ClearField("device")
    return result


def fold_variables(graph: Any, read_variable: Callable[[str], Any]) -> Any:
    """``graph`` with each variable replaced by a Const of its value, and each read of it by an Identity.

    ``read_variable`` maps a variable's name in the checkpoint to its value as a TensorProto.
    """
    result = type(graph)()
    result.versions.CopyFrom(graph.versions)
    for node in graph.node:
        kept = result.node.add()
        if node.op in VARIABLE_OPS:
            value = read_variable(variable_key(node))
            kept.name, kept.op = node.name, "Const"
            kept.attr["dtype"].type = value.dtype
            kept.attr["value"].tensor.CopyFrom(value)
        elif node.op == "ReadVariableOp":
            kept.name, kept.op = node.name, "Identity"
            kept.input.extend(node.input)
            kept.attr["T"].type = node.attr["dtype"].type
        else:
            kept.CopyFrom(node)
    return result


def check_frozen(graph: Any, placeholder: str) -> None:
    """Raise :class:`FreezeError` unless ``placeholder`` is the one open end of ``graph``."""
    open_ends = [
        f"{node.name} ({node.op})"
        for node in graph.node
        if not node.input and node.op not in ("Const", "NoOp") and node.name != placeholder
    ]
    if open_ends:
        raise FreezeError(
            f"cut at {placeholder!r}, the output still depends on {_listed(open_ends)}",
            hint="the descriptor's input_info must name the tensor that the images enter through",
        )
    if placeholder not in {node.name for node in graph.node}:
        raise FreezeError(f"the output does not depend on the input {placeholder!r}")


def variable_key(node: Any) -> str:
    """The name under which a variable's value stands in a checkpoint."""
    shared = node.attr["shared_name"].s.decode() if "shared_name" in node.attr else ""
    return shared if node.op == "VarHandleOp" and shared else str(node.name)


def tensor(name: str) -> tuple[str, int]:
    """A node input as (node, output port).

    >>> tensor("split:2"), tensor("relu"), tensor("^init")
    (('split', 2), ('relu', 0), ('init', 0))
    """
    node, colon, port = name.removeprefix("^").rpartition(":")
    return (node, int(port)) if colon else (port, 0)


def _data_inputs(node: Any) -> list[str]:
    return [name for name in node.input if not name.startswith("^")]


def _make_placeholder(node: Any, name: str, rank: int) -> None:
    node.Clear()
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = DT_FLOAT
    for _ in range(rank):
        node.attr["shape"].shape.dim.add().size = -1


def _find(nodes: dict[str, Any], name: str, role: str) -> Any:
    if name in nodes:
        return nodes[name]
    near = get_close_matches(name, nodes, n=3)
    hint = f"did you mean {_listed(near)}?" if near else "the descriptor and the checkpoint do not belong together"
    raise FreezeError(f"the graph has no node {name!r} for the model's {role}", hint=hint)


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:5]) + (f" and {len(every) - 5} more" if len(every) > 5 else "")
