"""Rewrites a Split of channels behind a 1x1 convolution: it moves into the weights of the convolution.

MixConv splits the channels of an expansion, one part for each kernel size:

    1x1 [Group]Convolution -> [bias, activation, ...] -> [Variadic]Split -> parts

Every part becomes a convolution of its own, with its share of the weights. So the largest tensor of the block is
written once instead of twice:

    1x1 Convolution of part i -> [bias, activation, ...] -> part i

Only the Split may read the convolution and what follows it. Behind a convolution in groups, a part becomes the first of
these that is possible: a plain convolution, where its channels lie in one group; a smaller convolution in groups, where
it takes equally many channels of each group; in up to two groups, a dense convolution with zeros elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mixnet_tools.optimization.nodes import (
    CHANNELS,
    Array,
    channelwise_copy,
    channelwise_data,
    constant,
    constant_value,
    copied,
    is_static_image,
    made,
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
            weights = constant_value(node.input_value(1))
            pointwise = weights is not None and weights.shape[-2:] == (1, 1) and is_static_image(node.input_value(0))
            return chain, node if pointwise else None
        data = channelwise_data(node)
        if data is None:
            break
        chain.append(node)
        output = node.input_value(data)
    return chain, None


class _Producer:
    """A 1x1 convolution that is to be cut into parts of its output channels."""

    def __init__(self, node: openvino.Node) -> None:
        self.node, self.name = node, node.get_friendly_name()
        weights = constant_value(node.input_value(1))
        assert weights is not None  # _producer looked
        # [groups, outputs and inputs of each, 1, 1]
        self.weights: Array = weights if node.get_type_name() == "GroupConvolution" else weights[None]
        self.groups, self.outputs, self.inputs = self.weights.shape[:3]
        self._split: openvino.Node | None = None

    def can_slice(self, begin: int, end: int) -> bool:
        """Whether the channels from ``begin`` to ``end`` can be computed alone without too much more work."""
        inside = begin // self.outputs == (end - 1) // self.outputs
        return end > begin and (inside or self._even(begin, end) is not None or self.groups <= DENSE_GROUPS)

    def slice(self, begin: int, end: int, suffix: str) -> openvino.Output:
        """Make a convolution that computes these channels alone."""
        name = f"{self.name}/{suffix}"
        group = begin // self.outputs
        if self.groups == 1:
            return self._plain(self.node.input_value(0), self.weights[0, begin:end], name)
        if group == (end - 1) // self.outputs:
            first = group * self.outputs
            return self._plain(self._group_input(group), self.weights[group, begin - first : end - first], name)
        even = self._even(begin, end)
        if even is not None:
            weights = constant(even, f"{name}/weights")
            return copied(self.node, [self.node.input_value(0), weights], name)
        dense = np.zeros((self.groups, self.outputs, self.groups, self.inputs, 1, 1), self.weights.dtype)
        for one in range(self.groups):
            dense[one, :, one] = self.weights[one]
        flat = dense.reshape(self.groups * self.outputs, self.groups * self.inputs, 1, 1)
        return self._plain(self.node.input_value(0), flat[begin:end], name)

    def _even(self, begin: int, end: int) -> Array | None:
        """The weights of the part as a convolution in as many groups. None where the groups share it unequally."""
        shares = [
            self.weights[one, max(begin - one * self.outputs, 0) : max(end - one * self.outputs, 0)]
            for one in range(self.groups)
        ]
        return np.stack(shares) if len({len(share) for share in shares}) == 1 else None

    def _group_input(self, group: int) -> openvino.Output:
        """The channels of the input that belong to ``group``. The input is split once for all parts."""
        if self._split is None:
            axis = constant(np.array(CHANNELS, np.int64), f"{self.name}/groups/axis")
            source = self.node.input_value(0)
            self._split = made("Split", [source, axis], {"num_splits": self.groups}, f"{self.name}/groups").get_node()
        return self._split.output(group)

    def _plain(self, source: openvino.Output, weights: Array, name: str) -> openvino.Output:
        attributes = self.node.get_attributes()
        return made("Convolution", [source, constant(weights, f"{name}/weights")], attributes, name)
