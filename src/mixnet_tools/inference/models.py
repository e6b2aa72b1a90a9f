"""Running a batch through a model, in OpenVINO, TensorFlow and ONNX Runtime: arrays in, float32 arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import EvaluationError, MissingDependency, last_line
from mixnet_tools.inference.tensorflow_import import import_tensorflow
from mixnet_tools.values import FrozenGraph

Array = npt.NDArray[Any]

FLOAT32_ONLY = {"INFERENCE_PRECISION_HINT": "f32"}
"""Processors with bfloat16 instructions compute in bfloat16 unless told otherwise, which costs 2-3 digits."""

_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class Model(Protocol):
    """A loaded model."""

    def run_all(self, feeds: Sequence[Array]) -> list[Array]:
        """All outputs of one call, in the model's order, for one array per input."""


class TensorFlowGraph:
    """A frozen graph on the CPU, in a session of its own."""

    def __init__(self, frozen: FrozenGraph, threads: int | None = None) -> None:
        """Load ``frozen``; it computes with ``threads`` processors (default: all)."""
        tensorflow = import_tensorflow()
        graph_def = tensorflow.compat.v1.GraphDef()
        graph_def.ParseFromString(frozen.graph_def)
        graph = tensorflow.Graph()
        try:
            with graph.as_default():
                tensorflow.graph_util.import_graph_def(graph_def, name="")
        except ValueError as error:
            raise EvaluationError(f"{frozen.name}: TensorFlow cannot load the graph: {_short(error)}") from error
        self._failures = tensorflow.errors.OpError
        self._name, self._inputs, self._outputs = frozen.name, frozen.inputs, frozen.outputs
        config = tensorflow.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads or 0, inter_op_parallelism_threads=threads or 0
        )
        self._session: Any = tensorflow.compat.v1.Session(graph=graph, config=config if threads else None)

    def run(self, images: Array) -> Array:
        """The first output [N, ...] of ``images`` [N, ...], in the order of axes and channels of the graph."""
        return self.run_all([images])[0]

    def run_all(self, feeds: Sequence[Array]) -> list[Array]:
        """See :meth:`Model.run_all`. Raises :class:`EvaluationError` where TensorFlow cannot compute it."""
        try:
            outputs = self._session.run(self._outputs, dict(zip(self._inputs, feeds, strict=True)))
        except self._failures as error:
            raise EvaluationError(f"{self._name}: TensorFlow cannot run the graph: {_short(error)}") from error
        return [np.asarray(output) for output in outputs]


class OnnxModel:
    """An ONNX file on the CPU, in ONNX Runtime. ``outputs`` are the tensors to compute (empty: the model's own);
    ``threads`` is the number of processors to compute with (default: all).
    """

    def __init__(self, path: Path, outputs: Sequence[str] = (), threads: int | None = None) -> None:
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise MissingDependency(
                f"ONNX models are compared with ONNX Runtime, which is not installed ({error.name})",
                hint="pip install 'mixnet-tools[onnx]', or convert with --no_verify",
            ) from error
        self._path = path
        try:
            model = onnx.load(path)
        except Exception as error:  # a protobuf DecodeError, or an OSError of external data
            raise EvaluationError(f"{path}: cannot be read as ONNX: {_short(error)}") from error
        declared = {output.name for output in model.graph.output}
        for name in outputs:
            if name not in declared:  # ONNX Runtime computes declared outputs only
                model.graph.output.add().name = name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads:
            options.intra_op_num_threads = threads
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise EvaluationError(f"{path}: ONNX Runtime cannot load it: {_short(error)}") from error
        self._outputs = list(outputs) or None
        entries = self._session.get_inputs()
        self.inputs = tuple(entry.name for entry in entries)
        self._types = [_ONNX_TYPES.get(entry.type) for entry in entries]

    def run_all(self, feeds: Sequence[Array]) -> list[Array]:
        """See :meth:`Model.run_all`."""
        given = [feed.astype(kind or feed.dtype) for feed, kind in zip(feeds, self._types, strict=True)]
        try:
            outputs = self._session.run(self._outputs, dict(zip(self.inputs, given, strict=True)))
        except Exception as error:
            raise EvaluationError(
                f"{self._path}: ONNX Runtime cannot run it on these inputs: {_short(error)}",
                hint="a batch or shape other than the file's own cannot be compared: --no_verify",
            ) from error
        return [np.asarray(output) for output in outputs]


class OpenVinoModel:
    """An IR on the CPU, computed in float32 whatever its weights are stored in."""

    def __init__(self, xml: Path) -> None:
        import openvino

        try:
            self._model = openvino.Core().compile_model(xml, "CPU", FLOAT32_ONLY)
        except RuntimeError as error:
            raise EvaluationError(f"{xml}: OpenVINO cannot load this IR: {_short(error)}") from error
        self._request = self._model.create_infer_request()

    def run(self, images: Array) -> Array:
        """The first output [N, ...] of ``images`` [N, ...] in the IR's own order, one image at a time."""
        return np.concatenate([self.run_all([image[None]])[0] for image in images])

    def run_all(self, feeds: Sequence[Array]) -> list[Array]:
        """See :meth:`Model.run_all`."""
        self._request.infer(dict(enumerate(feeds)), share_inputs=False)
        return [self._request.get_output_tensor(index).data.copy() for index in range(len(self._model.outputs))]


def _short(error: Exception) -> str:
    return last_line(error)[:300]
