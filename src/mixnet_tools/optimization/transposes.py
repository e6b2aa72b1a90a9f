"""Rewrites a Transpose from NHWC to NCHW: the arithmetic per channel behind it moves before it.

In a model with an NHWC input, conversion puts the subtraction of the mean there:

    Transpose to NCHW -> [Add, Multiply, ... with a constant per channel] -> rest

Then the Transpose stands next to the convolutions, which compute in NHWC internally:

    [Add, Multiply, ...] in NHWC -> Transpose to NCHW -> rest

There it is a change of view instead of two copies of the image. Only the first operation may read the Transpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mixnet_tools.optimization.nodes import (
    ARITHMETIC,
    channelwise_data,
    constant,
    constant_value,
    copied,
    is_static_image,
    sole_reader,
)

if TYPE_CHECKING:
    import openvino

NAME = "transpose_sinking"
ROOTS = ("opset1.Transpose",)
NHWC_TO_NCHW = [0, 3, 1, 2]
NCHW_TO_NHWC = (0, 2, 3, 1)


def rewrite(transpose: openvino.Node) -> bool:
    """Move the arithmetic behind ``transpose`` before it, where the pattern matches; returns whether it does."""
    order = constant_value(transpose.input_value(1))
    if order is None or order.tolist() != NHWC_TO_NCHW or not is_static_image(transpose.output(0)):
        return False
    source, place = transpose.input_value(0), transpose.output(0)
    chain: list[openvino.Node] = []
    while (node := sole_reader(place)) is not None and node.get_type_name() in ARITHMETIC:
        data = channelwise_data(node)
        if data is None:
            break
        value = constant_value(node.input_value(1 - data))
        assert value is not None  # channelwise_data looked
        name = f"{node.get_friendly_name()}/nhwc"
        moved = np.transpose(value, NCHW_TO_NHWC) if value.ndim == len(NCHW_TO_NHWC) else value.reshape(())
        inputs = [source, constant(moved, f"{name}/constant")]
        source = copied(node, inputs if data == 0 else inputs[::-1], name)
        place = node.output(0)
        chain.append(node)
    if not chain:
        return False
    # The new Transpose computes what the last operation did, so it takes over that name.
    place.replace(copied(transpose, [source, transpose.input_value(1)], chain[-1].get_friendly_name()))
    return True
