"""Running a model over batches of images: the :class:`Runner` that the evaluation knows, and the original models.

TensorFlow and ONNX Runtime compute in float32 on the CPU; the converted model is :mod:`.openvino_runner`'s subject.
Runners know nothing of files of images, labels or accuracy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import EvaluationError, MixnetToolsError, first_line
from mixnet_tools.files.digest import digest_of
from mixnet_tools.inference.onnx import OnnxModel
from mixnet_tools.inference.tensorflow import TensorFlowGraph
from mixnet_tools.values import FrozenGraph

Array = npt.NDArray[np.float32]
CHANNELS = 3


@dataclass(frozen=True)
class Digest:
    """What was measured: ``what`` is a file's name (or ``frozen graph``), ``sha256`` its digest in lower-case hex."""

    what: str
    sha256: str


@dataclass(frozen=True)
class RunnerInfo:
    """Who computes what.

    ``launcher`` is one of :data:`mixnet_tools.accuracy.LAUNCHERS`; ``precision`` that of the IR, None for the
    original; ``height`` and ``width`` are the size of image that the model takes, ``classes`` the length of its answer.
    ``remarks`` say what is special about how it is computed here.
    """

    launcher: str
    precision: str | None
    device: str
    height: int
    width: int
    classes: int
    digests: tuple[Digest, ...]
    among_devices: bool = False
    """Whether the same model may run on other devices beside this one: then its label says the device."""
    remarks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """See :func:`label_of`."""
        return label_of(self.launcher, self.precision, self.device if self.among_devices else None)


def label_of(launcher: str, precision: str | None, device: str | None) -> str:
    """A short name for messages, files and tables.

    >>> label_of("tf", None, None), label_of("openvino", "FP16", None), label_of("openvino", "FP16", "GPU")
    ('tf', 'openvino FP16', 'openvino FP16 on GPU')
    """
    return " ".join([launcher, *([precision] if precision else []), *([f"on {device}"] if device is not None else [])])


class Runner(Protocol):
    """A loaded model."""

    @property
    def info(self) -> RunnerInfo:
        """What this is."""

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """Logits, float32 [N, classes], of ``batch``: uint8 or float32 [N, height, width, 3], values as the model
        expects them, channels in the order that it takes.
        """

    def start(self, batch: npt.NDArray[np.generic]) -> Callable[[], Array]:
        """Begin to :meth:`run`; what is returned waits for the logits. Answers are to be fetched in order."""

    def settle(self) -> None:
        """Wait until nothing runs any more, whatever became of it."""


class Synchronous:
    """A runner that has nothing in flight when :meth:`start` returns. The base of those that only know ``run``."""

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        raise NotImplementedError

    def start(self, batch: npt.NDArray[np.generic]) -> Callable[[], Array]:
        """See :meth:`Runner.start`."""
        logits = self.run(batch)
        return lambda: logits

    def settle(self) -> None:
        """See :meth:`Runner.settle`."""


class TensorFlowRunner(Synchronous):
    """The original model, as a frozen graph, on the CPU."""

    def __init__(self, frozen: FrozenGraph, *, threads: int | None = None) -> None:
        """Load ``frozen`` for ``threads`` processors (default: all). Raises :class:`EvaluationError` where it is no
        image classifier.
        """
        if len(frozen.inputs) != 1 or len(frozen.outputs) != 1:
            raise EvaluationError(
                f"{frozen.name}: expected a classifier with one input and one output, "
                f"got {', '.join(frozen.inputs)} and {', '.join(frozen.outputs)}"
            )
        if len(frozen.input_shape) != 4 or frozen.input_shape[3] != CHANNELS:
            raise EvaluationError(
                f"{frozen.name}: expected an NHWC image input with {CHANNELS} channels, got {list(frozen.input_shape)}"
            )
        self._graph = TensorFlowGraph(frozen, threads)
        _, height, width, _ = frozen.input_shape
        # The graph's own shapes may be open: a grey image tells how long the answer is.
        probe = self._graph.run(np.full((1, height, width, CHANNELS), 128, dtype=np.float32))
        classes = int(probe[0].size)
        digest = Digest("frozen graph", hashlib.sha256(frozen.graph_def).hexdigest())
        self._info = RunnerInfo("tf", None, "CPU", height, width, classes, (digest,))

    @property
    def info(self) -> RunnerInfo:
        """What this is."""
        return self._info

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        logits = self._graph.run(np.ascontiguousarray(batch, dtype=np.float32))
        return np.asarray(logits, dtype=np.float32).reshape(len(logits), -1)


class OnnxRunner(Synchronous):
    """The original model, as an ONNX file, in ONNX Runtime on the CPU."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Load ``path`` for ``threads`` processors (default: all). Raises :class:`EvaluationError` where it is no image
        classifier, :class:`MissingDependency` where ONNX Runtime is not installed.
        """
        if not path.is_file():
            raise EvaluationError(f"{path}: no such model", hint="fetch it first: mixnet-download")
        try:
            self._model = OnnxModel(path, threads=threads)
            import onnx

            graph = onnx.load(path, load_external_data=False).graph
        except MixnetToolsError:
            raise
        except Exception as error:  # of protobuf, onnx and ONNX Runtime, without a common base
            raise EvaluationError(
                f"{path}: ONNX Runtime cannot load this model: {first_line(error)}",
                hint="a damaged download does this: mixnet-download --force",
            ) from error
        constants = {tensor.name for tensor in graph.initializer}
        inputs = [entry for entry in graph.input if entry.name not in constants]
        sizes = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim] if inputs else []
        if len(inputs) != 1 or len(graph.output) != 1 or len(sizes) != 4 or CHANNELS not in (sizes[1], sizes[3]):
            raise EvaluationError(
                f"{path}: expected a classifier with one image input of {CHANNELS} channels and one output, got "
                f"{len(inputs)} inputs (the first {sizes}) and {len(graph.output)} outputs"
            )
        self._channels_first = sizes[1] == CHANNELS
        self._one_by_one = sizes[0] == 1
        height, width = sizes[2:] if self._channels_first else sizes[1:3]
        if height < 1 or width < 1:
            raise EvaluationError(f"{path}: expected an image input of fixed size, got {sizes}")
        self._info = RunnerInfo("onnx", None, "CPU", height, width, 0, (Digest(path.name, digest_of(path)),))
        probe = self.run(np.full((1, height, width, CHANNELS), 128, dtype=np.float32))
        self._info = replace(self._info, classes=int(probe[0].size))

    @property
    def info(self) -> RunnerInfo:
        """What this is."""
        return self._info

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        images = np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if self._channels_first else batch, dtype=np.float32)
        parts = [images[index : index + 1] for index in range(len(images))] if self._one_by_one else [images]
        logits = np.concatenate([self._model.run(part) for part in parts])
        return np.asarray(logits, dtype=np.float32).reshape(len(images), -1)
