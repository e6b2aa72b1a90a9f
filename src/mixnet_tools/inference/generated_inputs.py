"""Generates inputs for any model, and reads its outputs, whatever types they have: bfloat16, 4-bit integers, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import openvino

PIXELS, UNIT = 255.0, 1.0
"""Largest numbers of an input: of an image's pixels, and of what was normalized already."""

_BYTES = ("u8", "u16", "i16", "u32", "u64")
"""Types of integers that hold pixels. Others are often indices or flags, so they are 0 or 1."""


def make_inputs(model: openvino.Model, seed: int = 0, largest: float = PIXELS) -> list[openvino.Tensor]:
    """Generate a tensor for each input of ``model``, whose inputs have fixed shapes.

    Numbers are from 0 to ``largest``; booleans, and integers of types that may be indices, are 0 or 1. Raises
    :class:`ValueError` where an input takes text.
    """
    rng = np.random.default_rng(seed)
    return [_tensor(port, rng, largest) for port in model.inputs]


def _tensor(port: openvino.Output, rng: np.random.Generator, largest: float) -> openvino.Tensor:
    import openvino
    from openvino import opset13 as ops

    kind, shape = port.get_element_type(), port.get_shape()
    name = kind.get_type_name()
    if name == "string":
        raise ValueError(f"the input {port.get_node().get_friendly_name()} takes text")
    values: npt.NDArray[np.generic] = rng.uniform(0, largest, tuple(shape)).astype(np.float32)
    if not kind.is_real():
        values = values.astype(np.uint8) if name in _BYTES else rng.integers(0, 2, tuple(shape)).astype(np.uint8)
    tensor = openvino.Tensor(kind, shape)
    if values.size:  # a Constant packs what numpy has no type for
        tensor.data[...] = ops.constant(values, dtype=kind).data.reshape(tensor.data.shape)
    return tensor


def numbers_of(tensor: openvino.Tensor) -> npt.NDArray[np.float64]:
    """A copy of what ``tensor`` holds, as float64. Of types that numpy does not have, only bfloat16 is converted."""
    if tensor.get_element_type().get_type_name() == "bf16":  # shown as float16, which has other exponents
        return np.array((tensor.data.view(np.uint16).astype(np.uint32) << 16).view(np.float32), np.float64)
    return np.array(tensor.data, np.float64)
