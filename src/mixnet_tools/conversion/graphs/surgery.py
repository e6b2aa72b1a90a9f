"""Edits TensorFlow graphs: puts Placeholders in, gives them values, keeps the nodes that the outputs need.

The functions take and return GraphDef messages, and leave their argument as it was. They know nothing of files or
sessions. They need no TensorFlow, only the message classes of the graph that they are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs.output_type import output_type
from mixnet_tools.conversion.graphs.variables import VARIABLE_OPS
from mixnet_tools.conversion.plan import Constant, Cut
from mixnet_tools.errors import FreezeError, listed

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef

PLACEHOLDER_OPS = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
# Of tensorflow/core/framework/types.proto.
DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64, DT_BOOL = 1, 2, 3, 9, 10
CONTROL_FLOW_OPS = frozenset({"Switch", "RefSwitch", "Merge", "Enter", "NextIteration", "LoopCond"})


def insert_placeholder(graph: GraphDef, cut: Cut, rank: int | None) -> GraphDef:
    """A copy of ``graph`` in which a Placeholder stands in the place of the cut tensor.

    The Placeholder is called ``cut.placeholder`` and has the tensor's type. Its ``rank`` sizes are open; with None the
    rank is open, too. A bare name stands for the node's output 0: the node becomes the Placeholder. Raises
    :class:`FreezeError` where the node or its port does not exist, or where nothing reads the cut tensor.
    """
    result = _copy(graph)
    nodes = {node.name: node for node in result.node}
    target = _find(nodes, cut.node, "input")
    if cut.side == "node":
        _make_placeholder(target, cut.node, output_type(target, 0), rank)
        return result
    if cut.placeholder in nodes:
        raise FreezeError(f"the graph has a node called {cut.placeholder!r} already")
    if cut.side == "input":
        inputs = data_inputs(target)
        if cut.port >= len(inputs):
            raise FreezeError(f"the input {cut.text!r}: {cut.node} ({target.op}) has no input {cut.port}")
        producer, port = tensor(inputs[cut.port])
        kind = output_type(nodes[producer], port) if producer in nodes else DT_FLOAT
        target.input[cut.port] = cut.placeholder
    else:
        kind = output_type(target, cut.port)
        readers = [
            (node, index)
            for node in result.node
            for index, name in enumerate(node.input)
            if not name.startswith("^") and tensor(name) == (cut.node, cut.port)
        ]
        if not readers:
            raise FreezeError(f"the input {cut.text!r}: nothing in the graph reads output {cut.port} of {cut.node}")
        for node, index in readers:
            node.input[index] = cut.placeholder
    _make_placeholder(result.node.add(), cut.placeholder, kind, rank)
    return result


def fold_placeholder(graph: GraphDef, constant: Constant) -> GraphDef:
    """A copy of ``graph`` in which the Placeholder ``constant.node`` is a constant scalar.

    Raises :class:`FreezeError` where the node is no Placeholder, or where its type cannot take the value.
    """
    result = _copy(graph)
    node = _find({node.name: node for node in result.node}, constant.node, "frozen placeholder")
    if node.op not in PLACEHOLDER_OPS:
        raise FreezeError(f"{constant.node!r} is a {node.op}, not a Placeholder, and cannot be given a value")
    kind = node.attr["dtype"].type
    node.Clear()
    node.name, node.op = constant.node, "Const"
    node.attr["dtype"].type = kind
    value = node.attr["value"].tensor
    value.dtype = kind
    value.tensor_shape.SetInParent()
    try:
        if kind == DT_BOOL:
            value.bool_val.append({"true": True, "1": True, "false": False, "0": False}[constant.value.lower()])
        elif kind in (DT_INT32, DT_INT64):
            (value.int_val if kind == DT_INT32 else value.int64_val).append(int(constant.value))
        elif kind in (DT_FLOAT, DT_DOUBLE):
            (value.float_val if kind == DT_FLOAT else value.double_val).append(float(constant.value))
        else:
            raise ValueError
    except (ValueError, KeyError):
        kinds = {
            DT_BOOL: "a bool",
            DT_INT32: "an int32",
            DT_INT64: "an int64",
            DT_FLOAT: "a float",
            DT_DOUBLE: "a double",
        }
        expected = kinds.get(kind, f"type {kind}, which cannot be frozen")
        raise FreezeError(f"the Placeholder {constant.node!r} takes {expected}, got {constant.value!r}") from None
    return result


def prune(graph: GraphDef, outputs: Sequence[str]) -> GraphDef:
    """``graph`` reduced to the nodes that ``outputs`` (node names) need, in their order.

    Control inputs are dropped: they only order side effects (asserts, summaries, updates). They are kept where they
    gate a branch or a loop of TensorFlow 1. A Placeholder with a default becomes its default. The function library
    stays where a kept node calls into it. Raises :class:`FreezeError` where an output, or a node that another one
    reads, does not exist.
    """
    nodes = {node.name: node for node in graph.node}
    for output in outputs:
        if _find(nodes, output, "output").op == "NoOp":
            raise FreezeError(f"the output {output!r} is a NoOp, which computes nothing")
    needed: set[str] = set()
    queue = list(outputs)
    while queue:
        name = queue.pop()
        if name in needed:
            continue
        if name not in nodes:
            raise FreezeError(f"the graph is damaged: a node reads {name!r}, which does not exist")
        needed.add(name)
        queue.extend(tensor(source)[0] for source in (*data_inputs(nodes[name]), *_gates(nodes[name], nodes)))
    result = type(graph)()
    result.versions.CopyFrom(graph.versions)
    for node in graph.node:
        if node.name in needed:
            kept = result.node.add()
            kept.CopyFrom(node)
            del kept.input[:]
            kept.input.extend((*data_inputs(node), *_gates(node, nodes)))
            kept.attr.pop("_class", None)  # colocation with nodes that are gone
            kept.ClearField("device")
            if kept.op == "PlaceholderWithDefault":
                kept.op = "Identity"
                kept.attr["T"].type = kept.attr["dtype"].type
                del kept.attr["dtype"]
                kept.attr.pop("shape", None)
    functions = {function.signature.name for function in graph.library.function}
    if any(_calls(node, functions) for node in result.node):
        result.library.CopyFrom(graph.library)
    return result


def expose(graph: GraphDef, outputs: Sequence[Cut]) -> tuple[GraphDef, tuple[str, ...]]:
    """A copy of ``graph`` in which each of ``outputs`` is a tensor that no node reads, and these tensors' names.

    OpenVINO's outputs are the tensors that nothing reads. So a tensor inside the graph gets an Identity.
    """
    result = _copy(graph)
    read = {tensor(name) for node in result.node for name in data_inputs(node)}
    several = {cut.node for cut in outputs if cut.port}  # OpenVINO takes port 0 of what nothing reads, and no other
    names = []
    for cut in outputs:
        name = cut.tensor
        if (cut.node, cut.port) in read or cut.node in several:
            exposed = result.node.add()
            exposed.name, exposed.op = f"{cut.node}/output_port_{cut.port}", "Identity"
            exposed.input.append(name.removesuffix(":0"))
            source = next(node for node in result.node if node.name == cut.node)
            exposed.attr["T"].type = output_type(source, cut.port)
            name = f"{exposed.name}:0"
        names.append(name)
    return result, tuple(names)


def check_closed(graph: GraphDef, placeholders: Sequence[str]) -> None:
    """Raise :class:`FreezeError` unless ``placeholders`` are all the inputs of ``graph``, and each of them is used."""
    open_ends = [
        f"{node.name} ({node.op})"
        for node in graph.node
        if not node.input and node.op not in VARIABLE_OPS | {"Const", "NoOp"} and node.name not in placeholders
    ]
    cut = ", ".join(map(repr, placeholders))
    if open_ends:
        raise FreezeError(
            f"cut at {cut}, the output still depends on {listed(open_ends)}",
            hint="the descriptor's input_info must name the tensors that the images enter through",
        )
    unused = sorted(set(placeholders) - {node.name for node in graph.node})
    if unused:
        raise FreezeError(f"the output does not depend on the input {listed(map(repr, unused))}")


def rank(placeholder: NodeDef) -> int | None:
    """The number of axes of a Placeholder; None where it is open."""
    shape = placeholder.attr["shape"].shape if "shape" in placeholder.attr else None
    return None if shape is None or shape.unknown_rank else len(shape.dim)


def tensor(name: str) -> tuple[str, int]:
    """A node input as (node, output port). What is no number is no port: then no node is called like that.

    >>> tensor("split:2"), tensor("relu"), tensor("^init"), tensor("split:x")
    (('split', 2), ('relu', 0), ('init', 0), ('split:x', 0))
    """
    whole = name.removeprefix("^")
    node, _, port = whole.rpartition(":")
    is_port = node and port.isdecimal() and port.isascii() and len(port) < 10
    return (node, int(port)) if is_port else (whole, 0)


def data_inputs(node: NodeDef) -> list[str]:
    """The inputs of ``node`` that carry tensors."""
    return [name for name in node.input if not name.startswith("^")]


def _gates(node: NodeDef, nodes: dict[str, NodeDef]) -> list[str]:
    """The control inputs of ``node`` that say in which branch or loop of TensorFlow 1 it is computed.

    They come from an operation of :data:`CONTROL_FLOW_OPS`, or from an Identity that reads one.
    """
    gates = []
    for name in node.input:
        pivot = nodes.get(name[1:]) if name.startswith("^") else None
        if pivot is not None and pivot.op == "Identity" and pivot.input:
            pivot = nodes.get(tensor(pivot.input[0])[0])
        if pivot is not None and pivot.op in CONTROL_FLOW_OPS:
            gates.append(name)
    return gates


def _copy(graph: GraphDef) -> GraphDef:
    result = type(graph)()
    result.CopyFrom(graph)
    return result


def _calls(node: NodeDef, functions: set[str]) -> bool:
    return node.op in functions or any(value.HasField("func") or value.list.func for value in node.attr.values())


def _make_placeholder(node: NodeDef, name: str, kind: int, rank: int | None) -> None:
    node.Clear()
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = kind
    shape = node.attr["shape"].shape
    shape.unknown_rank = rank is None
    for _ in range(rank or 0):
        shape.dim.add().size = -1


def _find(nodes: dict[str, NodeDef], name: str, role: str) -> NodeDef:
    if name in nodes:
        return nodes[name]
    near = get_close_matches(name, nodes, n=3)
    hint = f"did you mean {listed(near)}?" if near else "the descriptor and the checkpoint do not belong together"
    raise FreezeError(f"the graph has no node {name!r} for the model's {role}", hint=hint)
