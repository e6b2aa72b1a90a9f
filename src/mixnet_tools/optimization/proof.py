"""Compares a changed model with the one before: both run on the same inputs, and each output must stay the same.

A conversion is compared with its original as well (:mod:`mixnet_tools.conversion.parity`). This comparison is for any
model, also where the original is not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.inference.openvino import FLOAT32_ONLY
from mixnet_tools.inference.throughput import make_inputs
from mixnet_tools.ir.core import openvino_core

if TYPE_CHECKING:
    import openvino

INPUTS = 4
"""Number of generated inputs on which both models run."""

TOLERANCE = 1e-4
"""Largest allowed |difference|, in units of an output's range (largest minus smallest value).

Another order of the sums of a full-size MixNet-L moves a logit by 1e-6 of the range; a part of a split in the wrong
place moves it by more than 0.1.
"""

FP16_TOLERANCE = 1e-2
"""The same where both are stored in half precision, whose rounding moves a logit of MixNet-L by 1e-3 of the range."""

Values = npt.NDArray[np.float64]


def find_mismatch(model: openvino.Model, changed: openvino.Model, tolerance: float = TOLERANCE) -> str | None:
    """Find out why ``changed`` must not take the place of ``model``. Returns the reason in words, or None.

    Both run on the CPU in float32, on generated inputs.
    """
    expected, found = _outputs(model), _outputs(changed)
    largest = 0.0
    for run, other in zip(expected, found, strict=True):
        for one, two in zip(run, other, strict=True):
            if one.shape != two.shape:
                return f"the result would have the shape {two.shape} instead of {one.shape}"
            finite = np.isfinite(one)
            if not np.array_equal(finite, np.isfinite(two)) or not np.array_equal(
                one[~finite], two[~finite], equal_nan=True
            ):
                return "the result would be NaN or infinite in other places"
            if finite.any():
                largest = max(largest, _relative_difference(one[finite], two[finite]))
    if largest > tolerance:
        return f"the result would differ by {largest:.2g} of its range"
    if not any(_varies([run[index] for run in expected]) for index in range(len(expected[0]))):
        return "the model answers all generated inputs alike, so that nothing can be proved"
    return None


def _relative_difference(expected: Values, found: Values) -> float:
    """The largest |difference|, in units of the range of ``expected``."""
    # Where the output is almost constant, its size takes the place of its range.
    scale = max(float(np.ptp(expected)), 1e-3 * float(np.abs(expected).max()), 1e-30)
    return float(np.abs(expected - found).max()) / scale


def _varies(outputs: Sequence[Values]) -> bool:
    """Whether an output differs from input to input, where it is finite for all of them."""
    if len({one.shape for one in outputs}) > 1:
        return True
    stacked = np.stack(outputs)
    stacked = stacked[:, np.isfinite(stacked).all(axis=0)]
    return bool(stacked.size) and float(np.ptp(stacked, axis=0).max()) > 1e-6 * float(np.abs(stacked).max())


def _outputs(model: openvino.Model) -> list[list[Values]]:
    """Run ``model`` on :data:`INPUTS` generated inputs: for each input, each output."""
    request = openvino_core().compile_model(model, "CPU", FLOAT32_ONLY).create_infer_request()
    runs = []
    for seed in range(1, INPUTS + 1):
        request.infer(dict(enumerate(make_inputs(model, seed))))
        runs.append([np.array(tensor.data, np.float64) for tensor in request.output_tensors])
    return runs
