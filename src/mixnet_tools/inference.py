"""Running a batch of images through a model, in OpenVINO and in TensorFlow: float32 images in, float32 logits out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import EvaluationError
from mixnet_tools.tensorflow_quietly import import_tensorflow
from mixnet_tools.values import FrozenGraph

Array = npt.NDArray[np.float32]

FLOAT32_ONLY = {"INFERENCE_PRECISION_HINT": "f32"}
"""Processors with bfloat16 instructions compute in bfloat16 unless told otherwise, which costs 2-3 digits."""


class TensorFlowGraph:
    """A frozen graph on the CPU, in a session of its own."""

    def __init__(self, frozen: FrozenGraph) -> None:
        tensorflow = import_tensorflow()
        graph_def = tensorflow.compat.v1.GraphDef()
        graph_def.ParseFromString(frozen.graph_def)
        graph = tensorflow.Graph()
        with graph.as_default():
            tensorflow.graph_util.import_graph_def(graph_def, name="")
        self._session: Any = tensorflow.compat.v1.Session(graph=graph)
        self._input = f"{frozen.input_name}:0"
        self._output = f"{frozen.output_name}:0"

    def run(self, images: Array) -> Array:
        """Logits [N, classes] of ``images`` [N, ...], in the order of axes and channels the graph was trained with."""
        logits: Array = self._session.run(self._output, {self._input: images})
        return logits


class OpenVinoModel:
    """An IR on the CPU, one image at a time, computed in float32 whatever its weights are stored in."""

    def __init__(self, xml: Path) -> None:
        import openvino

        try:
            self._model = openvino.Core().compile_model(xml, "CPU", FLOAT32_ONLY)
        except RuntimeError as error:
            raise EvaluationError(f"{xml}: OpenVINO cannot load this IR: {str(error).splitlines()[-1]}") from error

    def run(self, images: Array) -> Array:
        """Logits [N, classes] of ``images`` [N, ...], in the order of axes and channels that the IR takes."""
        request = self._model.create_infer_request()
        rows = [request.infer([image[None]], share_inputs=False)[0].copy() for image in images]
        return np.concatenate(rows).astype(np.float32)
