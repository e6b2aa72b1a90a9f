"""Running a model over batches of images: the :class:`Runner` that the evaluation knows, and who can be one.

Both runners compute in float32 on the CPU. They know nothing of files of images, labels or accuracy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import EvaluationError
from mixnet_tools.inference import FLOAT32_ONLY, TensorFlowGraph
from mixnet_tools.values import FrozenGraph, IRModel

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
    """

    launcher: str
    precision: str | None
    device: str
    height: int
    width: int
    classes: int
    digests: tuple[Digest, ...]

    @property
    def label(self) -> str:
        """A short name for messages: ``openvino FP16``, ``tf``."""
        return f"{self.launcher} {self.precision}" if self.precision else self.launcher


class Runner(Protocol):
    """A loaded model."""

    @property
    def info(self) -> RunnerInfo:
        """What this is."""

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """Logits, float32 [N, classes], of ``batch``: uint8 or float32 [N, height, width, 3], values as the model
        expects them, channels in the order that it takes.
        """


class OpenVinoRunner:
    """An IR on the CPU, as many images at once as the device wants, computed in float32 whatever its weights are.

    The IR has one input, an image with the layout that the IR names (where it names none, the dimension of size 3 tells
    NHWC from NCHW), and one output [1, classes].
    """

    def __init__(self, ir: IRModel) -> None:
        """Load ``ir``. Raises :class:`EvaluationError` that names the file where it cannot be read, or is no such
        classifier.
        """
        import openvino

        core = openvino.Core()
        try:
            model = core.read_model(ir.xml)
            self._channels_first, height, width = _image_input(model, ir.xml)
            self._compiled = core.compile_model(model, "CPU", {**FLOAT32_ONLY, "PERFORMANCE_HINT": "THROUGHPUT"})
        except RuntimeError as error:
            raise EvaluationError(
                f"{ir.xml}: OpenVINO cannot load this IR: {_last_line(error)}",
                hint=f"convert the model again: mixnet-convert --name {ir.name}",
            ) from error
        classes = _classes(self._compiled.output(0).get_partial_shape(), len(self._compiled.outputs), ir.xml)
        digests = tuple(Digest(path.name, _sha256(path)) for path in (ir.xml, ir.bin))
        self._info = RunnerInfo("openvino", ir.precision, "CPU", height, width, classes, digests)
        self._queue: Any = openvino.AsyncInferQueue(self._compiled)
        self._queue.set_callback(_store)

    @property
    def info(self) -> RunnerInfo:
        """What this is."""
        return self._info

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        images = np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if self._channels_first else batch, dtype=np.float32)
        logits = np.full((len(images), self._info.classes), np.nan, dtype=np.float32)
        try:
            for index in range(len(images)):
                self._queue.start_async({0: images[index : index + 1]}, userdata=(logits, index), share_inputs=True)
        finally:
            # Requests read `images` without a copy: it must outlive them, also when Ctrl-C comes in between.
            self._queue.wait_all()
        return logits


class TensorFlowRunner:
    """The original model, as a frozen graph, on the CPU."""

    def __init__(self, frozen: FrozenGraph) -> None:
        """Load ``frozen``. Raises :class:`EvaluationError` where it is no image classifier."""
        if len(frozen.inputs) != 1 or len(frozen.outputs) != 1:
            raise EvaluationError(
                f"{frozen.name}: expected a classifier with one input and one output, "
                f"got {', '.join(frozen.inputs)} and {', '.join(frozen.outputs)}"
            )
        if len(frozen.input_shape) != 4 or frozen.input_shape[3] != CHANNELS:
            raise EvaluationError(
                f"{frozen.name}: expected an NHWC image input with {CHANNELS} channels, got {list(frozen.input_shape)}"
            )
        self._graph = TensorFlowGraph(frozen)
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


def _store(request: Any, userdata: tuple[Array, int]) -> None:
    logits, index = userdata
    logits[index] = request.get_output_tensor(0).data.reshape(-1)


def _image_input(model: Any, xml: Path) -> tuple[bool, int, int]:
    """(whether channels come before height and width, height, width) of the one input; makes its batch 1."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise EvaluationError(
            f"{xml}: expected a classifier with one input and one output, "
            f"got {len(model.inputs)} and {len(model.outputs)}"
        )
    shape = model.input(0).get_partial_shape()
    sizes = [dimension.get_length() if dimension.is_static else -1 for dimension in shape]
    named = model.get_parameters()[0].layout
    layout = named.to_string().strip("[]").replace(",", "")
    if named.empty:
        layout = "NCHW" if len(sizes) == 4 and sizes[1] == CHANNELS and sizes[3] != CHANNELS else "NHWC"
    if sorted(layout) != sorted("NHWC") or len(sizes) != 4:
        raise EvaluationError(f"{xml}: expected an image input of layout NHWC or NCHW, got {layout} {shape}")
    size = dict(zip(layout, sizes, strict=True))
    if layout not in ("NHWC", "NCHW") or size["C"] != CHANNELS or size["H"] < 1 or size["W"] < 1:
        raise EvaluationError(
            f"{xml}: expected an image input of fixed size with {CHANNELS} channels, got {layout} {shape}"
        )
    if size["N"] != 1:
        model.reshape([1, *sizes[1:]])
    return layout == "NCHW", size["H"], size["W"]


def _classes(shape: Any, outputs: int, xml: Path) -> int:
    if shape.is_dynamic:
        raise EvaluationError(f"{xml}: the output's shape is open: {shape}; expected [1, classes]")
    return int(np.prod([dimension.get_length() for dimension in shape]))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
