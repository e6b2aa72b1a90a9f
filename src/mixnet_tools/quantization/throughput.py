"""How much quicker one IR is than another on this machine, as a row of the table has it.

What is float is computed in float32, as accuracy is measured, and where the processor has a shorter type that OpenVINO
would choose by itself (bfloat16), in that as well: against it, INT8 gains less.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mixnet_tools.errors import EvaluationError, last_line
from mixnet_tools.inference.throughput import THROUGHPUT, Load, Paired, in_turn
from mixnet_tools.values import IRModel

ROUNDS = 15
SECONDS = 0.1
"""Of one IR in one round. All of it takes about ``ROUNDS * SECONDS`` for each IR and type, and its compilation."""


@dataclass(frozen=True)
class Throughput:
    """Images per second of ``baseline`` and of ``precision``: medians of rounds; ``ratio`` is the median of the rounds'
    own ratios, ``low`` and ``high`` are their quartiles. ``computed_in`` is the type in which what is float
    was computed.
    """

    device: str
    computed_in: str
    baseline: str
    precision: str
    baseline_fps: float
    fps: float
    ratio: float
    low: float
    high: float
    rounds: int


def compare_throughput(
    baseline: IRModel,
    others: Sequence[IRModel],
    device: str = "CPU",
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> tuple[Throughput, ...]:
    """Measure ``others`` beside ``baseline`` with OpenVINO's throughput hint, in float32 and then, where that is
    another, in OpenVINO's own choice of type.

    Raises :class:`EvaluationError` where one fails.
    """
    irs = (baseline, *others)
    found = _compare(irs, [_load(ir, device, THROUGHPUT) for ir in irs], device, rounds, seconds)
    chosen = [_load(ir, device, {"PERFORMANCE_HINT": "THROUGHPUT"}) for ir in irs]
    if chosen[0].computed_in != "f32":
        found += _compare(irs, chosen, device, rounds, seconds)
    return found


def _compare(
    irs: Sequence[IRModel], loads: Sequence[Load], device: str, rounds: int, seconds: float
) -> tuple[Throughput, ...]:
    rates = in_turn(loads, rounds, seconds)
    found = []
    for ir, load, own in zip(irs[1:], loads[1:], rates[1:], strict=True):
        paired = Paired(rates[0], own)
        low, high = paired.quartiles
        found.append(
            Throughput(
                device=device,
                computed_in=load.computed_in,
                baseline=irs[0].precision,
                precision=ir.precision,
                baseline_fps=round(statistics.median(paired.base), 2),
                fps=round(statistics.median(paired.other), 2),
                ratio=round(paired.ratio, 3),
                low=round(low, 3),
                high=round(high, 3),
                rounds=rounds,
            )
        )
    return tuple(found)


def _load(ir: IRModel, device: str, config: dict[str, Any]) -> Load:
    try:
        return Load(ir.xml, config, device)
    except RuntimeError as error:
        raise EvaluationError(f"{ir.xml}: OpenVINO cannot load this IR on {device}: {last_line(error)}") from error
