"""Runs an original ONNX model over batches of images, in ONNX Runtime, in float32 on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.accuracy.launchers.base import Array, Digest, RunnerInfo, Synchronous
from mixnet_tools.errors import EvaluationError, MixnetToolsError, first_line
from mixnet_tools.files.digest import digest_of
from mixnet_tools.inference.onnx import OnnxModel
from mixnet_tools.ir.image_input import COLOUR, GREY, ImageInput, guess_layout
from mixnet_tools.reference.onnx_file import read

if TYPE_CHECKING:
    import onnx


class OnnxRunner(Synchronous):
    """An ONNX file in ONNX Runtime. Its input is NHWC or NCHW, and takes one image, some, or any number of them."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        known: ImageInput | None = None,
        outputs: Sequence[str] = (),
    ) -> None:
        """Load ``path`` for ``threads`` processors (default: all).

        ``known`` is what the descriptor says of its images; it counts where the file leaves sizes open. ``outputs`` are
        those to compute, in the descriptor's notation (default: those that the file declares). Raises
        :class:`EvaluationError` unless it has one image input of known size with 3 channels or 1 and one output,
        :class:`MissingDependency` where ONNX Runtime is not installed.
        """
        if not path.is_file():
            raise EvaluationError(f"{path}: no such model", hint="download the model first")
        try:
            parsed = read(path)
            self._image = _image_input(parsed.graph, path, known, len(outputs or parsed.graph.output))
            self._model = OnnxModel(path, outputs, threads=threads, parsed=parsed)
        except MixnetToolsError:
            raise
        except Exception as error:  # of protobuf, onnx and ONNX Runtime, without a common base
            raise EvaluationError(
                f"{path}: ONNX Runtime cannot load this model: {first_line(error)}",
                hint="a damaged download does this: download the model again",
            ) from error
        height, width = self._image.height, self._image.width
        digests, packages = (Digest(path.name, digest_of(path)),), (("onnxruntime", self._model.version),)
        channels = self._image.channels
        self._info = RunnerInfo("onnx", None, "CPU", height, width, 0, digests, packages=packages, channels=channels)
        # The file may leave the length of its answer open: a grey image tells it.
        probe = self.run(np.full((1, height, width, channels), 128, dtype=np.float32))
        self._info = replace(self._info, classes=int(probe[0].size))

    @property
    def info(self) -> RunnerInfo:
        """See :attr:`Runner.info`."""
        return self._info

    def run(self, batch: npt.NDArray[np.generic]) -> Array:
        """See :meth:`Runner.run`."""
        images = self._image.arrange(batch).astype(np.float32, copy=False)
        together = self._image.batch if self._image.batch > 0 else len(images)
        parts = (images[index : index + together] for index in range(0, len(images), together))
        return np.concatenate([self._answers(part, together) for part in parts])

    def _answers(self, images: npt.NDArray[np.float32], together: int) -> Array:
        """The logits of ``images``, of which the model takes exactly ``together``: the last one fills the rest."""
        filled = np.concatenate([images, *[images[-1:]] * (together - len(images))])
        logits = np.asarray(self._model.run(filled), dtype=np.float32).reshape(together, -1)
        return logits[: len(images)]


def _image_input(graph: onnx.GraphProto, path: Path, known: ImageInput | None, outputs: int) -> ImageInput:
    """The one image input of a graph, read from ``path``, of which ``outputs`` are computed.

    ``known`` is what counts where sizes are open. Raises :class:`EvaluationError` where the input has another form."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    sizes = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim] if inputs else []
    if known is not None and len(sizes) == 4:
        wanted = [sizes[0], *known.shape(1)[1:]]
        if all(own in (wish, 0) for own, wish in zip(sizes, wanted, strict=True)):
            sizes = wanted
    if len(inputs) != 1 or outputs != 1 or len(sizes) != 4 or {COLOUR, GREY}.isdisjoint((sizes[1], sizes[3])):
        raise EvaluationError(
            f"{path}: expected a classifier with one image input of {COLOUR} channels or {GREY} and one output, got "
            f"{len(inputs)} inputs (the first {sizes}) and {outputs} outputs"
        )
    # Two possible places of the channels: ONNX models have them first.
    channels_first = sizes[1] == COLOUR or guess_layout(sizes) == "NCHW" or sizes[1] == sizes[3]
    if known is not None and known.shape(1)[1:] == sizes[1:]:
        channels_first = known.layout == "NCHW"
    height, width = sizes[2:] if channels_first else sizes[1:3]
    if height < 1 or width < 1:
        raise EvaluationError(
            f"{path}: expected an image input of fixed size, got {sizes}", hint="give its shape in input_info"
        )
    channels = sizes[1] if channels_first else sizes[3]
    return ImageInput("NCHW" if channels_first else "NHWC", sizes[0], height, width, channels)
