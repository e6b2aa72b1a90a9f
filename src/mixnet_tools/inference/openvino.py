"""Runs an OpenVINO IR on the CPU, in float32."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mixnet_tools.errors import EvaluationError, last_line
from mixnet_tools.inference.base import Array, Model
from mixnet_tools.ir.core import openvino_core

if TYPE_CHECKING:
    import openvino

PRECISION_HINT = "INFERENCE_PRECISION_HINT"
"""OpenVINO's property for it."""

FLOAT32_ONLY = {PRECISION_HINT: "f32"}
"""Processors with bfloat16 instructions compute in bfloat16 unless told otherwise, which costs 2-3 digits."""


class OpenVinoModel(Model):
    """An IR, computed in float32 whatever its weights are stored in."""

    def __init__(self, xml: Path) -> None:
        """Load ``xml``, its weights beside it. Raises :class:`EvaluationError` where OpenVINO cannot."""
        self._xml = xml
        try:
            self._model = openvino_core(xml).compile_model(xml, "CPU", FLOAT32_ONLY)
        except RuntimeError as error:
            raise EvaluationError(f"{xml}: OpenVINO cannot load this IR: {last_line(error)[:300]}") from error
        self._request = self._model.create_infer_request()
        self.inputs, self.outputs = _names(self._model.inputs), _names(self._model.outputs)

    def run(self, images: Array) -> Array:
        """See :meth:`Model.run`; one image at a time, since an IR has a batch of 1."""
        answers = []
        for image in images:
            self._request.infer({0: image[None]}, share_inputs=False)
            answers.append(self._request.get_output_tensor(0).data.copy())
        return np.concatenate(answers)

    def infer(self, feeds: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """See :meth:`Model.infer`. A tensor may be called by any of its names."""
        given = {self._port(self._model.inputs, name): feed for name, feed in feeds.items()}
        wanted = {name: self._port(self._model.outputs, name) for name in outputs or self.outputs}
        self._request.infer(given, share_inputs=False)
        return {name: self._request.get_tensor(port).data.copy() for name, port in wanted.items()}

    def _port(self, ports: Sequence[openvino.ConstOutput], name: str) -> openvino.ConstOutput:
        port = port_named(ports, name)
        if port is None:
            raise EvaluationError(f"{self._xml}: the IR has no {name!r}; available: {listed(ports)}")
        return port


def port_named(ports: Sequence[openvino.Output], name: str) -> openvino.Output | None:
    """The input or output out of ``ports`` called ``name``, where ``:0`` (an operation's first output) may be missing
    or too much.
    """
    for names in ({name}, {f"{name}:0", name.removesuffix(":0")}):
        for port in ports:
            if names & port.get_names():
                return port
    return None


def listed(ports: Iterable[openvino.Output]) -> str:
    """The shortest name of each of ``ports``, for a message."""
    return ", ".join(sorted(filter(None, _names(ports)))) or "none"


def _names(ports: Iterable[openvino.Output]) -> tuple[str, ...]:
    """The shortest name of each of ``ports``; empty where it has none."""
    return tuple(min(sorted(port.get_names()), key=len, default="") for port in ports)
