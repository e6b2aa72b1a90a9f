"""Which of two models is faster here: runs in turn, so that what else the machine does hits both."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from mixnet_tools.inference import FLOAT32_ONLY

ROUNDS = 9
SECONDS = 0.4
"""Of one run; a round is a run of each model."""

THROUGHPUT = {"PERFORMANCE_HINT": "THROUGHPUT", **FLOAT32_ONLY}
"""As mixnet-check runs an IR."""


@dataclass(frozen=True)
class Paired:
    """Inferences a second of two models, run by run, measured in turn."""

    base: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median over the rounds of how many times as fast the other is."""
        return statistics.median(other / base for base, other in zip(self.base, self.other, strict=True))


def paired_throughput(base: Any, other: Any, rounds: int = ROUNDS, seconds: float = SECONDS) -> Paired:
    """Measure two ``openvino.Model`` on the CPU."""
    runs = [Load(model) for model in (base, other)]
    counts = [max(4, int(run.rate(run.warm_up) * seconds)) for run in runs]
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            rates[which].append(runs[which].rate(counts[which]))
    return Paired(tuple(rates[0]), tuple(rates[1]))


class Load:
    """A model on the CPU with all the requests that it wants, each with an input of its own."""

    def __init__(self, model: Any, config: dict[str, Any] | None = None, requests: int = 0) -> None:
        import openvino

        compiled = openvino.Core().compile_model(model, "CPU", config or THROUGHPUT)
        self._queue: Any = openvino.AsyncInferQueue(compiled, requests)
        self.warm_up = 4 * len(self._queue)
        arrays = inputs(model)
        for request in self._queue:
            for index, array in enumerate(arrays):
                request.set_input_tensor(index, openvino.Tensor(array.copy()))

    def rate(self, count: int) -> float:
        """Inferences a second over ``count`` of them."""
        started = perf_counter()
        for _ in range(count):
            self._queue.start_async()
        self._queue.wait_all()
        return count / (perf_counter() - started)


def inputs(model: Any) -> Sequence[Any]:
    """Something to compute, for each of the model's inputs: 0..255, or 0 and 1 for whole numbers and booleans."""
    rng = np.random.default_rng(0)
    arrays = []
    for port in model.inputs:
        shape, dtype = tuple(port.get_shape()), port.get_element_type().to_dtype()
        floating = np.issubdtype(dtype, np.floating)
        arrays.append((rng.uniform(0, 255, shape) if floating else rng.integers(0, 2, shape)).astype(dtype))
    return arrays
