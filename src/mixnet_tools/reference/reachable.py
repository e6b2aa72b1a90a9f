"""Which operations of a TensorFlow graph run when a model is restored, initialized and asked for its outputs.

A published graph also holds what is never run: input pipelines, summaries, savers. A session leaves out what the
fetched tensors do not need, so these nodes are left out here too. All that runs is held against
:mod:`mixnet_tools.reference.allowed_operations` before any framework sees the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.errors import UnsafeModelError
from mixnet_tools.reference.allowed_operations import COMPUTING, FILE_NAMES, READING, reason
from mixnet_tools.reference.job import Job

if TYPE_CHECKING:
    from tensorboard.compat.proto.function_pb2 import FunctionDef
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef

_PASSING_ON = ("Identity", "PlaceholderWithDefault", "Reshape", "ExpandDims", "Squeeze", "ShardedFilename")
"""Operations whose result names the same file as their first input."""

_MOST_DIGITS = 10
"""A longer number is no port of a node."""

_FED_PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})


@dataclass(frozen=True)
class Purpose:
    """Why a part of a graph runs: ``what`` for messages, the names of ``operations`` and ``tensors`` it is asked for.

    ``fed`` are the tensors that get their values from outside. ``files`` are those of them that get the name of a file
    of the model's own: its checkpoint, where restoring is the purpose, or its assets, where initializing is.
    """

    what: str
    tensors: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    fed: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


def purposes_of(job: Job) -> list[Purpose]:
    """What a child process would run for ``job``."""
    purposes = [Purpose("the outputs", tensors=tuple(job.outputs.values()), fed=frozenset(job.inputs.values()))]
    if job.restore is not None:
        file = frozenset({job.restore.filename_tensor})
        purposes.append(Purpose("its saver", operations=(job.restore.operation,), fed=file, files=file))
    files = frozenset(job.assets)
    return purposes + [
        Purpose("its initializer", operations=(one,), fed=files, files=files) for one in job.initializers
    ]


def refuse_unsafe(graph: GraphDef, purposes: Collection[Purpose], where: str) -> None:
    """Raise :class:`UnsafeModelError` unless all that ``purposes`` reach in ``graph`` only computes.

    ``where`` is the file, for the message, which names the node, its operation, and what reaches it.
    """
    nodes = {node.name: node for node in graph.node}
    functions = {function.signature.name: function for function in graph.library.function}
    for purpose in purposes:
        own_files = _OwnFiles(nodes, functions, purpose.files)
        for node, function in _reached(nodes, functions, purpose):
            if node.op in functions or node.op in COMPUTING:
                continue
            if purpose.files and (node.op in FILE_NAMES or own_files.are_read_by(node, function)):
                continue
            place = f"in the function {function!r} " if function else ""
            raise UnsafeModelError(
                f"{where}: the operation {node.op} of the node {node.name!r} {place}{reason(node.op)}; {purpose.what} "
                "would run it, and a model may only compute",
                hint="do not run this file: ask whoever made it for a model without this operation",
            )


def reached_part(graph: GraphDef, purposes: Collection[Purpose]) -> GraphDef:
    """``graph`` without the nodes and functions that ``purposes`` do not run; tensors that are fed keep their node.

    For libraries that do not know all operations of a graph: they refuse it whole, whether these would run or not.
    """
    nodes = {node.name: node for node in graph.node}
    functions = {function.signature.name: function for function in graph.library.function}
    kept: set[str] = {split(name)[0] for purpose in purposes for name in purpose.fed}
    called: set[str] = set()
    for purpose in purposes:
        for node, function in _reached(nodes, functions, purpose):
            called.update(_functions_of(node, functions))
            if function is None:
                kept.add(node.name)
    result = type(graph)()
    result.versions.CopyFrom(graph.versions)
    for node in graph.node:
        if node.name in kept:
            added = result.node.add()
            added.CopyFrom(node)
            if any(split(name)[0] not in kept for name in node.input):  # it is fed: nothing that it reads runs
                _make_placeholder(added)
    result.library.function.extend(one for name, one in functions.items() if name in called)
    return result


def split(name: str) -> tuple[str, int | None]:
    """(node, port) of an input's or tensor's name; port None for a control input, -1 for one that is no number.

    >>> split("a/b:1"), split("a"), split("^a"), split("a:x")
    (('a/b', 1), ('a', 0), ('a', None), ('a', -1))
    """
    if name.startswith("^"):
        return name[1:], None
    node, _, port = name.partition(":")
    return node, _number(port or "0")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < _MOST_DIGITS else -1


def _reached(
    nodes: Mapping[str, NodeDef], functions: Mapping[str, FunctionDef], purpose: Purpose
) -> Iterator[tuple[NodeDef, str | None]]:
    """Each node that runs, with the function whose body it stands in (None: the graph itself)."""
    fed = {split(name) for name in purpose.fed}
    fed_nodes = {node for node, _ in fed}
    queue = [*purpose.tensors, *(f"^{name}" for name in purpose.operations)]
    seen: set[str] = set()
    called: list[str] = []
    while queue:
        name, port = split(queue.pop())
        if (name, port) in fed:
            continue
        if port is None and name in fed_nodes and name in nodes and nodes[name].op in _FED_PLACEHOLDERS:
            continue
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        node = nodes[name]
        queue.extend(node.input)
        called.extend(_functions_of(node, functions))
        yield node, None
    # A function runs whole: TensorFlow keeps what has side effects in a body even where nothing reads it.
    entered: set[str] = set()
    while called:
        name = called.pop()
        if name in entered:
            continue
        entered.add(name)
        for node in functions[name].node_def:
            called.extend(_functions_of(node, functions))
            yield node, name


def _functions_of(node: NodeDef, functions: Mapping[str, FunctionDef]) -> list[str]:
    """The functions of the library that ``node`` calls, or names in an attribute."""
    names = [node.op]
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            names.append(value.func.name)
        elif kind == "list":
            names.extend(function.name for function in value.list.func)
    return [name for name in names if name in functions]


class _OwnFiles:
    """Whether an operation that reads a file reads one whose name is fed: the model's own."""

    def __init__(
        self, nodes: Mapping[str, NodeDef], functions: Mapping[str, FunctionDef], files: Collection[str]
    ) -> None:
        self._nodes, self._functions = nodes, functions
        self._files = {split(name)[0] for name in files}

    def are_read_by(self, node: NodeDef, function: str | None) -> bool:
        """Follow the file's name from ``node`` back to a tensor that is fed."""
        place = READING.get(node.op)
        return place is not None and place < len(node.input) and self._is_fed(node.input[place], function, frozenset())

    def _is_fed(self, name: str, function: str | None, seen: frozenset[tuple[str, str | None]]) -> bool:
        if (name, function) in seen:
            return False
        seen |= {(name, function)}
        source = name.removeprefix("^").partition(":")[0]
        if function is None:
            if source in self._files:
                return True
            node = self._nodes.get(source)
        else:
            body = self._functions[function]
            arguments = [argument.name for argument in body.signature.input_arg]
            if source in arguments:
                return self._argument_is_fed(function, arguments.index(source), seen)
            node = next((one for one in body.node_def if one.name == source), None)
        if node is None:
            return False
        return node.op in _PASSING_ON and bool(node.input) and self._is_fed(node.input[0], function, seen)

    def _argument_is_fed(self, function: str, index: int, seen: frozenset[tuple[str, str | None]]) -> bool:
        """Whether every call of ``function`` passes the fed name as argument ``index``."""
        callers: list[tuple[NodeDef, str | None]] = [
            (node, None) for node in self._nodes.values() if function in _functions_of(node, self._functions)
        ]
        callers += [
            (node, name)
            for name, body in self._functions.items()
            for node in body.node_def
            if function in _functions_of(node, self._functions)
        ]
        inputs = [([one for one in node.input if not one.startswith("^")], place) for node, place in callers]
        return bool(inputs) and all(
            index < len(given) and self._is_fed(given[index], place, seen) for given, place in inputs
        )


def _make_placeholder(node: NodeDef) -> None:
    """Make of a fed ``node`` with one output a Placeholder of the same type."""
    types = [value.type for name, value in node.attr.items() if name in ("dtype", "T", "DstT", "out_type")]
    listed = node.attr["output_types"].list.type if "output_types" in node.attr else []
    kind = listed[0] if listed else types[0] if types else 1  # DT_FLOAT
    name = node.name
    node.Clear()
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = kind
