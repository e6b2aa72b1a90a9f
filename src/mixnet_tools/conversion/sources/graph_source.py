"""Converts one TensorFlow graph in a file, cut and pruned: the common part of meta graphs and frozen graphs."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.conversion.graphs import surgery, variables
from mixnet_tools.conversion.graphs.inference_graph import InferenceGraph, inference_graph
from mixnet_tools.conversion.graphs.weights import WeightChoice
from mixnet_tools.conversion.plan import ConversionPlan, parse_cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.conversion.reference.child import graph_reference
from mixnet_tools.conversion.sources.base import SourceModel
from mixnet_tools.conversion.sources.openvino_frontend import convert_file, restore_output_names, write
from mixnet_tools.errors import FreezeError, listed
from mixnet_tools.inference.base import Array
from mixnet_tools.reference.job import Job, Restore
from mixnet_tools.reference.process import ReferenceProcess
from mixnet_tools.reference.reachable import purposes_of, refuse_unsafe
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
        path = self.plan.source.path
        if not self._graph.node:
            raise FreezeError(f"{path}: a graph without nodes ({path.stat().st_size} bytes)", hint=self.fetch_again)
        outputs = self.plan.outputs or tuple(parse_cut(name) for name in self._cut.outputs)
        self.plan = replace(self.plan, outputs=outputs)
        self._job  # noqa: B018 - refuses what is unsafe
        self.plan = replace(self.plan, weights=self.choice.used)
        if self.is_frozen_first:
            self.freeze()
        return self.plan

    def notes(self) -> tuple[str, ...]:
        """See :meth:`SourceModel.notes`."""
        if not self.pruned.dropped_inputs:
            return ()
        cuts = ", ".join(entry.cut.text for entry in self.plan.inputs)
        operations = listed(self.pruned.dropped_inputs)
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
            model = convert_file(self, self._file_for_openvino(Path(scratch)))
        restore_output_names(model)
        return model

    def node_names(self) -> frozenset[str]:
        """See :meth:`SourceModel.node_names`."""
        return self.pruned.node_names

    def reference(self, process: ReferenceProcess) -> Reference:
        """See :meth:`SourceModel.reference`."""
        return graph_reference(process, *self._job)

    def freeze(self) -> FrozenGraph:
        """See :meth:`SourceModel.freeze`."""
        self.check_files()
        self._job  # noqa: B018 - refuses what is unsafe
        return self._frozen

    def constants(self) -> Iterator[tuple[str, Array]]:
        """See :meth:`SourceModel.constants`."""
        own = variables.own_names(self.pruned.graph)
        yield from variables.constants(self.pruned.graph)
        if own:
            value = self.values(self.pruned.graph)
            yield from ((name, value(name)) for name in own.values())

    @property
    def is_frozen_first(self) -> bool:
        """Whether OpenVINO gets a graph into which TensorFlow has put the weights."""
        return self.plan.freezer == "tensorflow"

    @cached_property
    def pruned(self) -> InferenceGraph:
        """The part of the graph that is converted. Its variables are called as their values are in the checkpoint."""
        cut = self._cut
        return replace(cut, graph=variables.rename_variables(cut.graph, self.choice.names))

    @cached_property
    def choice(self) -> WeightChoice:
        """The weights of the network's variables."""
        own = variables.own_names(self._cut.graph)
        return self.choose_weights(own) if own else WeightChoice("raw", "all weights are constants", {})

    def choose_weights(self, own: Mapping[str, str]) -> WeightChoice:
        """The weights of the variables ``own`` (node name -> own name)."""
        raise FreezeError(f"{self.plan.source.path}: holds variables, and only a meta graph comes with their values")

    def values(self, graph: GraphDef) -> Callable[[str], Array]:
        """A function that gives the value of a variable of ``graph`` by its name in the checkpoint."""
        raise FreezeError(f"{self.plan.source.path}: holds variables, and only a meta graph comes with their values")

    def with_saver(self, graph: GraphDef) -> tuple[GraphDef, Restore | None]:
        """``graph`` as it is run, and how it gets its weights; None where they are constants."""
        return graph, None

    @cached_property
    def _job(self) -> tuple[Job, GraphDef]:
        """The original as a job, and the graph that it runs: the file's own, but for frozen inputs.

        Raises :class:`UnsafeModelError` where answering or restoring would do more than compute.
        """
        plan, graph = self.plan, self._graph
        planned = {entry.cut.placeholder for entry in plan.inputs}
        feeds = {}
        for entry in plan.inputs:
            feeds[entry.cut.text] = entry.cut.tensor
            if entry.cut.side == "input":  # other readers of the tensor keep their own value
                graph = surgery.insert_placeholder(graph, entry.cut, len(entry.shape) if entry.shape else None)
                feeds[entry.cut.text] = f"{entry.cut.placeholder}:0"
        for constant in plan.constants:
            graph = surgery.fold_placeholder(graph, constant)
        graph, restore = self.with_saver(graph)
        job = Job(
            name=plan.model,
            framework="tensorflow",
            inputs=feeds | {name: f"{name}:0" for name in self._cut.placeholders if name not in planned},
            outputs={cut.text: cut.tensor for cut in plan.outputs} or {name: name for name in self._cut.outputs},
            restore=restore,
            readable=tuple(str(path.resolve().parent) for path in self.files()[1:2]),
            weights=sum(path.stat().st_size for path in self.files()[1:]),
        )
        refuse_unsafe(graph, purposes_of(job), str(plan.source.path))
        return job, graph

    @cached_property
    def _graph(self) -> GraphDef:
        return self.graph()

    @cached_property
    def _cut(self) -> InferenceGraph:
        try:
            return inference_graph(self.plan, self._graph)
        except FreezeError as error:
            raise FreezeError(f"{self.plan.source.path}: {error}", hint=error.hint) from error

    @cached_property
    def _frozen(self) -> FrozenGraph:
        graph = self.pruned.graph
        if variables.variable_names(graph):
            value = self.values(graph)
            graph = variables.fold_variables(graph, lambda name: variables.as_proto(value(name), graph))
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
