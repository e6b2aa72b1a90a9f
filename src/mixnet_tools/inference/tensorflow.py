"""Runs a frozen TensorFlow graph on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixnet_tools.errors import EvaluationError, last_line
from mixnet_tools.inference.base import Array, Model
from mixnet_tools.inference.tensorflow_import import import_tensorflow
from mixnet_tools.values import FrozenGraph


class TensorFlowGraph(Model):
    """A frozen graph in a session of its own. Inputs and outputs are called as the tensors are (``logits:0``)."""

    def __init__(self, frozen: FrozenGraph, threads: int | None = None) -> None:
        """Load ``frozen``; it computes with ``threads`` processors (default: all).

        Raises :class:`EvaluationError` where TensorFlow cannot load it.
        """
        tensorflow = import_tensorflow()
        graph_def = tensorflow.compat.v1.GraphDef()
        graph_def.ParseFromString(frozen.graph_def)
        graph = tensorflow.Graph()
        try:
            with graph.as_default():
                tensorflow.graph_util.import_graph_def(graph_def, name="")
        except ValueError as error:
            raise EvaluationError(
                f"{frozen.name}: TensorFlow cannot load the graph: {last_line(error)[:300]}"
            ) from error
        self._failures = tensorflow.errors.OpError
        self._name, self.inputs, self.outputs = frozen.name, frozen.inputs, frozen.outputs
        config = tensorflow.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads or 0, inter_op_parallelism_threads=threads or 0
        )
        self._session = tensorflow.compat.v1.Session(graph=graph, config=config if threads else None)

    def infer(self, feeds: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """See :meth:`Model.infer`."""
        wanted = list(outputs or self.outputs)
        try:
            found = self._session.run(wanted, dict(feeds))
        except self._failures as error:
            problem = last_line(error)[:300]
            raise EvaluationError(f"{self._name}: TensorFlow cannot run the graph: {problem}") from error
        return {name: np.asarray(output) for name, output in zip(wanted, found, strict=True)}

    def close(self) -> None:
        """Free what the session holds."""
        self._session.close()
