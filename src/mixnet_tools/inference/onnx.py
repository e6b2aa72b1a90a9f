"""Runs an ONNX model on the CPU, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mixnet_tools.errors import EvaluationError, MissingDependency, last_line
from mixnet_tools.inference.base import Array, Model

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class OnnxModel(Model):
    """An ONNX file in a session of its own."""

    def __init__(self, path: Path, outputs: Sequence[str] = (), threads: int | None = None) -> None:
        """Load ``path``.

        ``outputs`` are the tensors to compute (default: those that the file declares), ``threads`` is the number of
        processors to compute with (default: all). Raises :class:`EvaluationError` where the file cannot be loaded,
        :class:`MissingDependency` where ONNX Runtime is not installed.
        """
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise MissingDependency(
                f"ONNX models are compared with ONNX Runtime, which is not installed ({error.name})",
                hint="pip install 'mixnet-tools[onnx]', or convert with `verify=False`",
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
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise EvaluationError(f"{path}: ONNX Runtime cannot load it: {_short(error)}") from error
        entries = self._session.get_inputs()
        self.inputs = tuple(entry.name for entry in entries)
        self.outputs = tuple(outputs) or tuple(entry.name for entry in self._session.get_outputs())
        self._types = {entry.name: _TYPES.get(entry.type) for entry in entries}

    def infer(self, feeds: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """See :meth:`Model.infer`. Arrays of another number type are converted to the model's."""
        wanted = list(outputs or self.outputs)
        given = {name: feed.astype(self._types.get(name) or feed.dtype) for name, feed in feeds.items()}
        try:
            found = self._session.run(wanted, given)
        except Exception as error:
            raise EvaluationError(
                f"{self._path}: ONNX Runtime cannot run it on these inputs: {_short(error)}",
                hint="a batch or shape other than the file's own cannot be compared: `verify=False`",
            ) from error
        return {name: np.asarray(output) for name, output in zip(wanted, found, strict=True)}


def _short(error: Exception) -> str:
    return last_line(error)[:300]
