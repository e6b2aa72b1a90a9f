"""Guesses where inference begins and ends in a TensorFlow graph, which says neither."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs.output_type import output_type
from mixnet_tools.conversion.graphs.surgery import PLACEHOLDER_OPS, tensor
from mixnet_tools.conversion.graphs.variables import VARIABLE_OPS
from mixnet_tools.conversion.plan import Constant, parse_cut
from mixnet_tools.conversion.survey.ports import Port
from mixnet_tools.errors import FreezeError, listed

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

_ITERATORS = frozenset({"IteratorGetNext", "IteratorGetNextSync"})
_TYPES = {
    1: "f32", 2: "f64", 3: "i32", 4: "u8", 5: "i16", 6: "i8", 7: "string", 9: "i64", 10: "boolean", 14: "bf16",
    17: "u16", 19: "f16",
}  # fmt: skip
"""OpenVINO's names of types by TensorFlow's numbers (tensorflow/core/framework/types.proto)."""

_NO_ANSWER = (
    VARIABLE_OPS
    | PLACEHOLDER_OPS
    | {"Const", "NoOp", "Assert", "ArgMax", "TopK", "TopKV2", "InTopK", "Print", "ReadVariableOp"}
)
_NO_ANSWER_BEGINS = (
    "Assign",
    "Save",
    "Restore",
    "Merge",
    "Apply",
    "ResourceApply",
    "Iterator",
    "IsVariable",
    "VarIsInit",
    "Queue",
)
_NOT_INFERENCE = re.compile(r"(save|gradients|report_uninitialized_variables|init|Adam|train)(_[0-9]+)?")
"""First parts of names of nodes that save, train or initialize. The second saver of a graph is called ``save_1``."""

ANSWERS = (
    "logits", "predictions", "probabilities", "softmax", "probs", "prob", "final_result", "scores", "outputs", "output",
)  # fmt: skip
"""Last parts of names that answers have, the likeliest first."""

_SWITCHES = ("keep", "dropout", "rate", "prob", "batch_size")
"""What names of scalars have in them that say how a graph is run."""

_OLD_SHAPES = 24
"""Graphs written by TensorFlow before this version of the format (1.4) wrote an unknown shape as that of a scalar."""


_Entry = tuple[str, int | None]
"""A node that feeds a graph, and its output port; None: a Placeholder."""


@dataclass(frozen=True)
class GraphEnds:
    """Where inference begins and ends.

    ``constants`` are scalar inputs that get a value, such as whether the graph trains. ``notes`` say what was guessed
    about the outputs.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    constants: tuple[Constant, ...]
    notes: tuple[str, ...]


