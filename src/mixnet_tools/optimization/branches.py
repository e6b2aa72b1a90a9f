"""Rewrite: what follows a Concat of depthwise convolutions channel by channel is moved into the branches.

Batch normalisation and activation stand behind MixConv's Concat, where they are a pass over memory of their own:

    depthwise GroupConvolutions -> Concat -> [scale, shift, activation, ...]

In the branches they become part of the convolutions, the scale of their weights:

    depthwise GroupConvolution, scaled -> [shift, activation, ...] -> Concat

Each convolution must be read by the Concat alone, and the Concat by the first of the operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixnet_tools.optimization.nodes import (
    CHANNELS,
    channelwise_copy,
    channelwise_data,
    constant,
    constant_value,
    copied,
    is_static_image,
    sole_reader,
)

NAME = "branch_fusion"
ROOTS = ("opset1.Concat",)


def rewrite(concat: Any) -> bool:
    """Move what follows ``concat`` before it, if it is of the form above."""
    chain = _followers(concat)
    branches = [source.get_node() for source in concat.input_values()]
    if not chain or not all(_is_depthwise(node) and sole_reader(node.output(0)) is not None for node in branches):
        return False
    ends = np.cumsum([node.get_output_shape(0)[CHANNELS] for node in branches]).tolist()
    outputs = [
        _branch(node, chain, begin, end) for node, begin, end in zip(branches, [0, *ends[:-1]], ends, strict=True)
    ]
    last = chain[-1]
    # The Concat's output is now what the last operation's was, so it goes by that one's name.
    last.output(0).replace(copied(concat, outputs, last.get_friendly_name()))
    return True


def _followers(concat: Any) -> list[Any]:
    """The channelwise operations behind ``concat``, in order."""
    chain: list[Any] = []
    output = concat.output(0)
    if not is_static_image(output) or concat.get_attributes()["axis"] % 4 != CHANNELS:
        return chain
    while (node := sole_reader(output)) is not None and channelwise_data(node) is not None:
        chain.append(node)
        output = node.output(0)
    return chain


def _is_depthwise(node: Any) -> bool:
    """Whether ``node`` is a convolution with fixed weights [channels, 1, 1, height, width]."""
    weights = constant_value(node.input_value(1)) if node.get_type_name() == "GroupConvolution" else None
    return weights is not None and weights.ndim == 5 and weights.shape[1:3] == (1, 1) and weights.dtype == np.float32


def _branch(node: Any, chain: list[Any], begin: int, end: int) -> Any:
    """``node`` and ``chain`` behind it, for the channels that are the branch's."""
    weights = constant_value(node.input_value(1))
    assert weights is not None  # _is_depthwise looked
    if scale := _scale(chain[0]):
        factors = scale[0]
        share = factors if factors.size == 1 else factors.reshape(-1)[begin:end]
        weights = weights * share.reshape(-1, 1, 1, 1, 1)
        chain = chain[1:]
    name = node.get_friendly_name()
    output = copied(node, [node.input_value(0), constant(weights, f"{name}/weights")], name)
    for step in chain:
        output = channelwise_copy(step, output, begin, end, f"{step.get_friendly_name()}/{name}")
    return output


def _scale(node: Any) -> tuple[Any] | None:
    """The constant that ``node`` multiplies with."""
    if node.get_type_name() != "Multiply":
        return None
    values = [value for value in map(constant_value, node.input_values()) if value is not None]
    return (values[0],) if values else None
