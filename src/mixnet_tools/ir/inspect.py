"""What an IR carries: inputs, outputs, rt_info, and how large it is in parameters and multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixnet_tools.errors import EvaluationError, last_line

_NARROW = ("i8", "u8", "i4", "u4", "nf4", "f8e4m3", "f8e5m2")
_WEIGHTS = ("f32", "f16", *_NARROW)


@dataclass(frozen=True)
class IrCounts:
    """``parameters``: weights stored in the IR, as floats or in eight bits or fewer; the scales and ranges of a
    quantized model are none. ``multiply_adds``: of one inference, convolutions and matrix products only, which is what
    model cards call FLOPs of such networks.
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
    """All that an IR says of itself.

    ``counts`` is None where sizes stay open; ``rt_info`` has dotted keys (``model_info.labels``).
    """

    name: str
    inputs: tuple[IrPort, ...]
    outputs: tuple[IrPort, ...]
    counts: IrCounts | None
    rt_info: dict[str, str]


def count(xml: Path) -> IrCounts:
    """Count the IR at ``xml``. Raises :class:`EvaluationError` where it cannot be read or its shapes are open."""
    try:
        return _counts(_read(xml))
    except RuntimeError as error:
        raise _unreadable(xml, error) from error


def describe(xml: Path) -> IrDescription:
    """All that the IR at ``xml`` carries. Raises :class:`EvaluationError` where it cannot be read."""
    try:
        model = _read(xml)
        return IrDescription(
            name=model.get_friendly_name(),
            inputs=tuple(_port(port) for port in model.inputs),
            outputs=tuple(_port(port) for port in model.outputs),
            counts=None if model.is_dynamic() else _counts(model),
            rt_info=dict(sorted(_flat(model.get_rt_info(), ""))),
        )
    except RuntimeError as error:
        raise _unreadable(xml, error) from error


def _read(xml: Path) -> Any:
    hint = "give the .xml of an IR, its .bin beside it"
    if xml.suffix.lower() != ".xml":  # OpenVINO would try to read it as ONNX, TensorFlow, ... by its contents
        raise EvaluationError(f"{xml}: expected an .xml file, got {xml.suffix or 'no suffix'}", hint=hint)
    if not xml.is_file():
        raise EvaluationError(f"{xml}: no such file", hint=hint)
    import openvino

    return openvino.Core().read_model(xml)


def _unreadable(xml: Path, error: RuntimeError) -> EvaluationError:
    return EvaluationError(f"{xml}: cannot be read: {last_line(error)}")


def _counts(model: Any) -> IrCounts:
    operations = model.get_ops()
    return IrCounts(
        parameters=sum(_constant_size(operation) for operation in operations),
        multiply_adds=sum(_multiply_adds(operation) for operation in operations),
    )


def _port(port: Any) -> IrPort:
    sizes = port.get_partial_shape()
    shape = None if sizes.rank.is_dynamic else tuple(size.get_length() if size.is_static else -1 for size in sizes)
    node = port.get_node()
    layout = node.get_layout().to_string() if hasattr(node, "get_layout") else ""
    letters = "".join(char for char in layout if char.isalpha())
    return IrPort(tuple(sorted(port.get_names())), shape, port.get_element_type().get_type_name(), letters)


def _flat(values: Any, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        inner = value.value if hasattr(value, "value") else value
        name = f"{prefix}{key}"
        found += _flat(inner, f"{name}.") if isinstance(inner, dict) else [(name, str(inner))]
    return found


def _constant_size(operation: Any) -> int:
    if operation.get_type_name() != "Constant" or operation.get_element_type().get_type_name() not in _WEIGHTS:
        return 0
    readers = list(_readers(operation))
    rescales = bool(readers) and all(_rescales(reader, place) for reader, place in readers)
    return 0 if rescales else _size(operation.get_output_shape(0))


def _readers(node: Any) -> Iterator[tuple[Any, int]]:
    """(operation, which of its inputs) that read a constant, directly or converted to another type."""
    for target in node.output(0).get_target_inputs():
        reader = target.get_node()
        if reader.get_type_name() == "Convert":
            yield from _readers(reader)
        else:
            yield reader, target.get_index()


def _rescales(reader: Any, place: int) -> bool:
    """Whether the constant at input ``place`` of ``reader`` is a range of a quantizer, or the scale or zero point of
    weights stored in few bits.
    """
    if reader.get_type_name() == "FakeQuantize":
        return place > 0
    return reader.get_type_name() in ("Multiply", "Subtract") and place == 1 and _is_narrow(reader.input_value(0))


def _is_narrow(source: Any) -> bool:
    node = source.get_node()
    if node.get_type_name() == "Subtract":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Convert":
        return False
    return node.input_value(0).get_element_type().get_type_name() in _NARROW


def _multiply_adds(operation: Any) -> int:
    kind = operation.get_type_name()
    if kind == "Convolution":  # weights [out, in, *kernel]: each output value sums over in * kernel
        return _size(operation.get_output_shape(0)) * _size(operation.get_input_shape(1)[1:])
    if kind == "GroupConvolution":  # weights [groups, out per group, in per group, *kernel]
        return _size(operation.get_output_shape(0)) * _size(operation.get_input_shape(1)[2:])
    if kind == "MatMul":
        inner: int = operation.get_input_shape(0)[-2 if operation.get_attributes().get("transpose_a") else -1]
        return _size(operation.get_output_shape(0)) * inner
    return 0


def _size(shape: Any) -> int:
    return math.prod(int(dimension) for dimension in shape)
