"""Describes an IR: inputs, outputs, rt_info, and its size in parameters and multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixnet_tools.errors import IRError, last_line
from mixnet_tools.ir.image_input import layout_of, sizes_of
from mixnet_tools.ir.read import read_ir

if TYPE_CHECKING:
    import openvino

NARROW_TYPES = ("i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2")
"""Types of eight bits or fewer, by OpenVINO's names."""

_WEIGHTS = ("f32", "f16", *NARROW_TYPES)


@dataclass(frozen=True)
class IrCounts:
    """The size of an IR.

    ``parameters`` are the weights stored in it, as floats or in eight bits or fewer. The scales and ranges of a
    quantized model do not count. ``multiply_adds`` are those of one inference, in convolutions and matrix products
    only: model cards call them FLOPs.
    """

    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class IrPort:
    """An input or output: ``names`` sorted, ``layout`` empty where there is none.

    ``shape`` has -1 for open sizes, () for a scalar, and is None where even the number of dimensions is open.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...] | None
    element_type: str
    layout: str


@dataclass(frozen=True)
class IrDescription:
    """Everything that an IR says of itself.

    ``counts`` is None where sizes stay open. ``rt_info`` has dotted keys (``model_info.labels``).
    """

    name: str
    inputs: tuple[IrPort, ...]
    outputs: tuple[IrPort, ...]
    counts: IrCounts | None
    rt_info: dict[str, str]


def count(xml: Path) -> IrCounts | None:
    """Count the IR at ``xml``; None where its shapes are open. Raises :class:`IRError` where it cannot be read."""
    try:
        model = read_ir(xml)
        return None if model.is_dynamic() else _counts(model)
    except (RuntimeError, UnicodeDecodeError) as error:  # names of a damaged IR are bytes
        raise _unreadable(xml, error) from error


def describe(xml: Path) -> IrDescription:
    """Describe the IR at ``xml``. Raises :class:`IRError` where it cannot be read."""
    try:
        model = read_ir(xml)
        return IrDescription(
            name=model.get_friendly_name(),
            inputs=tuple(_port(port) for port in model.inputs),
            outputs=tuple(_port(port) for port in model.outputs),
            counts=None if model.is_dynamic() else _counts(model),
            rt_info=dict(sorted(_flat(model.get_rt_info(), ""))),
        )
    except (RuntimeError, UnicodeDecodeError) as error:  # names of a damaged IR are bytes
        raise _unreadable(xml, error) from error


def _unreadable(xml: Path, error: Exception) -> IRError:
    return IRError(f"{xml}: cannot be read: {last_line(error)}")


def _counts(model: openvino.Model) -> IrCounts:
    operations = model.get_ops()
    return IrCounts(
        parameters=sum(_constant_size(operation) for operation in operations),
        multiply_adds=sum(_multiply_adds(operation) for operation in operations),
    )


def _port(port: openvino.Output) -> IrPort:
    sizes = sizes_of(port)
    return IrPort(
        names=tuple(sorted(port.get_names())),
        shape=None if sizes is None else tuple(sizes),
        element_type=port.get_element_type().get_type_name(),
        layout=layout_of(port.get_node()),
    )


def _flat(values: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    """(dotted key, value) of rt_info, whose values may be sections of their own."""
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        inner = getattr(value, "value", value)
        name = f"{prefix}{key}"
        found += _flat(inner, f"{name}.") if isinstance(inner, dict) else [(name, str(inner))]
    return found


def _constant_size(operation: openvino.Node) -> int:
    if operation.get_type_name() != "Constant" or operation.get_element_type().get_type_name() not in _WEIGHTS:
        return 0
    readers = list(_readers(operation))
    rescales = bool(readers) and all(_rescales(reader, place) for reader, place in readers)
    return 0 if rescales else _size(operation.get_output_shape(0))


def _readers(node: openvino.Node) -> Iterator[tuple[openvino.Node, int]]:
    """Each operation that reads a constant, directly or converted to another type, and which of its inputs does."""
    for target in node.output(0).get_target_inputs():
        reader = target.get_node()
        if reader.get_type_name() == "Convert":
            yield from _readers(reader)
        else:
            yield reader, target.get_index()


def _rescales(reader: openvino.Node, place: int) -> bool:
    """Whether the constant at input ``place`` of ``reader`` is a range of a quantizer, or the scale or zero point of
    weights stored in few bits.
    """
    if reader.get_type_name() == "FakeQuantize":
        return place > 0
    return reader.get_type_name() in ("Multiply", "Subtract") and place == 1 and _is_narrow(reader.input_value(0))


def _is_narrow(source: openvino.Output) -> bool:
    node = source.get_node()
    if node.get_type_name() == "Subtract":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Convert":
        return False
    return node.input_value(0).get_element_type().get_type_name() in NARROW_TYPES


def _multiply_adds(operation: openvino.Node) -> int:
    kind = operation.get_type_name()
    if kind == "Convolution":  # weights [out, in, *kernel]: each output value sums over in * kernel
        return _size(operation.get_output_shape(0)) * _size(operation.get_input_shape(1)[1:])
    if kind == "GroupConvolution":  # weights [groups, out per group, in per group, *kernel]
        return _size(operation.get_output_shape(0)) * _size(operation.get_input_shape(1)[2:])
    if kind == "MatMul":
        inner: int = operation.get_input_shape(0)[-2 if operation.get_attributes().get("transpose_a") else -1]
        return _size(operation.get_output_shape(0)) * inner
    return 0


def _size(shape: Iterable[int]) -> int:
    return math.prod(int(dimension) for dimension in shape)
