"""Reads constants, and makes and copies operations of an ``openvino.Model``, for the rewrites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import openvino

Array = npt.NDArray[np.floating]

CHANNELS = 1
"""The axis of channels: OpenVINO's convolutions are NCHW."""

ACTIVATIONS = ("Relu", "Swish", "Clamp", "HSwish", "HSigmoid", "Sigmoid", "Tanh")
"""Operations that map each number by itself. Their first input is the data; others (Swish's beta) are scalars."""

_NUMBERS = ("f16", "f32", "f64", "i32", "i64")
"""Element types that numpy has as well."""

ARITHMETIC = ("Add", "Multiply", "Subtract", "Divide")
"""Operations that treat each channel by itself where one of their inputs is a constant with one number per channel."""


def constant_value(source: openvino.Output) -> Array | None:
    """The numbers of ``source`` where they are fixed, else None: a Constant, or one in FP16 that is widened to FP32.

    Quantized weights do not count: see :func:`quantized_weights`. Nor do types that numpy does not have (bfloat16).
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


def quantized_weights(source: openvino.Output) -> tuple[npt.NDArray[np.integer], Array] | None:
    """The eight-bit numbers of ``source``, which are widened and multiplied by a scale, and that scale; else None."""
    multiply = source.get_node()
    if multiply.get_type_name() != "Multiply":
        return None
    convert, scale = multiply.input_value(0).get_node(), constant_value(multiply.input_value(1))
    if convert.get_type_name() != "Convert" or scale is None:
        return None
    stored = convert.input_value(0).get_node()
    if stored.get_type_name() != "Constant" or stored.get_element_type().get_type_name() not in ("i8", "u8"):
        return None
    return np.asarray(stored.data), scale


def scaled(values: npt.NDArray[np.generic], scale: npt.NDArray[np.generic], name: str) -> openvino.Output:
    """Make what :func:`quantized_weights` reads: ``values`` as a constant, widened and multiplied by ``scale``."""
    widened = made("Convert", [constant(values, f"{name}/values")], {"destination_type": "f32"}, f"{name}/widened")
    return made("Multiply", [widened, constant(scale, f"{name}/scale")], {}, name)


def constant(value: npt.NDArray[np.generic], name: str) -> openvino.Output:
    """Make a Constant called ``name``."""
    from openvino import op

    node = op.Constant(np.asarray(value, order="C"))
    node.set_friendly_name(name)
    return node.output(0)


def copied(node: openvino.Node, inputs: Sequence[openvino.Output], name: str) -> openvino.Output:
    """Make an operation like ``node``, with its attributes, on other ``inputs`` and called ``name``."""
    return made(node.get_type_name(), inputs, node.get_attributes(), name, node.get_type_info().version_id)


def made(
    kind: str, inputs: Sequence[openvino.Output], attributes: Mapping[str, object], name: str, opset: str = "opset1"
) -> openvino.Output:
    """Make an operation of type ``kind`` called ``name``."""
    from openvino.utils.node_factory import NodeFactory

    node = NodeFactory(opset).create(kind, list(inputs), dict(attributes))
    node.set_friendly_name(name)
    return node.output(0)


def sole_reader(output: openvino.Output) -> openvino.Node | None:
    """The one operation that reads ``output``. None where several do, or where it is an output of the model."""
    readers = [reader.get_node() for reader in output.get_target_inputs()]
    return readers[0] if len(readers) == 1 and readers[0].get_type_name() != "Result" else None


def is_static_image(output: openvino.Output) -> bool:
    """Whether ``output`` has four dimensions of known size."""
    shape = output.get_partial_shape()
    return bool(shape.is_static and len(shape) == 4)


def channelwise_data(node: openvino.Node) -> int | None:
    """The index of the input of ``node`` that is the data, where it treats each channel by itself, else None.

    ``node`` must also keep the shape of that input.
    """
    kind = node.get_type_name()
    if node.get_output_size() != 1 or not is_static_image(node.output(0)):
        return None
    if kind in ACTIVATIONS:
        rest = [constant_value(source) for source in node.input_values()[1:]]
        return 0 if all(value is not None and value.size == 1 for value in rest) else None
    if kind == "FakeQuantize":
        ranges = [constant_value(source) for source in node.input_values()[1:]]
        return 0 if all(value is not None and _per_channel(value, node) for value in ranges) else None
    if kind in ARITHMETIC and node.get_input_size() == 2:
        for data, other in ((0, 1), (1, 0)):
            value = constant_value(node.input_value(other))
            shape = node.input_value(data).get_partial_shape()
            if value is not None and _per_channel(value, node) and shape == node.output(0).get_partial_shape():
                return data
    return None


def channelwise_copy(node: openvino.Node, data: openvino.Output, begin: int, end: int, name: str) -> openvino.Output:
    """Make an operation like ``node`` for the channels from ``begin`` to ``end``, which ``data`` holds.

    ``node`` must be one of which :func:`channelwise_data` is not None.
    """
    place = channelwise_data(node)
    inputs = []
    for index, source in enumerate(node.input_values()):
        value = constant_value(source)
        if index == place or value is None:
            inputs.append(data)
            continue
        if value.ndim == 4 and value.shape[CHANNELS] > 1:
            value = value[:, begin:end]
        inputs.append(constant(value, f"{name}/constant{f'_{index}' if index > 1 else ''}"))
    return copied(node, inputs, name)


def _per_channel(value: Array, node: openvino.Node) -> bool:
    """Whether ``value`` is one number, or one for each channel of what ``node`` computes."""
    channels = int(node.output(0).get_shape()[CHANNELS])
    return value.size == 1 or value.shape == (1, channels, 1, 1)
