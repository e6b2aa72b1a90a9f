"""A signature of a SavedModel as a graph whose variables are constants: made by TensorFlow, in the child process.

Loading a SavedModel runs what is in it. So it is loaded where the rights are few, and only bytes come back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.reference.job import Job

if TYPE_CHECKING:
    from mixnet_tools.reference.process import ReferenceProcess

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class FrozenSignature:
    """The signature's function as a GraphDef without variables, and the tensor of each input and output by name."""

    graph_def: bytes
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def freezing_job(name: str, folder: Path, signature: str, tags: Sequence[str], size: int) -> Job:
    """The job that freezes ``signature`` of the graph with ``tags`` in the SavedModel ``folder``, of ``size`` bytes."""
    outputs = {"graph": "graph", "names": "names"}
    place = str(folder.absolute())
    readable = (str(folder.resolve()),)
    return Job(name, "tensorflow", {}, outputs, readable=readable, weights=size, freeze=(place, signature, *tags))


def answer_of(process: ReferenceProcess) -> FrozenSignature:
    """What a process says to which :func:`freezing_job` was given. Raises :class:`EvaluationError`."""
    found = process.run({})
    return FrozenSignature(found["graph"].tobytes(), **json.loads(found["names"].tobytes()))


class SignatureFreezer:
    """The child's side: an original without inputs, whose outputs are the graph and the names, as bytes."""

    def __init__(self, tensorflow: ModuleType, job: Job) -> None:
        """Load the SavedModel, and make constants of its variables. ``tensorflow`` is the Python package."""
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        assert job.freeze is not None
        folder, name, *tags = job.freeze
        loaded = tensorflow.saved_model.load(
            folder, tags
        )  # it owns the variables, and must live as long as its functions
        signature = loaded.signatures[name]
        function = convert_variables_to_constants_v2(signature)
        # TensorFlow lists both in the order of their names.
        inputs, outputs = sorted(signature.structured_input_signature[1]), sorted(signature.structured_outputs)
        names = {
            "inputs": dict(zip(inputs, (entry.name for entry in function.inputs), strict=True)),
            "outputs": dict(zip(outputs, (entry.name for entry in function.outputs), strict=True)),
        }
        self._graph: bytes = function.graph.as_graph_def().SerializeToString(deterministic=True)
        self._names = json.dumps(names).encode()

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """See :class:`Original`."""
        return [np.frombuffer(data, np.uint8) for data in (self._graph, self._names)]
