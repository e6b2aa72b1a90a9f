"""How much quicker one IR is than another on this machine: both in turns, so that what disturbs one disturbs both.

What is float is computed in float32, as accuracy is measured, and where the processor has a shorter type that OpenVINO
would choose by itself (bfloat16), in that as well: against it, INT8 gains less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixnet_tools.errors import EvaluationError
from mixnet_tools.inference import FLOAT32_ONLY
from mixnet_tools.values import IRModel

ROUNDS = 5
SECONDS = 0.2
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
    found = _compare([_Lane(ir, device, FLOAT32_ONLY) for ir in irs], irs, device, rounds, seconds)
    chosen = [_Lane(ir, device, {}) for ir in irs]
    if chosen[0].computed_in != "f32":
        found += _compare(chosen, irs, device, rounds, seconds)
    return found


def _compare(
    lanes: Sequence[_Lane], irs: Sequence[IRModel], device: str, rounds: int, seconds: float
) -> tuple[Throughput, ...]:
    speeds: list[list[float]] = [[] for _ in lanes]
    for lane in lanes:
        lane.run(seconds)  # to warm up
    for number in range(rounds):
        for index in range(len(lanes)) if number % 2 == 0 else reversed(range(len(lanes))):
            speeds[index].append(lanes[index].run(seconds))
    return tuple(
        _throughput(device, lane.computed_in, (irs[0], ir), (speeds[0], own))
        for ir, lane, own in zip(irs[1:], lanes[1:], speeds[1:], strict=True)
    )


def _throughput(
    device: str, computed_in: str, irs: tuple[IRModel, IRModel], speeds: tuple[Sequence[float], Sequence[float]]
) -> Throughput:
    ratios = [after / before for before, after in zip(*speeds, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return Throughput(
        device=device,
        computed_in=computed_in,
        baseline=irs[0].precision,
        precision=irs[1].precision,
        baseline_fps=round(statistics.median(speeds[0]), 2),
        fps=round(statistics.median(speeds[1]), 2),
        ratio=round(statistics.median(ratios), 3),
        low=round(low, 3),
        high=round(high, 3),
        rounds=len(ratios),
    )


class _Lane:
    """An IR compiled for throughput, fed with noise."""

    def __init__(self, ir: IRModel, device: str, config: dict[str, str]) -> None:
        import openvino

        try:
            compiled = openvino.Core().compile_model(ir.xml, device, {"PERFORMANCE_HINT": "THROUGHPUT", **config})
            self._queue: Any = openvino.AsyncInferQueue(compiled)
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["?"])[-1]
            raise EvaluationError(f"{ir.xml}: OpenVINO cannot load this IR on {device}: {reason}") from error
        self.computed_in = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        shape = list(compiled.input(0).get_shape())
        self._image = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)

    def run(self, seconds: float) -> float:
        """Images per second over ``seconds``."""
        done, started = 0, time.perf_counter()
        while True:
            for _ in range(len(self._queue)):
                self._queue.start_async({0: self._image}, share_inputs=True)
                done += 1
            if time.perf_counter() - started >= seconds:
                break
        self._queue.wait_all()
        return done / (time.perf_counter() - started)
