"""Reads ``saved_model.pb``: the meta graphs of a SavedModel by their tags, without TensorFlow."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from mixnet_tools.conversion.graphs.graph_file import parse_graph
from mixnet_tools.conversion.graphs.message_class import Field, message_class
from mixnet_tools.errors import FreezeError, NextStep

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

GRAPH_FILE = "saved_model.pb"
SERVE = "serve"
INITIALIZER = "__saved_model_init_op"
_INITIALIZER_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


def read_meta_graph(folder: Path, fetch_again: NextStep) -> MetaGraphDef:
    """The meta graph of the SavedModel in ``folder`` that is tagged for serving, or the only one.

    Raises :class:`FreezeError` where the file is damaged, and where no meta graph is the one to take.
    """
    parsed = cast(_SavedModel, parse_graph(folder / GRAPH_FILE, _message(), "SavedModel", fetch_again))
    graphs = list(parsed.meta_graphs)
    serving = [graph for graph in graphs if SERVE in graph.meta_info_def.tags]
    chosen = serving or graphs
    if len(chosen) != 1:
        found = "; ".join(", ".join(graph.meta_info_def.tags) or "(none)" for graph in graphs) or "none"
        raise FreezeError(f"{folder}: expected one graph tagged {SERVE!r}, got {len(chosen)}; the tags are: {found}")
    return chosen[0]


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


class _SavedModel(Protocol):
    meta_graphs: list[MetaGraphDef]


@cache
def _class() -> type[Message]:
    """The message class SavedModel, as far as it is needed here: tensorflow/core/protobuf/saved_model.proto."""
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

    return message_class("SavedModel", [Field("meta_graphs", 2, MetaGraphDef, repeated=True)])


def _message() -> Message:
    return _class()()
