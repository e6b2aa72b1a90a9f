"""Edits the variables of TensorFlow graphs: makes constants of them, gives them other names.

Like :mod:`mixnet_tools.conversion.graphs.surgery`, it works on messages only. The caller knows where values come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mixnet_tools.inference.base import Array

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.tensor_pb2 import TensorProto

VARIABLE_OPS = frozenset({"Variable", "VariableV2", "VarHandleOp"})
AVERAGE_SUFFIX = "/ExponentialMovingAverage"
DT_FLOAT, DT_INT32 = 1, 3  # of tensorflow/core/framework/types.proto


def fold_variables(graph: GraphDef, read_variable: Callable[[str], TensorProto]) -> GraphDef:
    """``graph`` with each variable replaced by a Const of its value, and each read of it by an Identity.

    ``read_variable`` maps a variable's name in the checkpoint to its value as a TensorProto.
    """
    result = type(graph)()
    result.versions.CopyFrom(graph.versions)
    result.library.CopyFrom(graph.library)
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
        elif node.op == "ResourceGather":
            _gather_from_constant(result, kept, node)
        else:
            kept.CopyFrom(node)
    return result


def rename_variables(graph: GraphDef, names: Mapping[str, str]) -> GraphDef:
    """A copy of ``graph`` whose variables (by their nodes' names) are called as ``names`` says.

    Who reads a checkpoint by the variables' names gets other values.
    """
    result = type(graph)()
    result.CopyFrom(graph)
    renamed: dict[str, str] = {}
    for node in result.node:
        name = names.get(node.name)
        if node.op in VARIABLE_OPS and name is not None and name != variable_key(node):
            renamed[node.name] = name
            node.name = name
            if node.op == "VarHandleOp":
                node.attr["shared_name"].s = name.encode()
    for node in result.node:
        for index, name in enumerate(node.input):
            producer, colon, port = name.partition(":")
            if producer in renamed:
                node.input[index] = renamed[producer] + colon + port
    return result


def variable_key(node: NodeDef) -> str:
    """The name under which a variable's value stands in a checkpoint."""
    shared = node.attr["shared_name"].s.decode() if "shared_name" in node.attr else ""
    return shared if node.op == "VarHandleOp" and shared else str(node.name)


def own_names(graph: GraphDef) -> dict[str, str]:
    """The variables of ``graph``: the name of the node, and the name in a checkpoint that follows from it."""
    return {node.name: variable_key(node) for node in graph.node if node.op in VARIABLE_OPS}


def as_proto(array: Array, graph: GraphDef) -> TensorProto:
    """``array`` as a message of the classes that ``graph`` is made of."""
    from mixnet_tools.reference.tensorflow_library import number_of

    proto = type(graph)().node.add().attr["value"].tensor
    proto.dtype = number_of(array.dtype)
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    proto.tensor_content = array.tobytes()
    return proto


def constants(graph: GraphDef) -> Iterator[tuple[str, Array]]:
    """The constants of ``graph`` in float32, each by its node's name."""
    for node in graph.node:
        if node.op == "Const" and node.attr["dtype"].type == DT_FLOAT:
            value = node.attr["value"].tensor
            if value.tensor_content:
                yield node.name, np.frombuffer(value.tensor_content, "<f4")
            else:
                yield node.name, np.array(value.float_val, np.float32)


def variable_names(graph: GraphDef) -> set[str]:
    """The checkpoint names of all variables of ``graph``."""
    return {variable_key(node) for node in graph.node if node.op in VARIABLE_OPS}


def _gather_from_constant(graph: GraphDef, kept: NodeDef, node: NodeDef) -> None:
    """A lookup in a variable as a lookup in a tensor, along axis 0."""
    axis = graph.node.add()
    axis.name, axis.op = f"{node.name}/axis", "Const"
    axis.attr["dtype"].type = DT_INT32
    axis.attr["value"].tensor.dtype = DT_INT32
    axis.attr["value"].tensor.tensor_shape.SetInParent()
    axis.attr["value"].tensor.int_val.append(0)
    kept.name, kept.op = node.name, "GatherV2"
    kept.input.extend((*node.input, axis.name))
    kept.attr["Tparams"].type = node.attr["dtype"].type
    kept.attr["Tindices"].type = node.attr["Tindices"].type
    kept.attr["Taxis"].type = DT_INT32
    kept.attr["batch_dims"].i = node.attr["batch_dims"].i
