"""Why a proof failed: the cause that is named, and what to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mixnet_tools.conversion.comparison_inputs import Port
from mixnet_tools.conversion.exactness import FLOAT32, Exactness
from mixnet_tools.conversion.failed_proof import lost_in_float16, require
from mixnet_tools.conversion.parity import ParityCheck, compare_outputs
from mixnet_tools.conversion.plan import InputPlan, parse_cut
from mixnet_tools.conversion.reference.base import Reference
from mixnet_tools.errors import ParityError
from mixnet_tools.inference.base import Array

if TYPE_CHECKING:
    import openvino

LOGITS = np.random.default_rng(5).normal(0, 1, (6, 10)).astype(np.float32)
HALF = Exactness("float16", "3 of 4 operations compute in float16", 0.05, 2e-3)


class Original(Reference):
    """The mean of the image, plus ``step`` for each answer that was given before; or always ``value``."""

    inputs, outputs, versions, software, restrictions = ("x",), ("y",), {}, "numpy", ()

    def __init__(self, step: float = 0.0, value: float | None = None) -> None:
        self._step, self._value, self._answers = step, value, 0

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self._answers += 1
        mean = feeds["x"].mean(keepdims=True) if self._value is None else np.full((1, 1), self._value)
        return {"y": mean + self._step * self._answers}


def model(value: float = 0.5, *, random: bool = False) -> openvino.Model:
    import openvino.opset13 as ops
    from openvino import Model

    given = ops.parameter([1, 4], np.float32, name="x")
    changed = ops.add(given, ops.constant(np.full((1, 4), value, np.float32), name="bias"), name="sum")
    if random:
        zero, one = ops.constant(np.float32(0)), ops.constant(np.float32(1))
        drawn = ops.random_uniform(ops.constant([1, 4]), zero, one, "f32")
        drawn.set_friendly_name("dropout/draw")
        changed = ops.add(changed, drawn)
    return Model([ops.result(changed)], [given], "net")


def failure(
    original: Original | None = None,
    converted: openvino.Model | None = None,
    precision: str = "FP32",
    exactness: Exactness = FLOAT32,
) -> ParityError:
    shape = (1, 8, 6, 3)
    port = Port("x", shape, np.dtype(np.float32), InputPlan(parse_cut("x"), shape, "NHWC"))
    check = ParityCheck(original or Original(), [port], exactness=exactness)
    failed = compare_outputs(LOGITS, LOGITS[:, ::-1], precision)
    with pytest.raises(ParityError) as caught:
        require([failed], converted or model(), check, "net")
    return caught.value


def test_what_passed_is_no_failure() -> None:
    require([compare_outputs(LOGITS, LOGITS, "FP32")], model(), ParityCheck(Original(), [], 0), "net")


def test_without_another_cause_it_is_a_fault_of_ours() -> None:
    error = failure()
    assert "net FP32: the IR does not compute what the original computes" in str(error)
    assert "limit 0.00" in str(error)
    assert "please report it" in (error.hint or "")


def test_random_operations_are_named() -> None:
    error = failure(converted=model(random=True))
    assert "draws random numbers, in dropout/draw" in str(error)
    assert "report" not in (error.hint or "")


def test_an_original_that_changes_its_mind_is_told() -> None:
    assert "another answer when it gets the same input again" in str(failure(Original(step=1.0)))


def test_an_original_without_numbers_is_told() -> None:
    error = failure(Original(value=float("nan")))
    assert "values of y that are not numbers" in str(error)
    assert "mean_values" in (error.hint or "")


@pytest.mark.parametrize("value", [-1e9, 1e-12])
def test_a_constant_that_float16_cannot_hold_is_named(value: float) -> None:
    error = failure(converted=model(value), precision="FP16")
    assert f"{value:.3g}" in str(error)
    assert "sum" in str(error)
    assert "`precisions=FP32`" in (error.hint or "")
    assert "float16" not in str(failure(converted=model(value)))


def test_a_coarse_original_is_no_fault_of_ours() -> None:
    error = failure(exactness=HALF)
    assert "3 of 4 operations compute in float16" in str(error)
    assert "report" not in (error.hint or "")


def test_what_float16_loses() -> None:
    constants = {
        "fine": [1.0, 6e4],
        "infinite": [np.inf, 2.0],
        "large": [1.0, -7e4],
        "tiny": [0.0, 1e-9],
        "zero": [0.0],
    }
    arrays = [(name, np.array(values, np.float32)) for name, values in constants.items()]
    assert lost_in_float16(arrays) == (
        "-7e+04 of the constant 'large'",
        "1e-09, the largest value of the constant 'tiny'",
    )


def test_infinities_that_are_the_same_on_both_sides_pass() -> None:
    masked = LOGITS.copy()
    masked[:, 3] = -np.inf
    result = compare_outputs(masked, masked, "FP32")
    assert result.passed
    assert result.conclusive
    assert result.masked == 1
    finite = masked.copy()
    finite[:, 3] = -1e30
    assert not compare_outputs(masked, finite, "FP32").passed
    assert not compare_outputs(finite, masked, "FP32").passed


def test_outputs_of_open_shape_are_compared_image_by_image() -> None:
    original = [LOGITS[:2], LOGITS[:5], LOGITS[:0]]
    assert compare_outputs(original, original, "FP32").passed
    assert not compare_outputs(original, [LOGITS[:2], LOGITS[1:6], LOGITS[:0]], "FP32").passed
    with pytest.raises(ParityError, match=r"expected the shape \(5, 10\), got \(4, 10\)"):
        compare_outputs(original, [LOGITS[:2], LOGITS[:4], LOGITS[:0]], "FP32")
    nothing = [LOGITS[:0]] * 3
    assert not compare_outputs(nothing, nothing, "FP32").conclusive
