"""Compares the speed of IRs on this machine, for the table of a quantization and for the choice of its form.

Float layers are computed in float32, as in the measurement of accuracy. Where OpenVINO would choose a shorter type on
this processor (bfloat16), the IRs are compared in that type as well: beside it, INT8 gains less.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixnet_tools.inference.throughput import OWN_CHOICE, THROUGHPUT, LoadedModel, Speedup, run_in_turn
from mixnet_tools.ir.image_input import read_image_input, set_batch
from mixnet_tools.ir.read import read_ir
from mixnet_tools.values import IRModel

if TYPE_CHECKING:
    import openvino

ROUNDS = 10
SECONDS = 0.1
"""Length of one run of one IR. The comparison takes ``ROUNDS * SECONDS`` for each IR and type, and the compilation."""

Rates = Mapping[str, Sequence[Sequence[float]]]
"""By the type of the float layers: images per second, of each model and round.

float32 comes first. The last type is the one that applications get: OpenVINO's own choice.
"""

MeasureRates = Callable[[Sequence[tuple[str, "openvino.Model"]]], Rates]
"""Measures models of batch 1, each with the name that errors call it by, in turn."""


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


def measure_rates(
    models: Sequence[tuple[str, openvino.Model]],
    device: str = "CPU",
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> Rates:
    """Run ``models`` in turn: see :data:`MeasureRates`. Raises :class:`EvaluationError` where one cannot be loaded."""
    found: dict[str, Sequence[Sequence[float]]] = {}
    for config in (THROUGHPUT, OWN_CHOICE):
        loaded: list[LoadedModel] = []
        for name, model in models:
            loaded.append(LoadedModel(model, config, device, name=name))
            if loaded[0].computed_in in found:  # OpenVINO's own choice is float32, which was measured
                break
        else:
            found[loaded[0].computed_in] = run_in_turn(loaded, rounds, seconds)
    return found


def beside_the_first(
    rates: Rates, baseline: str, precisions: Sequence[str], device: str = "CPU"
) -> tuple[tuple[Throughput, ...], ...]:
    """For each model but the first, its speed beside the first one in each type of ``rates``.

    ``baseline`` is the precision of the first model, ``precisions`` are those of the others.
    """
    return tuple(
        tuple(
            _throughput(device, computed_in, baseline, precision, Speedup(tuple(found[0]), tuple(found[index])))
            for computed_in, found in rates.items()
        )
        for index, precision in enumerate(precisions, 1)
    )


def deployed_speedup(rates: Rates, *, base: int, other: int) -> Speedup:
    """How many times as fast the model ``other`` is as ``base``, both by index, in the type that applications get."""
    found = list(rates.values())[-1]
    return Speedup(tuple(found[base]), tuple(found[other]))


def _throughput(device: str, computed_in: str, baseline: str, precision: str, speedup: Speedup) -> Throughput:
    low, high = speedup.quartiles
    return Throughput(
        device=device,
        computed_in=computed_in,
        baseline=baseline,
        precision=precision,
        baseline_fps=round(statistics.median(speedup.base), 2),
        fps=round(statistics.median(speedup.other), 2),
        ratio=round(speedup.ratio, 3),
        low=round(low, 3),
        high=round(high, 3),
        rounds=len(speedup.base),
    )


def to_time(ir: IRModel) -> tuple[str, openvino.Model]:
    """Read ``ir``, for :data:`MeasureRates`. Raises :class:`IRError` where it cannot be read."""
    model = read_ir(ir.xml)
    set_batch(model, read_image_input(model, ir.xml), 1, ir.xml)
    return str(ir.xml), model
