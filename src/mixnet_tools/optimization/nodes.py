"""Small things that rewrites of an ``openvino.Model`` need: reading constants, slicing, copying operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CHANNELS = 1
"""The axis of channels: OpenVINO's convolutions are NCHW."""

ACTIVATIONS = ("Relu", "Swish", "Clamp", "HSwish", "HSigmoid", "Sigmoid", "Tanh")
"""Operations that map each number by itself. The first input is the data; others (Swish's beta) are scalars."""

_NUMBERS = ("f16", "f32", "f64", "i32", "i64")
"""Element types that numpy has as well."""

ARITHMETIC = ("Add", "Multiply", "Subtract", "Divide")
"""Operations that, with a constant per channel as one of their inputs, treat each channel by itself."""


def constant_value(source: Any) -> Array | None:
    """The numbers of ``source``, an Output, where these are fixed: a Constant, or an FP16 one widened to FP32.

    Quantized weights are not among them: they must stay as they are. Nor are types that numpy does not have (bfloat16).
    """
    node, kind = source.get_node(), source.get_element_type().get_type_name()
    if node.get_type_name() == "Convert" and node.input_value(0).get_node().get_type_name() == "Constant":
        stored = node.input_value(0)
        if (stored.get_element_type().get_type_name(), kind) != ("f16", "f32"):
            return None
        widened: Array = np.asarray(stored.get_node().data).astype(np.float32)
        return widened
    if node.get_type_name() == "Constant" and kind in _NUMBERS:
        return np.asarray(node.data)
    return None


def constant(value: Array, name: str) -> Any:
    """The Output of a new Constant called ``name``."""
    from openvino import op

    node = op.Constant(np.asarray(value, order="C"))
    node.set_friendly_name(name)
    return node.output(0)


def copied(node: Any, inputs: Sequence[Any], name: str) -> Any:
    """The Output of an operation like ``node``, with its attributes, on other ``inputs`` and called ``name``."""
    return made(node.get_type_name(), inputs, node.get_attributes(), name, node.get_type_info().version_id)


def made(kind: str, inputs: Sequence[Any], attributes: dict[str, Any], name: str, opset: str = "opset1") -> Any:
    """The Output of a new operation of type ``kind``."""
    from openvino.utils.node_factory import NodeFactory

    node = NodeFactory(opset).create(kind, list(inputs), attributes)
    node.set_friendly_name(name)
    return node.output(0)


def sole_reader(output: Any) -> Any | None:
    """The one operation that reads ``output``; None where there are several, or it is an output of the model."""
    readers = [reader.get_node() for reader in output.get_target_inputs()]
    return readers[0] if len(readers) == 1 and readers[0].get_type_name() != "Result" else None


def is_static_image(output: Any) -> bool:
    """Whether ``output`` has four dimensions of known size."""
    shape = output.get_partial_shape()
    return bool(shape.is_static and len(shape) == 4)


def channelwise_data(node: Any) -> int | None:
    """Which input of ``node`` is the data, where it treats each channel by itself and keeps the shape; else None."""
    kind = node.get_type_name()
    if node.get_output_size() != 1 or not is_static_image(node.output(0)):
        return None
    if kind in ACTIVATIONS:
        rest = [constant_value(source) for source in node.input_values()[1:]]
        return 0 if all(value is not None and value.size == 1 for value in rest) else None
    if kind in ARITHMETIC and node.get_input_size() == 2:
        for data, other in ((0, 1), (1, 0)):
            value = constant_value(node.input_value(other))
            shape = node.input_value(data).get_partial_shape()
            if value is not None and _per_channel(value, node) and shape == node.output(0).get_partial_shape():
                return data
    return None


def channelwise_copy(node: Any, data: Any, begin: int, end: int, name: str) -> Any:
    """``node``, of which :func:`channelwise_data` is not None, on ``data``: the channels from ``begin`` to ``end``."""
    place = channelwise_data(node)
    inputs = []
    for index, source in enumerate(node.input_values()):
        value = constant_value(source)
        if index == place or value is None:
            inputs.append(data)
        elif value.ndim == 4 and value.shape[CHANNELS] > 1:
            inputs.append(constant(value[:, begin:end], f"{name}/constant"))
        else:
            inputs.append(constant(value, f"{name}/constant"))
    return copied(node, inputs, name)


def _per_channel(value: Array, node: Any) -> bool:
    """Whether ``value`` is one number, or one for each channel of what ``node`` computes."""
    channels = int(node.output(0).get_shape()[CHANNELS])
    return value.size == 1 or value.shape == (1, channels, 1, 1)