def find_ends(graph: GraphDef, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> GraphEnds:
    """The ends of ``graph``: those given, in the Model Optimizer's notation, and guesses for the others.

    Raises :class:`FreezeError` where nothing in it can be an output.
    """
    nodes = {node.name: node for node in graph.node}
    notes: tuple[str, ...] = ()
    if outputs:
        chosen = tuple(outputs)
    else:
        chosen, notes = _guess_outputs(graph, nodes)
    entries = _entries(nodes, [parse_cut(name).node for name in chosen])
    old = graph.versions.producer < _OLD_SHAPES
    switches = _switches(nodes, entries, old=old)
    if inputs:
        return GraphEnds(tuple(_given(nodes, name, old=old) for name in inputs), chosen, switches, notes)
    ports = [_port(nodes[node], port, old=old) for node, port in entries]
    found = tuple(port for port in ports if port.shape != ())
    return GraphEnds(found, chosen, switches, notes)


def _guess_outputs(graph: GraphDef, nodes: dict[str, NodeDef]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    read = {tensor(name)[0] for node in graph.node for name in node.input}
    values = {name for name, node in nodes.items() if node.op == "Identity" and _reads_variable(node, nodes)}
    leaves = [node.name for node in graph.node if node.name not in read | values and _may_answer(node)]
    if len(leaves) == 1 and nodes[leaves[0]].op != "Squeeze":
        return (leaves[0],), ()
    inside = _ancestors(nodes, leaves) if leaves else set(nodes)
    for word in ANSWERS:
        named = [name for name in nodes if name in inside and name.rpartition("/")[2].lower() == word]
        named = [name for name in named if _may_answer(nodes[name])]
        if named:
            others = [name for name in leaves if name != named[-1]]
            return (named[-1],), (f"chosen by its name; nothing reads {_listed(others)}",) if others else ()
    if not leaves:
        raise FreezeError("nothing in the graph looks like an answer", hint="name it: `outputs`")
    others = leaves[:-1]
    return (leaves[-1],), (f"the last of what nothing reads; the others are {_listed(others)}",) if others else ()


def _listed(names: Iterable[str]) -> str:
    return listed(list(names))


def _may_answer(node: NodeDef) -> bool:
    if (
        node.op in _NO_ANSWER
        or node.op.startswith(_NO_ANSWER_BEGINS)
        or node.op.endswith("Summary")
        or "Dataset" in node.op
    ):
        return False
    return not _NOT_INFERENCE.fullmatch(node.name.partition("/")[0])


def _reads_variable(node: NodeDef, nodes: dict[str, NodeDef]) -> bool:
    source = nodes.get(tensor(node.input[0])[0]) if node.input else None
    return source is not None and source.op in VARIABLE_OPS


def _ancestors(nodes: dict[str, NodeDef], ends: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    queue = list(ends)
    while queue:
        name = queue.pop()
        if name not in seen and name in nodes:
            seen.add(name)
            queue += [tensor(one)[0] for one in nodes[name].input]
    return seen


def _entries(nodes: dict[str, NodeDef], ends: Iterable[str]) -> list[_Entry]:
    """What feeds ``ends``: Placeholders (without a port), and outputs of iterators. In the graph's order.

    A Placeholder with a default stands in the middle of a graph: it counts only where nothing else feeds the graph.
    """
    found: dict[_Entry, None] = {}
    with_default: dict[_Entry, None] = {}
    seen: set[str] = set()
    queue = list(ends)
    while queue:
        name = queue.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        if nodes[name].op == "PlaceholderWithDefault":
            with_default[name, None] = None
        elif nodes[name].op in PLACEHOLDER_OPS:
            found[name, None] = None
            continue
        for text in nodes[name].input:
            node, port = tensor(text)
            if node in nodes and nodes[node].op in _ITERATORS:
                found[node, port] = None
            else:
                queue.append(node)
    order = {name: index for index, name in enumerate(nodes)}
    return sorted(found or with_default, key=lambda entry: (order[entry[0]], entry[1] or 0))


def _given(nodes: dict[str, NodeDef], name: str, *, old: bool) -> Port:
    cut = parse_cut(name)
    node = nodes.get(cut.node)
    if node is None:
        return Port(name, None, "f32")  # the conversion says which names there are
    if node.op in PLACEHOLDER_OPS or node.op in _ITERATORS:
        found = _port(node, None if node.op in PLACEHOLDER_OPS else cut.port, old=old)
        return Port(name, found.shape, found.element_type)
    return Port(name, None, "f32" if cut.side == "input" else _TYPES.get(output_type(node, cut.port), "f32"))


def _port(node: NodeDef, port: int | None, *, old: bool) -> Port:
    if port is None:
        shape = _shape(node.attr["shape"].shape) if "shape" in node.attr else None
        if shape == () and not _is_scalar(node, old=old):
            shape = None
        return Port(node.name, shape, _TYPES.get(node.attr["dtype"].type, "f32"))
    shapes = node.attr["output_shapes"].list.shape if "output_shapes" in node.attr else ()
    shape = _shape(shapes[port]) if port < len(shapes) else None
    return Port(f"{node.name}:{port}", shape, _TYPES.get(output_type(node, port), "f32"))


def _shape(shape: TensorShapeProto) -> tuple[int, ...] | None:
    return None if shape.unknown_rank else tuple(int(axis.size) for axis in shape.dim)


def _is_scalar(node: NodeDef, *, old: bool) -> bool:
    """Whether a Placeholder is one number or truth value: a switch of the graph, not its data."""
    if "shape" not in node.attr or node.attr["shape"].shape.unknown_rank or node.attr["shape"].shape.dim:
        return False
    is_number = _TYPES.get(node.attr["dtype"].type) != "boolean"
    return not (old and is_number) or any(word in node.name.lower() for word in _SWITCHES)


def _switches(nodes: dict[str, NodeDef], entries: Iterable[_Entry], *, old: bool) -> tuple[Constant, ...]:
    """A value for each scalar Placeholder: that of inference, as far as its name tells."""
    found = []
    for name, port in entries:
        node = nodes[name]
        if port is not None or node.op == "PlaceholderWithDefault" or not _is_scalar(node, old=old):
            continue
        low, kind = name.lower(), _TYPES.get(node.attr["dtype"].type)
        if kind == "boolean":
            found.append(Constant(name, str(any(word in low for word in ("infer", "test", "eval")))))
        elif kind in ("f32", "f64"):
            found.append(Constant(name, "1.0" if "keep" in low else "0.0"))
        elif kind in ("i32", "i64"):
            found.append(Constant(name, "1" if "batch" in low else "0"))
    return tuple(found)
