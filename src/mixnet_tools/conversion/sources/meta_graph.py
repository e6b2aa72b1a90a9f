"""Reads TF1 meta graphs with their checkpoint, the form in which Cloud TPU published MixNet.

OpenVINO reads the weights itself: the graph is written again, cut and pruned, beside links to the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs import variables
from mixnet_tools.conversion.graphs.checkpoint import AverageReport, Checkpoint, read_checkpoint
from mixnet_tools.conversion.graphs.graph_file import parse_graph
from mixnet_tools.conversion.graphs.saver import SLICE, Saver, add_saver, reading_graph, restored_names
from mixnet_tools.conversion.graphs.weights import WeightChoice, choose_weights
from mixnet_tools.conversion.sources.graph_source import GraphSource
from mixnet_tools.conversion.sources.openvino_frontend import write
from mixnet_tools.errors import EvaluationError, FreezeError
from mixnet_tools.files.links import stand_in
from mixnet_tools.inference.base import Array
from mixnet_tools.reference.job import Job, Restore
from mixnet_tools.reference.plain_prefix import PlainPrefix
from mixnet_tools.reference.process import start

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef


class MetaGraphSource(GraphSource):
    """A ``.meta`` file, and the checkpoint of the same name beside it."""

    kind = "meta_graph"
    content = "graph"
    option = "input_meta_graph"
    weights = (None, "raw", "ema")

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
        return self._meta.graph_def

    def choose_weights(self, own: Mapping[str, str]) -> WeightChoice:
        """See :meth:`GraphSource.choose_weights`."""
        available = frozenset(variables.variable_names(self._graph))
        if not self.has_old_format:
            available |= self.checkpoint.entries.keys()
        return choose_weights(self.plan.weights, own, self._restored, available)

    def weights_reason(self) -> str | None:
        """See :meth:`SourceModel.weights_reason`."""
        return self.choice.reason

    def values(self, graph: GraphDef) -> Callable[[str], Array]:
        """See :meth:`GraphSource.values`. Read by TensorFlow where that was asked for, or the format is old."""
        if not self.is_frozen_first:
            return self.checkpoint.value
        return self._read_by_tensorflow(graph).__getitem__

    def with_saver(self, graph: GraphDef) -> tuple[GraphDef, Restore | None]:
        """See :meth:`GraphSource.with_saver`. The file's own saver, unless other weights were asked for."""
        names = self.choice.names
        own = Saver(self._meta.saver_def.restore_op_name, self._meta.saver_def.filename_tensor_name)
        if not names:
            return graph, None
        if any(self._restored.get(node) != name for node, name in names.items()):
            graph, own = add_saver(graph, names)
        return graph, Restore(own.operation, own.filename_tensor, str(self.prefix.absolute()))

    def averages(self) -> AverageReport | None:
        """See :meth:`SourceModel.averages`."""
        own = variables.own_names(self._cut.graph)
        return None if self.has_old_format or not own else self.checkpoint.averages(own.values())

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The index of the checkpoint, which must have the newer format."""
        return read_checkpoint(self.prefix, self.fetch_again)

    @cached_property
    def _meta(self) -> MetaGraphDef:
        from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

        return parse_graph(self.plan.source.path, MetaGraphDef(), "meta graph", self.fetch_again)

    @cached_property
    def _restored(self) -> dict[str, str]:
        return restored_names(self._graph, self._meta.saver_def.restore_op_name)

    def _read_by_tensorflow(self, graph: GraphDef) -> dict[str, Array]:
        kinds = {variables.variable_key(n): n.attr["dtype"].type for n in graph.node if n.op in variables.VARIABLE_OPS}
        with PlainPrefix(self.prefix.absolute()) as plain:
            reading, tensors = reading_graph(type(graph), str(plain.prefix), kinds)
            folders = (str(self.prefix.resolve().parent), *plain.folders)
            job = Job(self.plan.model, "tensorflow", {}, tensors, readable=folders)
            with start(job, reading.SerializeToString()) as process:
                try:
                    return process.run({})
                except EvaluationError as error:
                    message = f"{self.prefix}: cannot read the checkpoint: {error}"
                    raise FreezeError(message, hint=self.fetch_again) from error

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
        return super().is_frozen_first or self.has_old_format or self._is_partitioned

    @property
    def _is_partitioned(self) -> bool:
        """Whether a variable is a part of a larger one, which OpenVINO does not read."""
        return any(SLICE in name for name in self.choice.names.values())

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
            stand_in(folder / f"model{path.name.removeprefix(self.prefix.name)}", path)
        meta = MetaGraphDef()
        meta.graph_def.CopyFrom(self.pruned.graph)
        return write(folder / "model.meta", meta.SerializeToString())
