"""Runs the original in this process, by TensorFlow's Python package or ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.inference.base import Array, Model
from mixnet_tools.inference.onnx import OnnxModel
from mixnet_tools.inference.tensorflow import TensorFlowGraph
from mixnet_tools.inference.tensorflow_import import import_tensorflow
from mixnet_tools.values import FrozenGraph


def tensorflow_reference(frozen: FrozenGraph, inputs: Sequence[str], outputs: Sequence[str]) -> Reference:
    """Run ``frozen``. ``inputs`` and ``outputs`` are other names for its tensors, in its own order.

    Raises :class:`EvaluationError` where TensorFlow cannot load it.
    """
    graph = TensorFlowGraph(frozen)
    versions = {"tensorflow": str(import_tensorflow().__version__)}
    return _InProcess(graph, inputs, outputs, versions, graph.close)


def onnx_reference(path: Path, outputs: Sequence[str]) -> Reference:
    """Run the ONNX file at ``path``; ``outputs`` are the tensors to compute (none: those that the file declares).

    Raises :class:`EvaluationError` where ONNX Runtime cannot load it, :class:`MissingDependency` where ONNX Runtime is
    not installed.
    """
    model = OnnxModel(path, outputs)
    import onnxruntime

    return _InProcess(model, model.inputs, model.outputs, {"onnxruntime": str(onnxruntime.__version__)})


class _InProcess(Reference):
    """A loaded model whose tensors have other names here."""

    def __init__(
        self,
        model: Model,
        inputs: Sequence[str],
        outputs: Sequence[str],
        versions: Mapping[str, str],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._model, self._close = model, close
        self._feeds = dict(zip(inputs, model.inputs, strict=True))
        self._fetches = dict(zip(outputs, model.outputs, strict=True))
        self.inputs, self.outputs, self.versions = tuple(inputs), tuple(outputs), versions

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See :meth:`Reference.infer`."""
        found = self._model.infer({self._feeds[name]: array for name, array in feeds.items()})
        return {name: found[tensor] for name, tensor in self._fetches.items()}

    def close(self) -> None:
        """See :meth:`Reference.close`."""
        self._close()
