"""Runs the original as it was published, in a child process: a job for :mod:`mixnet_tools.reference` per source."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.errors import EvaluationError
from mixnet_tools.inference.base import Array
from mixnet_tools.reference.job import Job
from mixnet_tools.reference.process import ReferenceProcess


class ChildReference(Reference):
    """The model of a job. It begins to load at once; whoever asks for its outputs waits for it."""

    def __init__(self, job: Job, model: bytes, check_stop: Callable[[], None] = lambda: None) -> None:
        self.inputs, self.outputs = tuple(job.inputs), tuple(job.outputs)
        self._process = ReferenceProcess(job, model, check_stop)

    @property
    def versions(self) -> Mapping[str, str]:
        """See :class:`Reference`. Waits until the model is loaded."""
        said = self._process.ready()
        return {said.package: said.version}

    @property
    def software(self) -> str:
        """See :class:`Reference`. Waits until the model is loaded."""
        return self._process.ready().software

    @property
    def restrictions(self) -> tuple[str, ...]:
        """See :class:`Reference`. Waits until the model is loaded."""
        return self._process.ready().restrictions

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See :meth:`Reference.infer`."""
        try:
            return self._process.run(feeds)
        except EvaluationError as error:
            raise EvaluationError(str(error), hint=error.hint or "convert without comparing: `verify=False`") from error

    def close(self) -> None:
        """See :meth:`Reference.close`."""
        self._process.close()
