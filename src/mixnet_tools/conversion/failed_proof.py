"""Says why a proof failed: the likeliest cause that can be found, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mixnet_tools.conversion.exactness import random_operations
from mixnet_tools.conversion.parity import ParityCheck, ParityResult
from mixnet_tools.errors import ParityError, listed
from mixnet_tools.inference.base import Array

if TYPE_CHECKING:
    import openvino

LARGEST_FLOAT16 = 65504.0
SMALLEST_FLOAT16 = 2.0**-24
_REPORT = "this is a fault of the conversion, please report it (`verify=False` converts all the same)"


Constants = Callable[[], Iterable[tuple[str, Array]]]
"""Gives the source's own constants: each by its name, with its values."""


def require(
    results: Sequence[ParityResult], model: openvino.Model, check: ParityCheck, name: str, constants: Constants = tuple
) -> None:
    """Raise :class:`ParityError` unless all of ``results`` passed. ``model`` is what was saved in the precision.

    The error names the likeliest cause. ``constants`` is asked only then.
    """
    failed = [result for result in results if not result.passed]
    if not failed:
        return
    result = failed[0]
    low, high = result.output_range
    cause, hint = _cause(result, model, check, constants)
    raise ParityError(
        f"{name} {result.precision}: the IR does not compute what the original computes: largest difference of "
        f"{result.output} {result.max_difference:.3g} (limit {result.limit:.3g}) over values from {low:.3g} to "
        f"{high:.3g}; same top-1 on {result.top1_agreement:.0%} of {result.images} images{cause}",
        hint=hint,
    )


def _cause(result: ParityResult, model: openvino.Model, check: ParityCheck, constants: Constants) -> tuple[str, str]:
    """The cause as the end of a sentence, and what to try."""
    if drawing := random_operations(model):
        return (
            f". The graph draws random numbers, in {listed(drawing)}: no two runs give the same",
            "name an output that does not depend on them, or freeze the placeholder that says that the model trains",
        )
    if not check.repeats():
        return (
            ". The original itself gives another answer when it gets the same input again",
            "look in its graph for what is random or keeps a state; `verify=False` converts without comparing",
        )
    if (output := check.undefined()) is not None:
        return (
            f". The original itself gives values of {output} that are not numbers (NaN) for the generated inputs",
            "look whether mean_values, scale_values and the inputs' shapes in the descriptor are the model's",
        )
    if result.precision == "FP16" and (lost := lost_in_float16(constants()) or lost_in_float16(_constants_of(model))):
        return (
            f". float16 cannot hold {listed(lost)}",
            "convert to FP32 only: `precisions=FP32`",
        )
    if check.exactness.kind != "float32":
        return (
            f". In the original {check.exactness.found}, which the limit takes into account",
            "`verify=False` converts without comparing; measure the accuracy of both then",
        )
    if result.precision == "FP16":
        return (
            ". Rounding the weights to float16 changes the outputs of this model too much",
            "convert to FP32 only: `precisions=FP32`",
        )
    return "", _REPORT


def lost_in_float16(constants: Iterable[tuple[str, Array]]) -> tuple[str, ...]:
    """Those of ``constants`` with a value that float16 cannot hold: each with that value.

    Too large are values beyond 65504. Too small are constants whose largest value would become 0.
    """
    lost = []
    for name, values in constants:
        finite = values[np.isfinite(values)]
        largest = finite[np.abs(finite).argmax()] if finite.size else 0.0
        if abs(largest) > LARGEST_FLOAT16:
            lost.append(f"{largest:.3g} of the constant {name!r}")
        elif 0 < abs(largest) < SMALLEST_FLOAT16:
            lost.append(f"{largest:.3g}, the largest value of the constant {name!r}")
    return tuple(lost)


def _constants_of(model: openvino.Model) -> Iterator[tuple[str, Array]]:
    """The constants of ``model`` in float32. One that OpenVINO has computed is called after what reads it."""
    for operation in model.get_ordered_ops():
        if operation.get_type_name() == "Constant" and operation.get_output_element_type(0).get_type_name() == "f32":
            port = operation.output(0)
            readers = [target.get_node().get_friendly_name() for target in port.get_target_inputs()]
            name = operation.get_friendly_name() if port.get_names() else f"read by {', '.join(sorted(readers))}"
            yield name, operation.get_data()
