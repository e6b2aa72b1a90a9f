"""Compares a changed model with the one before: both run on the same inputs, and each output must stay the same.

A conversion is compared with its original as well (:mod:`mixnet_tools.conversion.parity`). This comparison is for any
model, also where the original is not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mixnet_tools.errors import last_line
from mixnet_tools.inference.generated_inputs import PIXELS, UNIT, make_inputs, numbers_of
from mixnet_tools.inference.openvino import FLOAT32_ONLY
from mixnet_tools.ir.core import openvino_core

if TYPE_CHECKING:
    import openvino

INPUTS = 4
"""Number of generated inputs on which both models run."""

LARGEST = (PIXELS, UNIT)
"""The largest number of the inputs, in turn: where one drives a model into saturation or NaN, the other may not."""

TOLERANCE = 1e-4
"""Largest allowed |difference|, in units of an output's range (largest minus smallest value).

Another order of the sums of a full-size MixNet-L moves a logit by 1e-6 of the range; a part of a split in the wrong
place moves it by more than 0.1.
"""

FP16_TOLERANCE = 1e-2
"""The same where both are stored in half precision, whose rounding moves a logit of MixNet-L by 1e-3 of the range."""

STILL = 1e-6
"""What changes by this share of its size or less does not vary: it is rounding."""

MASKED = 1e3
"""An element of an output that never varies is left out of the range if it is so many times what varies."""

Values = npt.NDArray[np.float64]


def find_mismatch(model: openvino.Model, changed: openvino.Model, tolerance: float = TOLERANCE) -> str | None:
    """Find out why ``changed`` must not take the place of ``model``. Returns the reason in words, or None.

    Both run on the CPU in float32, on generated inputs.
    """
    try:
        expected = _outputs(model)
    except (RuntimeError, TypeError, ValueError) as error:  # of OpenVINO, or of an input that cannot be generated
        return f"the model cannot be run on generated inputs, so that nothing can be proved: {last_line(error)}"
    found = _outputs(changed)
    masked = [_masked([run[index] for run in expected]) for index in range(len(model.outputs))]
    largest = 0.0
    for run, other in zip(expected, found, strict=True):
        for one, two, mask in zip(run, other, masked, strict=True):
            if one.shape != two.shape:
                return f"the result would have the shape {two.shape} instead of {one.shape}"
            finite = np.isfinite(one)
            if not np.array_equal(finite, np.isfinite(two)) or not np.array_equal(
                one[~finite], two[~finite], equal_nan=True
            ):
                return "the result would be NaN or infinite in other places"
            for part in (finite & ~mask, finite & mask):
                if part.any():
                    largest = max(largest, _relative_difference(one[part], two[part]))
    if largest > tolerance:
        return f"the result would differ by {largest:.2g} of its range"
    if not any(np.isfinite(one).any() for run in expected for one in run):
        return "the model answers all generated inputs with NaN or infinity, so that nothing can be proved"
    # Inputs of one kind are compared with each other: a dead model may still tell large numbers from small ones.
    for first in range(len(LARGEST)):
        alike = expected[first :: len(LARGEST)]
        if any(_varies([run[index] for run in alike]) for index in range(len(alike[0]))):
            return None
    return "the model answers all generated inputs alike, so that nothing can be proved"


def _relative_difference(expected: Values, found: Values) -> float:
    """The largest |difference|, in units of the range of ``expected``."""
    # Where the output is almost constant, its size takes the place of its range.
    scale = max(float(np.ptp(expected)), 1e-3 * float(np.abs(expected).max()), 1e-30)
    return float(np.abs(expected - found).max()) / scale


def _masked(outputs: Sequence[Values]) -> npt.NDArray[np.bool_]:
    """The elements of an output that are the same for every input, and huge beside those that vary.

    A bias of -1e9 masks a class. In units of a range with such a number in it, every difference would be small. None is
    masked where the output has another shape for another input (an array of one element).
    """
    if len({one.shape for one in outputs}) > 1:
        return np.zeros(1, np.bool_)
    stacked = np.nan_to_num(np.stack(outputs), nan=0.0, posinf=0.0, neginf=0.0)
    sizes = np.abs(stacked).max(axis=0)
    fixed = np.ptp(stacked, axis=0) <= STILL * sizes
    masked: npt.NDArray[np.bool_] = fixed & (sizes > MASKED * sizes.max(where=~fixed, initial=0.0))
    return masked if not fixed.all() else np.zeros_like(fixed)


def _varies(outputs: Sequence[Values]) -> bool:
    """Whether an output differs from input to input, where it is finite for all of them."""
    if len({one.shape for one in outputs}) > 1:
        return True
    stacked = np.stack(outputs)
    stacked = stacked[:, np.isfinite(stacked).all(axis=0) & ~_masked(outputs)]
    return bool(stacked.size) and float(np.ptp(stacked, axis=0).max()) > STILL * float(np.abs(stacked).max())


def _outputs(model: openvino.Model) -> list[list[Values]]:
    """Run ``model`` on :data:`INPUTS` generated inputs: for each input, each output."""
    request = openvino_core().compile_model(model, "CPU", FLOAT32_ONLY).create_infer_request()
    runs = []
    for seed in range(1, INPUTS + 1):
        request.infer(dict(enumerate(make_inputs(model, seed, LARGEST[seed % len(LARGEST)]))))
        runs.append([numbers_of(tensor) for tensor in request.output_tensors])
    return runs
