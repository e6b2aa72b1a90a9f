"""Runs a frozen TensorFlow graph on the CPU, in a child process."""

from __future__ import annotations

from mixnet_tools.inference.child import ChildModel
from mixnet_tools.reference.job import Job
from mixnet_tools.values import FrozenGraph


class TensorFlowGraph(ChildModel):
    """A frozen graph. Inputs and outputs are called as the tensors are (``logits:0``)."""

    def __init__(self, frozen: FrozenGraph, threads: int | None = None) -> None:
        """Load ``frozen``; it computes with ``threads`` processors (default: all).

        Raises :class:`EvaluationError` where TensorFlow cannot load it, :class:`MissingDependency` where TensorFlow is
        not installed.
        """
        job = Job(
            name=frozen.name,
            framework="tensorflow",
            inputs={name: name for name in frozen.inputs},
            outputs={name: name for name in frozen.outputs},
            threads=threads,
        )
        super().__init__(job, frozen.graph_def)
