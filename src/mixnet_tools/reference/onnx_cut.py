"""Takes from an ONNX model the part between given inputs and outputs, which may be values inside the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from mixnet_tools.errors import FreezeError, listed

if TYPE_CHECKING:
    import onnx

_FLOAT = 1  # of onnx.TensorProto


@dataclass(frozen=True)
class Ends:
    """Where a model begins and ends: the value that each name stands for, in the order of the plan."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def find_ends(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> Ends:
    """The values that ``inputs`` and ``outputs`` name, followed by the inputs that ``model`` declares beside these.

    A name is that of a value or of a node: ``node`` is its first output, ``node:1`` its second, ``0:node`` its first
    input. Without ``outputs`` they are those that ``model`` declares. Raises :class:`FreezeError` where nothing is
    called so.
    """
    graph = model.graph
    found = {name: _value(graph, name, "input") for name in inputs}
    others = [entry.name for entry in declared_inputs(graph) if entry.name not in found.values()]
    wanted = {name: _value(graph, name, "output") for name in outputs} or {one.name: one.name for one in graph.output}
    if set(wanted.values()) != {one.name for one in graph.output}:
        needed = _needed(graph, wanted.values(), frozenset(found.values()))[1]
        if idle := sorted(name for name, value in found.items() if value not in needed):
            raise FreezeError(f"the output does not depend on the input {listed(idle)}")
        others = [name for name in others if name in needed]
    return Ends({**found, **{name: name for name in others}}, wanted)


def is_whole(model: onnx.ModelProto, ends: Ends) -> bool:
    """Whether ``ends`` are the inputs and outputs that ``model`` declares."""
    graph = model.graph
    return {entry.name for entry in declared_inputs(graph)} == set(ends.inputs.values()) and {
        output.name for output in graph.output
    } == set(ends.outputs.values())


def cut(model: onnx.ModelProto, ends: Ends, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """A copy of ``model`` that begins and ends at ``ends``, without the nodes in front of and behind them.

    ``shapes`` are the shapes of new inputs, by value.
    """
    result = type(model)()
    result.CopyFrom(
        model if set(ends.inputs.values()) <= {entry.name for entry in model.graph.input} else _with_types(model)
    )
    graph = result.graph
    begins = frozenset(ends.inputs.values())
    nodes, _ = _needed(graph, ends.outputs.values(), begins)
    known = {entry.name: entry for entry in (*graph.input, *graph.value_info, *graph.output)}
    inputs, outputs = (
        [_described(graph, value, known, shapes) for value in values]
        for values in (ends.inputs.values(), dict.fromkeys(ends.outputs.values()))
    )
    kept = [node for index, node in enumerate(graph.node) if index in nodes]
    for node in kept:  # a node that stays for another of its outputs must not make an input's value again
        for index, name in enumerate(node.output):
            if name in begins:
                node.output[index] = f"{name}/before_the_cut"
    read = {name for node in kept for name in _reads(node)} | set(ends.outputs.values())
    constants = [tensor for tensor in graph.initializer if tensor.name in read - begins]
    parts: tuple[tuple[str, Sequence[object]], ...] = (
        ("node", kept), ("initializer", constants), ("input", inputs), ("output", outputs),
    )  # fmt: skip
    copies = [(name, [_copied(one) for one in entries]) for name, entries in parts]
    for name, entries in copies:
        graph.ClearField(name)
        getattr(graph, name).extend(entries)
    return result


def _with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with the types of the values inside it, as far as ONNX can tell them."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model)
    except Exception:  # of onnx, without a common base: the cut then has the commonest type
        return model


def declared_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs of ``graph`` without its weights, which older files list as inputs as well."""
    constants = {tensor.name for tensor in graph.initializer}
    return [entry for entry in graph.input if entry.name not in constants]


def _value(graph: onnx.GraphProto, text: str, role: str) -> str:
    values = {entry.name for entry in graph.input} | {name for node in graph.node for name in node.output if name}
    if text in values:
        return text
    nodes = {node.name: node for node in graph.node if node.name}
    name, _, port = text.rpartition(":")
    first, _, behind = text.partition(":")
    for node, values_of, index in (
        (nodes.get(text), "output", "0"), (nodes.get(name), "output", port), (nodes.get(behind), "input", first),
    ):  # fmt: skip
        ports = list(getattr(node, values_of)) if node is not None else []
        if index.isdigit() and int(index) < len(ports):
            return str(ports[int(index)])
    declared = [entry.name for entry in (declared_inputs(graph) if role == "input" else graph.output)]
    near = get_close_matches(text, values | nodes.keys(), n=3)
    raise FreezeError(
        f"no {role} {text!r}; available: {listed(declared)}, and the values inside the graph",
        hint=f"did you mean {listed(near)}?" if near else f"name one of these in the descriptor: {listed(declared)}",
    )


def _needed(graph: onnx.GraphProto, outputs: Iterable[str], inputs: frozenset[str]) -> tuple[set[int], set[str]]:
    """The positions of the nodes that compute ``outputs`` from ``inputs``, and all values that are read on the way."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    nodes, read, queue = set[int](), set[str](), list(outputs)
    while queue:
        name = queue.pop()
        if name in read:
            continue
        read.add(name)
        index = None if name in inputs else makers.get(name)
        if index is not None and index not in nodes:
            nodes.add(index)
            queue.extend(_reads(graph.node[index]))
    return nodes, read


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """The values that ``node`` reads, and the graphs in its attributes: a branch may read values from around it."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)
            yield from (output.name for output in graph.output)


def _described(
    graph: onnx.GraphProto,
    value: str,
    known: Mapping[str, onnx.ValueInfoProto],
    shapes: Mapping[str, Sequence[int]],
) -> onnx.ValueInfoProto:
    """``value`` as an input or output of a graph: its type, and its shape as far as it is known."""
    if value in known:
        return known[value]
    made: onnx.ValueInfoProto = graph.value_info.add()
    made.name = value
    if value in shapes:
        made.type.tensor_type.elem_type = _FLOAT
        for size in shapes[value]:
            made.type.tensor_type.shape.dim.add().dim_value = size
    return made


def _copied(message: object) -> object:
    copy = type(message)()
    copy.CopyFrom(message)  # type: ignore[attr-defined]
    return copy
