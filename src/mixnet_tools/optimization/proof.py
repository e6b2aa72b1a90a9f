"""Whether a changed model still computes what it computed: both on the same inputs, output by output.

A conversion is compared with its original besides (:mod:`mixnet_tools.conversion.parity`); this is for any model, of
which there is no original at hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mixnet_tools.inference import FLOAT32_ONLY
from mixnet_tools.throughput import inputs

Values = npt.NDArray[np.float64]

INPUTS = 4

TOLERANCE = 1e-4
"""Largest allowed |difference| in units of an output's range (largest minus smallest value). Another order of the sums
of a full-size MixNet-L moves a logit by 1e-6 of it; a part of a split in the wrong place by more than 0.1."""


def largest_difference(model: Any, changed: Any) -> float:
    """The largest |difference| of two ``openvino.Model`` on the CPU in float32, in units of the output's range.

    Infinity where they have other outputs, or where one gives NaN or infinity and the other does not.
    """
    largest = 0.0
    for expected, found in zip(_outputs(model), _outputs(changed), strict=True):
        if expected.shape != found.shape or not np.array_equal(np.isfinite(expected), np.isfinite(found)):
            return float("inf")
        finite = np.isfinite(expected)
        if finite.any():
            largest = max(largest, _share(expected[finite], found[finite]))
    return largest


def _share(expected: Values, found: Values) -> float:
    # An output that is all but constant has its size for a range.
    scale = max(float(np.ptp(expected)), 1e-3 * float(np.abs(expected).max()), 1e-30)
    return float(np.abs(expected - found).max()) / scale


def _outputs(model: Any) -> list[Values]:
    """Each output for all the inputs, [INPUTS, ...]."""
    import openvino

    request = openvino.Core().compile_model(model, "CPU", FLOAT32_ONLY).create_infer_request()
    runs = []
    for seed in range(1, INPUTS + 1):
        request.infer(dict(enumerate(inputs(model, seed))))
        runs.append([np.array(tensor.data, np.float64) for tensor in request.output_tensors])
    return [np.stack(one) for one in zip(*runs, strict=True)]
