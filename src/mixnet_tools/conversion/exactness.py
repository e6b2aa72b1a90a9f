"""Tells how exact the original itself is: whether it computes in float32, half precision, or quantized."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino

_SAME_VALUES = frozenset({"Constant", "Convert", "Parameter", "Result", "ShapeOf", "Reshape", "Squeeze", "Unsqueeze"})
"""Operations that hold or hand on values: half-precision weights that are widened before use lose nothing."""

_QUANTIZING = frozenset({"FakeQuantize", "FakeConvert"})
_RANDOM = frozenset({"RandomUniform", "Multinomial"})


@dataclass(frozen=True)
class Exactness:
    """How exact a model's own answers are.

    ``kind`` is the coarsest type that it computes in: ``float32``, ``float16``, ``bfloat16`` or ``quantized``.
    ``found`` says how that was seen. ``tolerance`` is the |difference| that this alone may make, in units of the
    output's variation (:data:`mixnet_tools.conversion.parity.TOLERANCES`), ``rounding`` the part that goes with the
    size of the values.
    """

    kind: str
    found: str
    tolerance: float
    rounding: float


FLOAT32 = Exactness("float32", "all operations compute in float32", 0.0, 0.0)
# A rounding step of the type (2^-11 and 2^-8) is 8,000 and 65,000 times that of float32, of whose limit the difference
# of a right conversion takes a fortieth. Measured, in units of the variation, on the models that
# tests/integration/conversion/test_outside_models.py converts: 0.002 and 0.005 in float16, 0.05 in bfloat16, 0.11
# quantized.
_FLOAT16 = (0.05, 2e-3)
_BFLOAT16 = (0.25, 1.6e-2)
_QUANTIZED = (0.25, 1e-2)
"""A value near the border of two quantization steps may fall on either side, and a step is up to 1/128 of a range."""


def exactness_of(model: openvino.Model) -> Exactness:
    """How exact the original of ``model`` is, which OpenVINO has read and nothing has changed yet.

    It goes by the types in which the operations compute: OpenVINO's frontends keep those of the original.
    """
    operations = [operation for operation in model.get_ordered_ops() if operation.get_type_name() not in _SAME_VALUES]
    quantizing = sum(operation.get_type_name() in _QUANTIZING for operation in operations)
    kinds = Counter(
        operation.get_output_element_type(0).get_type_name() for operation in operations if operation.get_output_size()
    )
    whole = len(operations)
    if quantizing:
        return Exactness("quantized", f"{quantizing} of {whole} operations quantize", *_QUANTIZED)
    if kinds["bf16"]:
        return Exactness("bfloat16", f"{kinds['bf16']} of {whole} operations compute in bfloat16", *_BFLOAT16)
    if kinds["f16"]:
        return Exactness("float16", f"{kinds['f16']} of {whole} operations compute in float16", *_FLOAT16)
    return FLOAT32


def random_operations(model: openvino.Model) -> tuple[str, ...]:
    """Names of the operations of ``model`` that draw random numbers."""
    return tuple(
        operation.get_friendly_name() for operation in model.get_ordered_ops() if operation.get_type_name() in _RANDOM
    )
