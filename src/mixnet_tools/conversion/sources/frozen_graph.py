"""Reads frozen TensorFlow graphs: one file whose weights are constants, binary (.pb) or text (.pbtxt)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs.graph_file import parse_graph
from mixnet_tools.conversion.sources.graph_source import GraphSource

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef


class FrozenGraphSource(GraphSource):
    """A ``.pb`` or ``.pbtxt`` file."""

    kind = "frozen_graph"
    content = "graph"
    option = "input_model"

    @classmethod
    def path_problem(cls, path: Path) -> str | None:
        """See :meth:`SourceModel.path_problem`."""
        return f"{path.name} does not fit the framework" if path.suffix == ".onnx" else None

    def files(self) -> tuple[Path, ...]:
        """See :meth:`SourceModel.files`."""
        return (self.plan.source.path,)

    def graph(self) -> GraphDef:
        """See :meth:`GraphSource.graph`."""
        from tensorboard.compat.proto.graph_pb2 import GraphDef

        return parse_graph(self.plan.source.path, GraphDef(), "frozen graph", self.fetch_again)
