"""How large a converted network is: parameters and multiply-adds, counted in its IR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixnet_tools.errors import EvaluationError

_FLOATS = ("f32", "f16")


@dataclass(frozen=True)
class IrCounts:
    """``parameters``: floating-point weights stored in the IR. ``multiply_adds``: of one inference, convolutions and
    matrix products only, which is what model cards call FLOPs of such networks."""

    parameters: int
    multiply_adds: int


def count(xml: Path) -> IrCounts:
    """Count the IR at ``xml``. Raises :class:`EvaluationError` where it cannot be read or its shapes are open."""
    import openvino

    try:
        model = openvino.Core().read_model(xml)
        operations = model.get_ops()
        return IrCounts(
            parameters=sum(_constant_size(operation) for operation in operations),
            multiply_adds=sum(_multiply_adds(operation) for operation in operations),
        )
    except RuntimeError as error:
        raise EvaluationError(f"{xml}: cannot be read: {(str(error).splitlines() or ['?'])[-1]}") from error


def _constant_size(operation: Any) -> int:
    is_weight = operation.get_type_name() == "Constant" and operation.get_element_type().get_type_name() in _FLOATS
    return _size(operation.get_output_shape(0)) if is_weight else 0


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
