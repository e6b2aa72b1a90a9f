"""The image input of an IR (layout, size, batch) and the number of classes in its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import IRError, last_line
from mixnet_tools.ir.read import read_ir

if TYPE_CHECKING:
    import openvino

COLOUR, GREY = 3, 1
"""Numbers of channels of an image."""

OPEN = -1
"""Value of a size that the IR leaves open."""


@dataclass(frozen=True)
class ImageInput:
    """The one input of an image model.

    ``height`` and ``width`` are in pixels. ``batch`` is the number of images of one inference, or :data:`OPEN`.
    ``channels`` is :data:`COLOUR` or :data:`GREY`.
    """

    layout: Literal["NHWC", "NCHW"]
    batch: int
    height: int
    width: int
    channels: int = COLOUR

    def arrange(self, images: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """``images`` [N, height, width, channels] with the axes as the model takes them, without gaps in memory."""
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2) if self.layout == "NCHW" else images)

    def shape(self, batch: int) -> list[int]:
        """The shape of the input for ``batch`` images."""
        sizes = {"N": batch, "C": self.channels, "H": self.height, "W": self.width}
        return [sizes[axis] for axis in self.layout]


def guess_layout(sizes: Sequence[int]) -> Literal["NHWC", "NCHW"]:
    """The layout of an image input with these four ``sizes``: channels are where there are three or, failing that, one.

    NHWC where both the second and the fourth size are such a number.

    >>> guess_layout([1, 3, 4, 6]), guess_layout([1, 1, 28, 28]), guess_layout([1, 1, 28, 3])
    ('NCHW', 'NCHW', 'NHWC')
    """
    number = COLOUR if COLOUR in (sizes[1], sizes[3]) else GREY
    return "NCHW" if sizes[1] == number != sizes[3] else "NHWC"


def read_image_input(model: openvino.Model, xml: Path) -> ImageInput:
    """Read the image input of ``model``, which is the IR at ``xml``.

    Where the IR names no layout, :func:`guess_layout` does. Raises :class:`IRError` unless there is one input, of four
    dimensions, with 3 channels or 1 and a fixed height and width.
    """
    if len(model.inputs) != 1:
        raise IRError(f"{xml}: expected one image input, got {len(model.inputs)} inputs")
    sizes = sizes_of(model.input(0)) or []
    layout = layout_of(model.input(0).get_node())
    if not layout:
        layout = guess_layout(sizes) if len(sizes) == 4 else "NHWC"
    by_axis = dict(zip(layout, sizes, strict=False))
    channels = by_axis.get("C")
    fixed = len(sizes) == 4 and min(by_axis.get("H", 0), by_axis.get("W", 0)) > 0
    if layout not in ("NHWC", "NCHW") or not fixed or channels not in (COLOUR, GREY):
        raise IRError(
            f"{xml}: expected an image input of fixed size with {COLOUR} channels or {GREY}, layout NHWC or NCHW, "
            f"got {layout} {model.input(0).get_partial_shape()}"
        )
    return ImageInput("NHWC" if layout == "NHWC" else "NCHW", by_axis["N"], by_axis["H"], by_axis["W"], channels)


def set_batch(model: openvino.Model, image: ImageInput, batch: int, xml: Path) -> None:
    """Make ``model``, of which ``image`` is the input, take ``batch`` images (or :data:`OPEN`) at a time.

    A model that does so already stays as it is. Raises :class:`IRError` where a shape inside the model forbids it.
    """
    if sizes_of(model.input(0)) == image.shape(batch):
        return
    try:
        model.reshape(image.shape(batch))
    except RuntimeError as error:
        raise IRError(f"{xml}: cannot take a batch of {batch} images: {last_line(error)}") from error


def count_classes(model: openvino.Model) -> int | None:
    """The number of values that ``model`` answers for an image: [N, classes], or [classes] where it has no batch.

    None where there is more than one output, or that number is open.
    """
    if len(model.outputs) != 1:
        return None
    sizes = sizes_of(model.output(0)) or []
    values = sizes[1:] if len(sizes) > 1 else sizes
    return math.prod(values) if values and OPEN not in values else None


def classes_of(xml: Path) -> int | None:
    """See :func:`count_classes`, for the IR at ``xml``. None also where it cannot be read."""
    try:
        return count_classes(read_ir(xml))
    except IRError:
        return None


def labels_of(xml: Path) -> tuple[str, ...]:
    """The names of the classes that the IR at ``xml`` carries for OpenVINO's Model API, by class. Nothing where it has
    none, or cannot be read.
    """
    try:
        model = read_ir(xml)
        path = ["model_info", "labels"]
        return tuple(str(model.get_rt_info(path).astype(str)).split()) if model.has_rt_info(path) else ()
    except (IRError, RuntimeError):
        return ()


def layout_of(node: openvino.Node) -> str:
    """The layout that an input or output names, for example NHWC; empty where it names none."""
    layout = node.get_layout().to_string() if hasattr(node, "get_layout") else ""
    return "".join(char for char in layout if char.isalpha())


def sizes_of(port: openvino.Output) -> list[int] | None:
    """The sizes of ``port``, :data:`OPEN` where one is not fixed. None where even the number of sizes is open."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    return [size.get_length() if size.is_static else OPEN for size in shape]
