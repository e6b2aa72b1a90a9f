"""Rewrites a Split of channels behind a 1x1 convolution: it moves into the weights of the convolution.

MixConv splits the channels of an expansion, one part for each kernel size:

    1x1 [Group]Convolution -> [bias, activation, ...] -> [Variadic]Split -> parts

Every part becomes a convolution of its own, with its share of the weights. So the largest tensor of the block is
written once instead of twice:

    1x1 Convolution of part i -> [bias, activation, ...] -> part i

Weights may be floats, or numbers of eight bits with a scale for each output. Only the Split may read the convolution
and what follows it. Behind a convolution in groups, a part becomes the first of these that is possible: a plain
convolution, where its channels lie in one group; a smaller convolution in groups, where it takes equally many channels
of each group; in up to two groups, a dense convolution with zeros elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.optimization.nodes import (
    CHANNELS,
    channelwise_copy,
    channelwise_data,
    constant,
    constant_value,
    copied,
    is_static_image,
    made,
    quantized_weights,
    scaled,
    sole_reader,
)

if TYPE_CHECKING:
    import openvino

NAME = "split_elimination"
ROOTS = ("opset1.VariadicSplit", "opset1.Split")
DENSE_GROUPS = 2
"""Largest number of groups of which a part may become a dense convolution. It has as many times the work."""


def rewrite(split: openvino.Node) -> bool:
    """Eliminate ``split``, where the pattern matches; returns whether it does."""
    parts = _parts(split)
    chain, convolution = _producer(split.input_value(0))
    if parts is None or convolution is None:
        return False
    producer = _Producer(convolution)
    if not all(producer.can_slice(begin, end) for begin, end in parts):
        return False
    for index, (begin, end) in enumerate(parts):
        suffix = f"part_{index}"
        output = producer.slice(begin, end, suffix)
        for node in reversed(chain):
            output = channelwise_copy(node, output, begin, end, f"{node.get_friendly_name()}/{suffix}")
        split.output(index).replace(output)
    return True


def _parts(split: openvino.Node) -> list[tuple[int, int]] | None:
    """The first channel of each part, and the one behind its last. None where another axis is split."""
    axis = constant_value(split.input_value(1))
    if axis is None or not is_static_image(split.input_value(0)) or int(axis.reshape(-1)[0]) % 4 != CHANNELS:
        return None
    if not all(is_static_image(output) for output in split.outputs()):
        return None
    ends = np.cumsum([output.get_shape()[CHANNELS] for output in split.outputs()]).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _producer(output: openvino.Output) -> tuple[list[openvino.Node], openvino.Node | None]:
    """The channelwise operations that lead to ``output``, last first, and the 1x1 convolution before them, if any."""
    chain: list[openvino.Node] = []
    while sole_reader(output) is not None:
        node = output.get_node()
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            weights = _Weights.read(node)
            pointwise = weights is not None and weights.values.shape[-2:] == (1, 1)
            return chain, node if pointwise and is_static_image(node.input_value(0)) else None
        data = channelwise_data(node)
        if data is None:
            break
        chain.append(node)
        output = node.input_value(data)
    return chain, None


@dataclass(frozen=True)
class _Weights:
    """Weights [groups, outputs and inputs of each, 1, 1].

    ``scale`` has one number for each output [groups, outputs, 1, 1, 1]: what ``values`` of eight bits are multiplied
    with. It is None where ``values`` are floats.
    """

    values: npt.NDArray[np.generic]
    scale: npt.NDArray[np.generic] | None

    @staticmethod
    def read(node: openvino.Node) -> _Weights | None:
        """Read the weights of a convolution: None where they are not constant, or quantized in another way."""
        floats, quantized = constant_value(node.input_value(1)), quantized_weights(node.input_value(1))
        values = quantized[0] if quantized else floats
        if values is None:
            return None
        plain = node.get_type_name() == "Convolution"
        values = values[None] if plain else values
        if quantized is None:
            return _Weights(values, None)
        scale = quantized[1][None] if plain and quantized[1].ndim == 4 else quantized[1]
        if scale.size > 1 and scale.shape not in ((*values.shape[:2], 1, 1, 1), (values.shape[0], 1, 1, 1, 1)):
            return None
        return _Weights(values, np.broadcast_to(scale, (*values.shape[:2], 1, 1, 1)))

    def map(self, pick: Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]]) -> _Weights:
        """``pick`` from the values and from the scale."""
        return _Weights(pick(self.values), None if self.scale is None else pick(self.scale))

    def made(self, name: str) -> openvino.Output:
        """Make them, in the shape that they have, as an input of a convolution."""
        return constant(self.values, name) if self.scale is None else scaled(self.values, self.scale, name)


class _Producer:
    """A 1x1 convolution that is to be cut into parts of its output channels."""

    def __init__(self, node: openvino.Node) -> None:
        self.node, self.name = node, node.get_friendly_name()
        weights = _Weights.read(node)
        assert weights is not None  # _producer looked
        self.weights = weights
        self.groups, self.outputs, self.inputs = weights.values.shape[:3]
        self._split: openvino.Node | None = None

    def can_slice(self, begin: int, end: int) -> bool:
        """Whether the channels from ``begin`` to ``end`` can be computed alone without too much more work."""
        inside = begin // self.outputs == (end - 1) // self.outputs
        return end > begin and (inside or self._is_even(begin, end) or self.groups <= DENSE_GROUPS)

    def slice(self, begin: int, end: int, suffix: str) -> openvino.Output:
        """Make a convolution that computes these channels alone."""
        name = f"{self.name}/{suffix}"
        group = begin // self.outputs
        if group == (end - 1) // self.outputs:
            first = group * self.outputs
            source = self.node.input_value(0) if self.groups == 1 else self._group_input(group)
            return self._plain(source, self.weights.map(lambda array: array[group, begin - first : end - first]), name)
        if self._is_even(begin, end):
            even = self.weights.map(lambda array: np.stack(self._shares(array, begin, end)))
            return copied(self.node, [self.node.input_value(0), even.made(f"{name}/weights")], name)
        scale = self.weights.scale
        dense = _Weights(self._dense()[begin:end], None if scale is None else scale.reshape(-1, 1, 1, 1)[begin:end])
        return self._plain(self.node.input_value(0), dense, name)

    def _shares(self, array: npt.NDArray[np.generic], begin: int, end: int) -> list[npt.NDArray[np.generic]]:
        """What lies from ``begin`` to ``end`` in each group."""
        return [
            array[one, max(begin - one * self.outputs, 0) : max(end - one * self.outputs, 0)]
            for one in range(self.groups)
        ]

    def _is_even(self, begin: int, end: int) -> bool:
        """Whether the groups share the part equally, so that it can be a convolution in as many groups."""
        return len({len(share) for share in self._shares(self.weights.values, begin, end)}) == 1

    def _dense(self) -> npt.NDArray[np.generic]:
        """The values without groups [all outputs, all inputs, 1, 1], with zeros elsewhere."""
        values = self.weights.values
        dense = np.zeros((self.groups, self.outputs, self.groups, self.inputs, 1, 1), values.dtype)
        for one in range(self.groups):
            dense[one, :, one] = values[one]
        return dense.reshape(self.groups * self.outputs, self.groups * self.inputs, 1, 1)

    def _group_input(self, group: int) -> openvino.Output:
        """The channels of the input that belong to ``group``. The input is split once for all parts."""
        if self._split is None:
            axis = constant(np.array(CHANNELS, np.int64), f"{self.name}/groups/axis")
            source = self.node.input_value(0)
            self._split = made("Split", [source, axis], {"num_splits": self.groups}, f"{self.name}/groups").get_node()
        return self._split.output(group)

    def _plain(self, source: openvino.Output, weights: _Weights, name: str) -> openvino.Output:
        return made("Convolution", [source, weights.made(f"{name}/weights")], self.node.get_attributes(), name)
