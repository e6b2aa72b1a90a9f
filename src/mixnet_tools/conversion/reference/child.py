"""Runs the original as it was published, in a child process: a job for :mod:`mixnet_tools.reference` per source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.errors import EvaluationError
from mixnet_tools.inference.base import Array
from mixnet_tools.reference.job import Job
from mixnet_tools.reference.process import ReferenceProcess, Running
from mixnet_tools.reference.reachable import purposes_of, reached_part

if TYPE_CHECKING:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

_UNKNOWN_OPERATION = "Op type not registered"
"""TensorFlow's words for a graph with an operation that it does not know."""


class ChildReference(Reference):
    """The model of a job. It begins to load at once; whoever asks for its outputs waits for it."""

    def __init__(
        self, process: ReferenceProcess, job: Job, model: bytes, smaller: Callable[[], bytes] | None = None
    ) -> None:
        """Load ``model`` into ``process``. ``smaller`` gives the model without what is never run, for libraries that
        do not know all its operations.
        """
        self.inputs, self.outputs = tuple(job.inputs), tuple(job.outputs)
        self._process, self._job, self._smaller = process, job, smaller
        process.load(job, model)

    def _ready(self) -> Running:
        try:
            return self._process.ready()
        except EvaluationError as error:
            if self._smaller is None or _UNKNOWN_OPERATION not in str(error):
                raise
        self._process.load(self._job, self._smaller())
        self._smaller = None
        return self._process.ready()

    @property
    def versions(self) -> Mapping[str, str]:
        """See :class:`Reference`. Waits until the model is loaded."""
        said = self._ready()
        return {said.package: said.version}

    @property
    def software(self) -> str:
        """See :class:`Reference`. Waits until the model is loaded."""
        return self._ready().software

    @property
    def restrictions(self) -> tuple[str, ...]:
        """See :class:`Reference`. Waits until the model is loaded."""
        return self._ready().restrictions

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See :meth:`Reference.infer`."""
        self._ready()
        try:
            return self._process.run(feeds)
        except EvaluationError as error:
            raise EvaluationError(str(error), hint=error.hint or "convert without comparing: `verify=False`") from error


def graph_reference(process: ReferenceProcess, job: Job, graph: GraphDef) -> Reference:
    """The original whose TensorFlow graph is ``graph``, as it stands in its file, in ``process``."""
    job = replace(job, rewrite=False)
    return ChildReference(
        process, job, graph.SerializeToString(), lambda: reached_part(graph, purposes_of(job)).SerializeToString()
    )
