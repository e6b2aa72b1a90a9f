"""Converts one TensorFlow graph in a file, cut and pruned: the common part of meta graphs and frozen graphs."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs import surgery, variables
from mixnet_tools.conversion.graphs.checkpoint import Checkpoint
from mixnet_tools.conversion.graphs.inference_graph import InferenceGraph, inference_graph
from mixnet_tools.conversion.plan import ConversionPlan, parse_cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.in_process import tensorflow_reference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.openvino_frontend import convert_file, write
from mixnet_tools.errors import FreezeError
from mixnet_tools.values import FrozenGraph

if TYPE_CHECKING:
    import openvino
    from tensorboard.compat.proto.graph_pb2 import GraphDef


class GraphSource(SourceModel):
    """A graph in a file.

    Where the plan names no inputs, the Placeholders are the inputs. Where it names no outputs, the nodes that nothing
    reads are the outputs. OpenVINO and the reference both get the graph that was cut and pruned here.
    """

    takes_constants = True

    @abstractmethod
    def graph(self) -> GraphDef:
        """The graph as it stands in the file. Raises :class:`FreezeError` where the file is damaged."""

    def read(self) -> ConversionPlan:
        """See :meth:`SourceModel.read`."""
        self.check_files()
        if not self.plan.outputs:  # the graph's own: from here on they are as good as named
            self.plan = replace(self.plan, outputs=tuple(parse_cut(name) for name in self.pruned.outputs))
        if self.is_frozen_first:
            self.freeze()
        return self.plan

    def notes(self) -> tuple[str, ...]:
        """See :meth:`SourceModel.notes`."""
        if not self.pruned.dropped_inputs:
            return ()
        cuts = ", ".join(entry.cut.text for entry in self.plan.inputs)
        operations = surgery.listed(self.pruned.dropped_inputs)
        return (
            f"cut inside the graph at {cuts} ({operations}): {self.dropped} nodes that the output does not need fall "
            "away",
        )

    @property
    def dropped(self) -> int:
        """See :meth:`SourceModel.dropped`."""
        return self.pruned.dropped

    def model(self) -> openvino.Model:
        """See :meth:`SourceModel.model`."""
        with tempfile.TemporaryDirectory(prefix="mixnet-tools-") as scratch:
            return convert_file(self, self._file_for_openvino(Path(scratch)))

    def node_names(self) -> frozenset[str]:
        """See :meth:`SourceModel.node_names`."""
        return self.pruned.node_names

    def reference(self) -> Reference:
        """See :meth:`SourceModel.reference`."""
        inputs = [entry.cut.text for entry in self.plan.inputs] or self.pruned.placeholders
        outputs = [cut.text for cut in self.plan.outputs] or self.pruned.outputs
        return tensorflow_reference(self.freeze(), inputs, outputs)

    def freeze(self) -> FrozenGraph:
        """See :meth:`SourceModel.freeze`."""
        return self._frozen

    @property
    def is_frozen_first(self) -> bool:
        """Whether OpenVINO gets a graph into which TensorFlow has put the weights."""
        return self.plan.freezer == "tensorflow"

    @cached_property
    def pruned(self) -> InferenceGraph:
        """The part of the graph that is converted."""
        self.check_files()
        path, graph = self.plan.source.path, self.graph()
        if not graph.node:
            raise FreezeError(f"{path}: a graph without nodes ({path.stat().st_size} bytes)", hint=self.fetch_again)
        try:
            return inference_graph(self.plan, graph)
        except FreezeError as error:
            raise FreezeError(f"{path}: {error}", hint=error.hint) from error

    def checkpoint(self) -> Checkpoint:
        """The values of the graph's variables."""
        raise FreezeError(f"{self.plan.source.path}: holds variables, and only a meta graph comes with their values")

    @cached_property
    def _frozen(self) -> FrozenGraph:
        graph = self.pruned.graph
        if variables.variable_names(graph):
            checkpoint = self.checkpoint()
            graph = variables.fold_variables(graph, lambda name: checkpoint.read(name, graph))
        return FrozenGraph(
            name=self.plan.model,
            graph_def=graph.SerializeToString(deterministic=True),
            inputs=tuple(f"{name}:0" for name in self.pruned.placeholders),
            outputs=self.pruned.outputs,
            input_shape=self.plan.first_shape,
        )

    def _file_for_openvino(self, folder: Path) -> Path:
        """The graph in a file in ``folder``."""
        frozen = self.freeze().graph_def if self.is_frozen_first else self.pruned.graph.SerializeToString()
        return write(folder / "graph.pb", frozen)
