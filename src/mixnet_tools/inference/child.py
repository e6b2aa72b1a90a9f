"""Runs a model in a child process with few rights; see :mod:`mixnet_tools.reference`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixnet_tools.inference.base import Array, Model
from mixnet_tools.reference.job import Job
from mixnet_tools.reference.process import start


class ChildModel(Model):
    """The model of a job, loaded. Inputs and outputs are called as in the job."""

    def __init__(self, job: Job, model: bytes) -> None:
        """Load it. Raises what :meth:`ReferenceProcess.ready` raises."""
        self.inputs, self.outputs = tuple(job.inputs), tuple(job.outputs)
        self._process = start(job, model)
        try:
            self.version = self._process.ready().version
        except BaseException:
            self.close()
            raise

    def infer(self, feeds: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """See :meth:`Model.infer`. Arrays of another number type are converted to the model's."""
        found = self._process.run(feeds)
        return {name: found[name] for name in outputs or self.outputs}

    def close(self) -> None:
        """End the process."""
        self._process.close()
