"""Chooses the signature of a SavedModel, and finds the tensors that names of inputs and outputs stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs.output_type import output_type
from mixnet_tools.conversion.graphs.surgery import tensor
from mixnet_tools.errors import FreezeError, listed

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef, SignatureDef, TensorInfo
    from tensorboard.compat.proto.node_def_pb2 import NodeDef

DEFAULT = "serving_default"
_OF_LOADERS = frozenset({"__saved_model_init_op", "__saved_model_train_op"})
"""Signatures that tell a loader what to run, and are no functions for users."""

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_DEEPEST = 100


def choose_signature(meta: MetaGraphDef, wanted: str | None) -> str:
    """The key of the signature ``wanted``, or without it of ``serving_default`` or the only one.

    Raises :class:`FreezeError`, which lists the signatures.
    """
    known = sorted(key for key in meta.signature_def if key not in _OF_LOADERS)
    if wanted is None and DEFAULT in known:
        return DEFAULT
    if wanted is None and len(known) == 1:
        return str(known[0])
    if wanted in known:
        return str(wanted)
    if not known:
        raise FreezeError(
            "the SavedModel has no signature, so that nothing says what its inputs and outputs are",
            hint="save it with one: tf.saved_model.save(model, folder, signatures=model.call.get_concrete_function(x))",
        )
    problem = f"no signature {wanted!r}" if wanted else f"several signatures, none of which is {DEFAULT!r}"
    raise FreezeError(f"{problem}; available: {listed(known)}", hint=f"choose one: `signature={known[0]}`")


@dataclass(frozen=True)
class Ends:
    """Where a signature begins and ends, by the names that the plan has for it.

    ``inputs`` and ``outputs`` map these names to keys of ``signature``, which holds the tensors. An output inside the
    graph has an entry of its own in it.
    """

    signature: SignatureDef
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def tensors(self, names: Mapping[str, str], role: str) -> dict[str, str]:
        """The tensor of each of ``names``, which are ``inputs`` or ``outputs`` (``role``)."""
        infos = getattr(self.signature, role)
        return {name: str(infos[key].name) for name, key in names.items()}


def find_ends(meta: MetaGraphDef, key: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Ends:
    """The ends of the signature ``key`` that ``inputs`` and ``outputs`` name.

    A name is a key of the signature, its tensor or node (``serving_default_x``, ``probs:0``), the layer that computes
    an output, or for an output a node of the graph. Inputs of the signature that are not named follow; without
    ``outputs`` they are all that the signature has. Raises :class:`FreezeError`, which lists what there is.
    """
    signature = type(meta.signature_def[key])()
    signature.CopyFrom(meta.signature_def[key])
    given = {name: _key(name, "input", signature.inputs, meta) for name in inputs}
    given |= {name: name for name in sorted(signature.inputs) if name not in given.values()}
    wanted: dict[str, str] = {}
    for name in outputs:
        wanted[name] = _key(name, "output", signature.outputs, meta)
    for name in [name for name in signature.outputs if wanted and name not in wanted.values()]:
        del signature.outputs[name]
    return Ends(signature, given, wanted or {name: name for name in sorted(signature.outputs)})


def _key(name: str, role: str, infos: Mapping[str, TensorInfo], meta: MetaGraphDef) -> str:
    if name in infos:
        return name
    for key, info in infos.items():
        if name in (info.name, info.name.removesuffix(":0")):
            return key
    if role == "output":
        node, port = tensor(name)
        found = next((one for one in meta.graph_def.node if one.name == node), None)
        if found is not None:
            key = f"{name}/inside"
            infos[key].name = f"{node}:{port}"  # a map of messages makes the entry
            infos[key].dtype = output_type(found, port)
            infos[key].tensor_shape.unknown_rank = True
            return key
        layers = [
            key
            for key, info in infos.items()
            if any(_is_part(name, made) for made in _makers(meta.graph_def, info.name))
        ]
        if len(layers) == 1:
            return layers[0]
    tensors = [f"{key} (tensor {info.name})" for key, info in sorted(infos.items())]
    raise FreezeError(f"no {role} {name!r}; available: {listed(tensors) or 'none'}")


def _is_part(name: str, path: str) -> bool:
    """Whether ``name`` is a part of the scopes and name of a node, but for the number that Keras adds.

    >>> _is_part("predictions", "model/predictions_1/Softmax"), _is_part("Soft", "model/predictions_1/Softmax")
    (True, False)
    """
    return re.search(rf"(?:^|/){re.escape(name)}(?:_\d+)?(?:/|$)", path) is not None


def _makers(graph: GraphDef, name: str) -> Iterator[str]:
    """The names of the nodes that make the tensor ``name``: in the graph, and in the functions that it calls."""
    functions = {function.signature.name: function for function in graph.library.function}
    nodes: dict[str, NodeDef] = {node.name: node for node in graph.node}
    node, port = tensor(name)
    for _ in range(_DEEPEST):  # a damaged graph may go in a circle
        if node not in nodes:
            return
        found = nodes[node]
        yield found.name
        if found.op in _CALLS and (function := functions.get(found.attr["f"].func.name)) is not None:
            if port >= len(function.signature.output_arg):
                return
            nodes = {one.name: one for one in function.node_def}
            node, port = _inside(function.ret[function.signature.output_arg[port].name])
        elif found.op == "Identity" and found.input:
            node, port = _inside(found.input[0])
        else:
            return


def _inside(name: str) -> tuple[str, int]:
    """A tensor in a function's body, ``node:output:0``, or in a graph, ``node:0``: its node and port.

    >>> _inside("dense:product:0"), _inside("logits")
    (('dense', 0), ('logits', 0))
    """
    parts = name.split(":")
    return parts[0], int(parts[-1]) if len(parts) > 1 else 0
