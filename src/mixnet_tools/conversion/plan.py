"""Defines the :class:`ConversionPlan`: everything that conversion will do to one model, as a frozen value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixnet_tools.reference.job import TorchModule

Weights = Literal["raw", "ema", "saver"]
"""Raw values, moving averages, or (never asked for by name) whatever else a graph's own saver restores."""
Freezer = Literal["openvino", "tensorflow"]
CHANNELS = 3
"""Channels of a colour image, whose order can be reversed."""


@dataclass(frozen=True)
class Source:
    """Where a source model is: ``path`` is the .meta, .pb, .pbtxt or .onnx file, the SavedModel's folder, or
    the weights of a PyTorch module (its folder, where it has none).

    ``kind`` is a key of :data:`mixnet_tools.conversion.sources.kinds.KINDS`.
    """

    kind: str
    path: Path


@dataclass(frozen=True)
class Cut:
    """A tensor of the source graph, in the Model Optimizer's notation.

    ``side`` is ``output`` for ``node:port``, ``input`` for ``port:node``, ``node`` for a bare name.
    """

    text: str
    node: str
    side: Literal["node", "output", "input"]
    port: int

    @property
    def placeholder(self) -> str:
        """The name that the Model Optimizer gave the IR's input, and that deployed applications use."""
        if self.side == "node":
            return self.node
        return f"{self.node}/placeholder_{'out_' if self.side == 'output' else ''}port_{self.port}"

    @property
    def tensor(self) -> str:
        """The tensor by TensorFlow's name. Meaningful for the sides ``node`` and ``output``."""
        return f"{self.node}:{self.port}"

    @property
    def label(self) -> str:
        """The tensor's name in an IR, where port 0 goes without saying."""
        return self.node if self.port == 0 else self.tensor


@dataclass(frozen=True)
class InputPlan:
    """One input of the IR.

    ``shape`` is the IR's (None: as the source has it), ``layout`` its axes (``NHWC``; None: not an image),
    ``element_type`` OpenVINO's name of a type to change to (``f32``). ``reverse`` says that the IR takes BGR where
    the source takes RGB; then ``mean`` is subtracted and the result divided by ``scale``, both in the source's channel
    order and empty where there is nothing to do.
    """

    cut: Cut
    shape: tuple[int, ...] | None = None
    layout: str | None = None
    element_type: str | None = None
    reverse: bool = False
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def aliases(self) -> tuple[str, ...]:
        """Further names under which older tools know the input."""
        return (self.cut.text,) if self.cut.text != self.cut.placeholder else ()

    @property
    def channel_axis(self) -> int | None:
        """Index of the channel axis, where the layout names one."""
        return self.layout.index("C") if self.layout and "C" in self.layout else None

    def describe(self) -> str:
        """The input in one line, as a dry run prints it."""
        parts = [self.cut.text, str(list(self.shape)) if self.shape else "[shape as in the source]", self.layout or ""]
        steps = ["BGR to RGB"] if self.reverse else []
        steps += [f"minus {list(self.mean)}"] if self.mean else []
        steps += [f"divided by {list(self.scale)}"] if self.scale else []
        text = " ".join(part for part in parts if part)
        return f"{text}: {', then '.join(steps)}" if steps else text


@dataclass(frozen=True)
class Constant:
    """A Placeholder that becomes a constant: ``value`` as it was written (``False``, ``0.5``)."""

    node: str
    value: str


@dataclass(frozen=True)
class ConversionPlan:
    """What conversion will do to one model.

    An empty ``inputs`` or ``outputs`` means: those the source declares. ``weights`` are the checkpoint's raw values or
    their moving averages; None stands for those that the source's own saver restores. ``freezer`` is who reads the
    weights: OpenVINO itself, or TensorFlow by way of a frozen graph. ``signature`` and ``tags`` choose a SavedModel's
    signature and graph (None: the only one, or the one for serving). ``module`` is how a PyTorch module is made.
    ``download_dir`` is the folder below which the downloaded models lie. ``made`` is the source where the model's own
    script made it, which the descriptor knows no digest of.
    """

    model: str
    source: Source
    inputs: tuple[InputPlan, ...]
    outputs: tuple[Cut, ...]
    constants: tuple[Constant, ...] = ()
    weights: Weights | None = None
    freezer: Freezer = "openvino"
    signature: str | None = None
    tags: tuple[str, ...] | None = None
    module: TorchModule | None = None
    download_dir: Path = Path()
    made: Path | None = None

    @property
    def first_shape(self) -> tuple[int, ...]:
        """The shape of the first input, batch first; empty where the plan gives none."""
        return (self.inputs[0].shape or ()) if self.inputs else ()


def parse_cut(text: str) -> Cut:
    """The Model Optimizer's notation for a tensor.

    >>> parse_cut("IteratorGetNext:0").placeholder
    'IteratorGetNext/placeholder_out_port_0'
    >>> parse_cut("0:sub").placeholder
    'sub/placeholder_port_0'
    >>> parse_cut("input").placeholder
    'input'
    """
    if match := re.fullmatch(r"(.+):(\d+)", text):
        return Cut(text, match[1], "output", int(match[2]))
    if match := re.fullmatch(r"(\d+):(.+)", text):
        return Cut(text, match[2], "input", int(match[1]))
    return Cut(text, text, "node", 0)
