"""Which of several models infers faster here: runs in turn, so that what else the machine does hits all alike.

Quoted are ratios, round by round: absolute figures drift with the machine, ratios of neighbouring runs hardly do.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from mixnet_tools.inference.openvino import FLOAT32_ONLY

ROUNDS = 40
SECONDS = 0.1
"""Of one run; a round is a run of each model. Many short runs tell more than a few long ones: a shared machine changes
its speed within a second."""

MARGIN = 0.02
"""Of a model against itself, medians of :data:`ROUNDS` differ by up to so much (measured: 0.979 to 1.027)."""

THROUGHPUT = {"PERFORMANCE_HINT": "THROUGHPUT", **FLOAT32_ONLY}
"""As mixnet-check runs an IR."""

_WARM_UP = 16


class Runs(Protocol):
    """Something that infers, and whose speed can be measured."""

    def rate(self, count: int) -> float:
        """Inferences a second over ``count`` of them."""


@dataclass(frozen=True)
class Paired:
    """Inferences a second of two models, run by run, measured in turn."""

    base: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times as fast the other is, round by round."""
        return tuple(other / base for base, other in zip(self.base, self.other, strict=True))

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)

    @property
    def faster(self) -> bool:
        """Whether the other is faster beyond chance: by more than :data:`MARGIN`, and in three of four rounds."""
        return self.ratio > 1 + MARGIN and self.quartiles[0] > 1

    def describe(self) -> str:
        """For people: the median, and the quartiles in brackets."""
        low, high = self.quartiles
        return f"{self.ratio:.3f} x the throughput here ({low:.3f} to {high:.3f})"

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile of the ratios (the one ratio, where there is but one)."""
        if len(self.ratios) < 2:
            return self.ratio, self.ratio
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return low, high


def paired_throughput(base: Any, other: Any, rounds: int = ROUNDS, seconds: float = SECONDS) -> Paired:
    """Measure two ``openvino.Model`` on the CPU, in float32."""
    return Paired(*in_turn([Load(base), Load(other)], rounds, seconds))


def in_turn(loads: Sequence[Runs], rounds: int = ROUNDS, seconds: float = SECONDS) -> tuple[tuple[float, ...], ...]:
    """The rates of each of ``loads``, round by round; who begins changes each time. A run takes about ``seconds``."""
    counts = [max(4, int(load.rate(_WARM_UP) * seconds)) for load in loads]
    rates: list[list[float]] = [[] for _ in loads]
    order = list(range(len(loads)))
    for _ in range(rounds):
        for index in order:
            rates[index].append(loads[index].rate(counts[index]))
        order.reverse()
    return tuple(map(tuple, rates))


class Load:
    """A model on a device with all the requests that it wants, each with an input of its own."""

    def __init__(self, model: Any, config: dict[str, Any] | None = None, device: str = "CPU") -> None:
        """Compile ``model``, an ``openvino.Model`` or the path of an IR (default ``config``: :data:`THROUGHPUT`)."""
        import openvino

        core = openvino.Core()
        loaded = core.read_model(model) if isinstance(model, Path) else model
        compiled = core.compile_model(loaded, device, THROUGHPUT if config is None else config)
        self.computed_in = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        self._queue: Any = openvino.AsyncInferQueue(compiled)
        arrays = inputs(loaded)
        for request in self._queue:
            for index, array in enumerate(arrays):
                request.set_input_tensor(index, openvino.Tensor(array.copy()))

    def rate(self, count: int) -> float:
        """See :class:`Runs`."""
        started = perf_counter()
        for _ in range(count):
            self._queue.start_async()
        self._queue.wait_all()
        return count / (perf_counter() - started)


def inputs(model: Any, seed: int = 0) -> Sequence[Any]:
    """Something to compute, for each of the model's inputs: 0..255, or 0 and 1 for whole numbers and booleans."""
    rng = np.random.default_rng(seed)
    arrays = []
    for port in model.inputs:
        shape, dtype = tuple(port.get_shape()), port.get_element_type().to_dtype()
        floating = np.issubdtype(dtype, np.floating)
        arrays.append((rng.uniform(0, 255, shape) if floating else rng.integers(0, 2, shape)).astype(dtype))
    return arrays
