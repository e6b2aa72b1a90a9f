"""Measures the throughput of models in turn, and how many times as fast one is as another.

A shared machine changes its speed from one second to the next, but hardly between two short runs that follow each
other. So each round runs every model once, and what counts is the ratio of two models within a round.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from mixnet_tools.errors import EvaluationError, last_line
from mixnet_tools.inference.generated_inputs import make_inputs
from mixnet_tools.inference.openvino import FLOAT32_ONLY
from mixnet_tools.ir.core import openvino_core

if TYPE_CHECKING:
    import openvino

ROUNDS = 40
"""Number of rounds, in each of which every model runs once."""

SECONDS = 0.1
"""Length of one run. Many short runs tell more than a few long ones."""

MARGIN = 0.02
"""Largest deviation from 1 of the ratio that a model has to itself over :data:`ROUNDS` (measured: 0.979 to 1.027)."""

OWN_CHOICE: Mapping[str, str] = {"PERFORMANCE_HINT": "THROUGHPUT"}
"""Configuration of OpenVINO in which it chooses the type to compute in, which is what applications get."""

THROUGHPUT: Mapping[str, str] = {**OWN_CHOICE, **FLOAT32_ONLY}
"""Configuration in which mixnet-check runs an IR: all in float32."""

_WARM_UP = 16
"""Number of inferences before the first round, which tell how many take :data:`SECONDS`."""


class Runnable(Protocol):
    """A model that can be run so many times, and timed."""

    def rate(self, count: int) -> float:
        """Run ``count`` inferences; returns how many there were in a second."""


@dataclass(frozen=True)
class Speedup:
    """The speed of two models that were run in turn: inferences per second, one value for each round."""

    base: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times as fast the other model is, for each round."""
        return tuple(other / base for base, other in zip(self.base, self.other, strict=True))

    @property
    def ratio(self) -> float:
        """The median of :attr:`ratios`."""
        return statistics.median(self.ratios)

    @property
    def faster(self) -> bool:
        """Whether the other model is faster beyond chance: by more than :data:`MARGIN`, and in three of four rounds."""
        return self.ratio > 1 + MARGIN and self.quartiles[0] > 1

    def exceeds(self, margin: float) -> bool:
        """Whether the other model is faster by more than ``margin`` (0.1: a tenth) in three of four rounds."""
        return self.quartiles[0] > 1 + margin

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile of :attr:`ratios`. A single ratio is both."""
        if len(self.ratios) < 2:
            return self.ratio, self.ratio
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return low, high

    def describe(self) -> str:
        """Describe the ratio for people: its median, and its quartiles in brackets."""
        low, high = self.quartiles
        return f"{self.ratio:.3f} x the throughput here ({low:.3f} to {high:.3f})"


def measure_speedup(
    base: openvino.Model, other: openvino.Model, rounds: int = ROUNDS, seconds: float = SECONDS
) -> Speedup:
    """Measure how many times as fast ``other`` is as ``base``, on the CPU in float32: see :func:`run_in_turn`."""
    return Speedup(*run_in_turn([LoadedModel(base), LoadedModel(other)], rounds, seconds))


def run_in_turn(
    models: Sequence[Runnable], rounds: int = ROUNDS, seconds: float = SECONDS
) -> tuple[tuple[float, ...], ...]:
    """Run ``models`` in turn, each for about ``seconds`` a round; every other round goes backwards.

    Returns inferences per second, for each model and round.
    """
    counts = [max(4, int(model.rate(_WARM_UP) * seconds)) for model in models]
    rates: list[list[float]] = [[] for _ in models]
    order = list(range(len(models)))
    for _ in range(rounds):
        for index in order:
            rates[index].append(models[index].rate(counts[index]))
        order.reverse()
    return tuple(map(tuple, rates))


class LoadedModel:
    """A model on a device, with as many requests at once as the device asks for. Each request has its own input."""

    def __init__(
        self,
        model: openvino.Model,
        config: Mapping[str, str] = THROUGHPUT,
        device: str = "CPU",
        *,
        name: str | None = None,
    ) -> None:
        """Compile ``model``, whose inputs have fixed shapes. ``computed_in`` is the type of its float layers.

        Raises :class:`EvaluationError` where ``device`` cannot load it; the message begins with ``name`` (default: the
        model's own).
        """
        import openvino

        try:
            compiled = openvino_core().compile_model(model, device, dict(config))
        except RuntimeError as error:
            raise EvaluationError(
                f"{name or model.get_friendly_name()}: OpenVINO cannot load this IR on {device}: {last_line(error)}"
            ) from error
        self.computed_in = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        self._queue = openvino.AsyncInferQueue(compiled)
        for request in self._queue:
            for index, tensor in enumerate(make_inputs(model)):
                request.set_input_tensor(index, tensor)

    def rate(self, count: int) -> float:
        """See :meth:`Runnable.rate`."""
        started = perf_counter()
        for _ in range(count):
            self._queue.start_async()
        self._queue.wait_all()
        return count / (perf_counter() - started)
