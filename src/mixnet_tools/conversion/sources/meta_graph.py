"""Reads TF1 meta graphs with their checkpoint, the form in which Cloud TPU published MixNet.

OpenVINO reads the weights itself: the graph is written again, cut and pruned, beside links to the checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs import variables
from mixnet_tools.conversion.graphs.checkpoint import AverageReport, Checkpoint
from mixnet_tools.conversion.graphs.graph_file import parse_graph
from mixnet_tools.conversion.sources.graph_source import GraphSource
from mixnet_tools.conversion.sources.openvino_frontend import write

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef


class MetaGraphSource(GraphSource):
    """A ``.meta`` file, and the checkpoint of the same name beside it."""

    kind = "meta_graph"
    option = "input_meta_graph"
    weights = ("raw", "ema")

    @classmethod
    def path_problem(cls, path: Path) -> str | None:
        """See :meth:`SourceModel.path_problem`."""
        return None if path.suffix == ".meta" else f"expected a .meta file, got {path.name!r}"

    def files(self) -> tuple[Path, ...]:
        """See :meth:`SourceModel.files`. A V1 checkpoint is one file, a V2 checkpoint an index and its data files."""
        meta, prefix = self.plan.source.path, self.prefix
        if self.has_old_format:
            return meta, prefix
        return meta, *self._data_files(), prefix.with_name(f"{prefix.name}.index")

    def graph(self) -> GraphDef:
        """See :meth:`GraphSource.graph`."""
        from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

        return parse_graph(self.plan.source.path, MetaGraphDef(), "meta graph", self.fetch_again).graph_def

    def checkpoint(self) -> Checkpoint:
        """See :meth:`GraphSource.checkpoint`."""
        return Checkpoint.open(self.prefix, self.fetch_again)

    def averages(self) -> AverageReport | None:
        """See :meth:`SourceModel.averages`. Looked at where TensorFlow is at work anyway, or where they are used."""
        if "_frozen" not in vars(self) and self.plan.weights != "ema":
            return None
        used = variables.variable_names(self.pruned.graph)
        return self.checkpoint().averages({name.removesuffix(variables.AVERAGE_SUFFIX) for name in used})

    @property
    def prefix(self) -> Path:
        """The path that the names of the checkpoint's files begin with."""
        return self.plan.source.path.with_suffix("")

    @property
    def has_old_format(self) -> bool:
        """Whether the checkpoint is V1, which OpenVINO does not read."""
        return self.prefix.is_file()

    @property
    def is_frozen_first(self) -> bool:
        """See :meth:`GraphSource.is_frozen_first`."""
        return super().is_frozen_first or self.has_old_format

    def _data_files(self) -> tuple[Path, ...]:
        prefix = self.prefix
        found = sorted(prefix.parent.glob(f"{prefix.name}.data-*-of-*"))
        return tuple(found) or (prefix.with_name(f"{prefix.name}.data-00000-of-00001"),)

    def _file_for_openvino(self, folder: Path) -> Path:
        """The pruned meta graph, and its checkpoint under the same name, as OpenVINO looks for it."""
        if self.is_frozen_first:
            return super()._file_for_openvino(folder)
        from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

        for path in self.files()[1:]:
            (folder / f"model{path.name.removeprefix(self.prefix.name)}").symlink_to(path.resolve())
        meta = MetaGraphDef()
        meta.graph_def.CopyFrom(self.pruned.graph)
        return write(folder / "model.meta", meta.SerializeToString())
