"""Running a model in a framework: arrays in, arrays out; and timing it."""

from __future__ import annotations

from typing import Literal, get_args

InferencePrecision = Literal["f32", "bf16", "f16", "default"]
"""What floats of an IR are computed in. ``default`` is what OpenVINO chooses: on processors that have it, bfloat16."""

INFERENCE_PRECISIONS: tuple[InferencePrecision, ...] = get_args(InferencePrecision)
