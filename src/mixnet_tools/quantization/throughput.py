"""Compares the speed of IRs on this machine, for the table of a quantization.

Float layers are computed in float32, as in the measurement of accuracy. Where OpenVINO would choose a shorter type on
this processor (bfloat16), the IRs are compared in that type as well: beside it, INT8 gains less.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixnet_tools.inference.throughput import OWN_CHOICE, THROUGHPUT, LoadedModel, Speedup, run_in_turn
from mixnet_tools.ir.image_input import read_image_input, set_batch
from mixnet_tools.ir.read import read_ir
from mixnet_tools.values import IRModel

ROUNDS = 15
SECONDS = 0.1
"""Length of one run of one IR. The comparison takes ``ROUNDS * SECONDS`` for each IR and type, and the compilation."""


@dataclass(frozen=True)
class Throughput:
    """The speed of ``precision`` beside ``baseline``, the precision of another IR of the same model.

    ``fps`` and ``baseline_fps`` are images per second, medians over the rounds. ``ratio`` is the median of the ratios
    of the rounds, ``low`` and ``high`` are their quartiles. ``computed_in`` is the type of the float layers.
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
    """Measure ``others`` beside ``baseline``, one image at a time, with OpenVINO's throughput hint.

    The results in float32 come first, then those in OpenVINO's own choice of type, where that is another. Raises
    :class:`EvaluationError` where an IR cannot be read or loaded.
    """
    irs = (baseline, *others)
    found: list[Throughput] = []
    for config in (THROUGHPUT, OWN_CHOICE):
        loaded = [_load(ir, config, device) for ir in irs]
        if config is THROUGHPUT or loaded[0].computed_in != "f32":
            rates = run_in_turn(loaded, rounds, seconds)
            found += [
                _throughput(device, loaded[index].computed_in, baseline, irs[index], Speedup(rates[0], rates[index]))
                for index in range(1, len(irs))
            ]
    return tuple(found)


def _throughput(device: str, computed_in: str, baseline: IRModel, ir: IRModel, speedup: Speedup) -> Throughput:
    low, high = speedup.quartiles
    return Throughput(
        device=device,
        computed_in=computed_in,
        baseline=baseline.precision,
        precision=ir.precision,
        baseline_fps=round(statistics.median(speedup.base), 2),
        fps=round(statistics.median(speedup.other), 2),
        ratio=round(speedup.ratio, 3),
        low=round(low, 3),
        high=round(high, 3),
        rounds=len(speedup.base),
    )


def _load(ir: IRModel, config: Mapping[str, str], device: str) -> LoadedModel:
    model = read_ir(ir.xml)
    set_batch(model, read_image_input(model, ir.xml), 1, ir.xml)
    return LoadedModel(model, config, device, name=str(ir.xml))
