"""Rewrites a Concat of depthwise convolutions: the channelwise operations behind it move into the branches.

Batch normalisation and activation stand behind MixConv's Concat, where each needs a pass over the memory of its own:

    depthwise GroupConvolutions -> Concat -> [scale, shift, activation, ...]

In the branches they become part of the convolutions, and the scale becomes part of their weights:

    depthwise GroupConvolution, scaled -> [shift, activation, ...] -> Concat

Only the Concat may read each convolution, and only the first of the operations may read the Concat.
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
    sole_reader,
)

if TYPE_CHECKING:
    import openvino

NAME = "branch_fusion"
ROOTS = ("opset1.Concat",)


def rewrite(concat: openvino.Node) -> bool:
    """Move what follows ``concat`` before it, where the pattern matches; returns whether it does."""
    chain = _followers(concat)
    branches = [source.get_node() for source in concat.input_values()]
    if not chain or not all(_is_depthwise(node) and sole_reader(node.output(0)) is not None for node in branches):
        return False
    ends = np.cumsum([node.get_output_shape(0)[CHANNELS] for node in branches]).tolist()
    outputs = [
        _branch(node, chain, begin, end) for node, begin, end in zip(branches, [0, *ends[:-1]], ends, strict=True)
    ]
    last = chain[-1]
    # The new Concat computes what the last operation did, so it takes over that name.
    last.output(0).replace(copied(concat, outputs, last.get_friendly_name()))
    return True


def _followers(concat: openvino.Node) -> list[openvino.Node]:
    """The channelwise operations behind ``concat``, in order."""
    chain: list[openvino.Node] = []
    output = concat.output(0)
    if not is_static_image(output) or concat.get_attributes()["axis"] % 4 != CHANNELS:
        return chain
    while (node := sole_reader(output)) is not None and channelwise_data(node) is not None:
        chain.append(node)
        output = node.output(0)
    return chain


def _is_depthwise(node: openvino.Node) -> bool:
    """Whether ``node`` is a convolution with fixed weights [channels, 1, 1, height, width]."""
    weights = constant_value(node.input_value(1)) if node.get_type_name() == "GroupConvolution" else None
    return weights is not None and weights.ndim == 5 and weights.shape[1:3] == (1, 1) and weights.dtype == np.float32


def _branch(node: openvino.Node, chain: list[openvino.Node], begin: int, end: int) -> openvino.Output:
    """Copy ``node`` and ``chain`` behind it, for the channels from ``begin`` to ``end``, which are this branch's."""
    weights = constant_value(node.input_value(1))
    assert weights is not None  # _is_depthwise looked
    factors = _scale(chain[0])
    if factors is not None:
        share = factors if factors.size == 1 else factors.reshape(-1)[begin:end]
        weights = weights * share.reshape(-1, 1, 1, 1, 1)
        chain = chain[1:]
    name = node.get_friendly_name()
    output = copied(node, [node.input_value(0), constant(weights, f"{name}/weights")], name)
    for step in chain:
        output = channelwise_copy(step, output, begin, end, f"{step.get_friendly_name()}/{name}")
    return output


def _scale(node: openvino.Node) -> Array | None:
    """The constant that ``node`` multiplies with; None where it does something else."""
    if node.get_type_name() != "Multiply":
        return None
    values = [value for value in map(constant_value, node.input_values()) if value is not None]
    return values[0] if values else None
