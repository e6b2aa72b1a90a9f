"""Runs an original TensorFlow model, given as a frozen graph, over batches of images, in float32 on the CPU."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.launchers.base import Array, Digest, RunnerInfo, Synchronous
from mixnet_tools.errors import EvaluationError
from mixnet_tools.inference.tensorflow import TensorFlowGraph
from mixnet_tools.ir.image_input import COLOUR, GREY
from mixnet_tools.values import FrozenGraph


class TensorFlowRunner(Synchronous):
    """A frozen graph in TensorFlow. Its input is NHWC."""

    def __init__(self, frozen: FrozenGraph, *, threads: int | None = None) -> None:
        """Load ``frozen`` for ``threads`` processors (default: all).

        Raises :class:`EvaluationError` unless it has one image input with 3 channels or 1 and one output.
        """
        if len(frozen.inputs) != 1 or len(frozen.outputs) != 1:
            raise EvaluationError(
                f"{frozen.name}: expected a classifier with one input and one output, "
                f"got {', '.join(frozen.inputs)} and {', '.join(frozen.outputs)}"
            )
        if len(frozen.input_shape) != 4 or frozen.input_shape[3] not in (COLOUR, GREY):
            raise EvaluationError(
                f"{frozen.name}: expected an NHWC image input with {COLOUR} channels or {GREY}, "
                f"got {list(frozen.input_shape)}"
            )
        self._graph = TensorFlowGraph(frozen, threads)
        _, height, width, channels = frozen.input_shape
        # The graph may leave the length of its answer open: a grey image tells it.
        probe = self._graph.run(np.full((1, height, width, channels), 128, dtype=np.float32))
        digest = Digest("frozen graph", hashlib.sha256(frozen.graph_def).hexdigest())
        packages = (("tensorflow", self._graph.version),)
        classes = int(probe[0].size)
        self._info = RunnerInfo(
            "tf", None, "CPU", height, width, classes, (digest,), packages=packages, channels=channels
        )

    @property
    def info(self) -> RunnerInfo:
        """See :attr:`Runner.info`."""
        return self._info

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        logits = self._graph.run(np.ascontiguousarray(batch, dtype=np.float32))
        return np.asarray(logits, dtype=np.float32).reshape(len(logits), -1)
