"""Reads ``saved_model.pb``: the meta graphs of a SavedModel by their tags, without TensorFlow."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from mixnet_tools.conversion.graphs.graph_file import parse_graph
from mixnet_tools.conversion.graphs.message_class import Field, message_class
from mixnet_tools.conversion.graphs.signature import DEFAULT
from mixnet_tools.errors import FreezeError, NextStep

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
    from google.protobuf.message import Message
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef, SignatureDef

GRAPH_FILE = "saved_model.pb"
SERVE = "serve"
OUTPUT = "/output of the signature"
"""OpenVINO takes a key that is also a node's name for another one."""
INITIALIZER = "__saved_model_init_op"
_INITIALIZER_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


class SavedModel(Protocol):
    """The message SavedModel of tensorflow/core/protobuf/saved_model.proto, as far as it is needed here."""

    meta_graphs: RepeatedCompositeFieldContainer[MetaGraphDef]


def read_saved_model(folder: Path, fetch_again: NextStep) -> SavedModel:
    """The SavedModel in ``folder``. Raises :class:`FreezeError` where the file is damaged."""
    return cast(SavedModel, parse_graph(folder / GRAPH_FILE, _message(), "SavedModel", fetch_again))


def choose_graph(saved: SavedModel, tags: tuple[str, ...] | None) -> MetaGraphDef:
    """The graph of ``saved`` with exactly these ``tags``. By default the only one, else the one that is for serving.

    Raises :class:`FreezeError`, which lists the tags that there are.
    """
    graphs = list(saved.meta_graphs)
    sets = [frozenset(graph.meta_info_def.tags) for graph in graphs]
    if tags is not None:
        chosen = [graph for graph, found in zip(graphs, sets, strict=True) if found == frozenset(tags)]
    else:
        ways = (lambda _: len(graphs) == 1, {SERVE}.__eq__, {SERVE}.__le__, frozenset().__eq__)
        fitting = ([graph for graph, found in zip(graphs, sets, strict=True) if fits(found)] for fits in ways)
        chosen = next((found for found in fitting if found), [])
    if len(chosen) != 1:
        wanted = f"tagged {', '.join(tags) or 'with nothing'}" if tags is not None else f"tagged {SERVE}"
        there = "; ".join(", ".join(sorted(found)) or "(no tags)" for found in sets) or "none"
        example = ",".join(sorted(sets[0])) if sets else ""
        raise FreezeError(
            f"expected one graph {wanted}, got {len(chosen)}; the tags of its graphs are: {there}",
            hint=f"choose one: `tags={example}`" if example else None,
        )
    return chosen[0]


def with_one_signature(saved: SavedModel, meta: MetaGraphDef, signature: SignatureDef) -> bytes:
    """A message of ``saved``'s class with nothing but the graph ``meta``, tagged for serving, and ``signature`` as its
    default: the form in which OpenVINO finds them. Outputs have keys that end in :data:`OUTPUT`.
    """
    result = type(saved)()
    kept = result.meta_graphs.add()
    kept.CopyFrom(meta)
    del kept.meta_info_def.tags[:]
    kept.meta_info_def.tags.append(SERVE)
    for key in list(kept.signature_def):
        if key != INITIALIZER:
            del kept.signature_def[key]
    default = kept.signature_def[DEFAULT]
    default.CopyFrom(signature)
    default.outputs.clear()
    for key, info in signature.outputs.items():
        default.outputs[key + OUTPUT].CopyFrom(info)
    data: bytes = result.SerializeToString()  # type: ignore[attr-defined]
    return data


def initializer(meta: MetaGraphDef) -> str | None:
    """The name of the operation that a loader runs once after restoring, or None."""
    if INITIALIZER in meta.signature_def:
        outputs = meta.signature_def[INITIALIZER].outputs
        return str(outputs[INITIALIZER].name).partition(":")[0]
    for name in _INITIALIZER_COLLECTIONS:
        if name in meta.collection_def and meta.collection_def[name].node_list.value:
            return str(meta.collection_def[name].node_list.value[0]).partition(":")[0]
    return None


def assets(meta: MetaGraphDef, folder: Path) -> dict[str, str]:
    """The tensors that get the paths of asset files, and these paths."""
    return {entry.tensor_info.name: str(folder / "assets" / entry.filename) for entry in meta.asset_file_def}


@cache
def _class() -> type[Message]:
    """The message class SavedModel, as far as it is needed here: tensorflow/core/protobuf/saved_model.proto."""
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

    return message_class("SavedModel", [Field("meta_graphs", 2, MetaGraphDef, repeated=True)])


def _message() -> Message:
    return _class()()
